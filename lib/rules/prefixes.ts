/**
 * Where a store finds the holds that may overlap a path.
 *
 * It finds them by literal prefix, in a number of look-ups that follows
 * from the depth of the path and not from the number of locks:
 *
 * - at the same prefix, and below it (a range of the index);
 * - at each prefix above it, where only folders and globs reach down.
 *
 * Whether they do overlap is decided by lock_overlap.ts.
 *
 * @module
 */

/** Returns the prefixes above one, at which a lock may stand that reaches it. */
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
