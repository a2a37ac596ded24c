/**
 * Suggestions for mistyped names, by edit distance.
 *
 * @module
 */

/** Returns `Did you mean "send"? ` with a space, or "" if no name is near. */
export function didYouMean(word: string, names: readonly string[]): string {
  const nearest = nearestName(word, names);
  return nearest === undefined ? "" : `Did you mean "${nearest}"? `;
}

/** Returns the name with the fewest edits, if they are few for its length. */
export function nearestName(
  word: string,
  names: readonly string[],
): string | undefined {
  // No name is that long.
  if (word.length > 64) return undefined;
  let best: { name: string; edits: number } | undefined;
  for (const name of names) {
    const edits = editsBetween(word.toLowerCase(), name.toLowerCase());
    const few = Math.max(1, Math.floor(name.replace(/^-+/, "").length / 3));
    const near = edits <= few ||
      (word.length >= 3 && name.startsWith(word.toLowerCase()));
    if (near && (best === undefined || edits < best.edits)) {
      best = { name, edits };
    }
  }
  return best?.name;
}

/**
 * Returns the edit distance of two words: letters that are added, removed,
 * replaced, or swapped with their neighbour.
 */
export function editsBetween(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      row[j] = Math.min(
        last[j] + 1,
        row[j - 1] + 1,
        last[j - 1] + (same ? 0 : 1),
      );
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] &&
        a[i - 2] === b[j - 1];
      if (swapped) row[j] = Math.min(row[j], beforeLast[j - 2] + 1);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length];
}
