/**
 * Sizes as text.
 *
 * @module
 */

/** Returns a size in its largest fitting unit, such as `1.5 MiB`. */
export function renderBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  const at = Math.min(
    bytes < 1 ? 0 : Math.floor(Math.log2(bytes) / 10),
    units.length - 1,
  );
  const value = bytes / 1024 ** at;
  return `${at === 0 ? value : value.toFixed(1)} ${units[at]}`;
}
