/**
 * Durations as text: written as `500ms`, `60s`, `5m`, `1h` or `2d`, and shown as
 * `4m 10s`.
 *
 * @module
 */

const UNIT_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** Returns a duration in milliseconds; undefined without a unit, or for 0. */
export function parseDuration(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(text.trim());
  if (match === null) return undefined;
  const ms = Number(match[1]) * UNIT_MS[match[2]];
  return ms > 0 && Number.isFinite(ms) ? ms : undefined;
}

/** Returns a duration in its two largest units, such as `4m 10s`. */
export function renderDuration(ms: number): string {
  if (ms < 0) return `-${renderDuration(-ms)}`;
  if (ms < 1000) return `${Math.round(ms)}ms`;
  const seconds = Math.floor(ms / 1000);
  if (seconds < 60) return `${seconds}s`;
  const [whole, rest, large, small] = seconds < 3600
    ? [Math.floor(seconds / 60), seconds % 60, "m", "s"]
    : seconds < 86_400
    ? [Math.floor(seconds / 3600), Math.floor(seconds % 3600 / 60), "h", "m"]
    : [
      Math.floor(seconds / 86_400),
      Math.floor(seconds % 86_400 / 3600),
      "d",
      "h",
    ];
  return rest === 0 ? `${whole}${large}` : `${whole}${large} ${rest}${small}`;
}
