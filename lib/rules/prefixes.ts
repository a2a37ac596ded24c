/**
 * Prefixes at which a store looks for holds that may overlap a path.
 *
 * The number of look-ups depends on the depth of the path, not on the number of
 * locks:
 *
 * - one range of the index: the same prefix, and prefixes below it;
 * - each prefix above it, where only folders and globs can overlap.
 *
 * lock_overlap.ts decides whether they overlap.
 *
 * @module
 */

/** Returns the prefixes above one, whose locks may overlap it. */
export function prefixesAbove(prefix: string): string[] {
  const above = [];
  for (
    let end = prefix.lastIndexOf("/");
    end > 0;
    end = prefix.lastIndexOf("/", end - 1)
  ) {
    above.push(prefix.slice(0, end));
  }
  if (prefix !== "/") above.push("/");
  return above;
}

/**
 * Returns the texts between which the prefixes below one lie, both excluded:
 * "/" follows it there, and "0" is the next character.
 */
export function rangeBelow(prefix: string): readonly [string, string] {
  const folder = prefix === "/" ? "" : prefix;
  return [`${folder}/`, `${folder}0`];
}
