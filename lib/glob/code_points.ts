/**
 * Sets of code points, as one position in a glob matches them.
 *
 * A set is a flat list of inclusive ranges, `[low, high, low, high, …]`, sorted
 * and disjoint. So a class such as `[!a-z]` costs a few numbers, not a million
 * members. Every set lies within {@linkcode ANY}: Unicode without `/`, which
 * separates segments, and without surrogates, which are half a code point.
 *
 * Case folding is Unicode's *simple* one (statuses C and S of CaseFolding.txt),
 * as in regular expressions with the flags `iu`. It folds single code points.
 * `K`, `k` and the Kelvin sign are equal; `ß` and `ss` are not, nor are `i` and
 * the dotless `ı`. The system's language has no influence. A case-insensitive set
 * contains every member's variants, so sets of both kinds can be compared.
 *
 * @module
 */

/** A set: inclusive ranges, flat, sorted, disjoint, and within {@linkcode ANY}. */
export type CodePoints = readonly number[];

/** The code point of `/`. */
export const SLASH = 0x2f;

/** All code points that a segment of a path may contain. */
export const ANY: CodePoints = [
  0,
  SLASH - 1,
  SLASH + 1,
  0xd7ff,
  0xe000,
  0x10ffff,
];

/** Returns the set of all members of `ranges`, pairs of inclusive ends. */
export function codePoints(
  ranges: readonly (readonly [low: number, high: number])[],
): CodePoints {
  const merged: number[] = [];
  for (const [low, high] of ranges.toSorted((a, b) => a[0] - b[0])) {
    const last = merged.length - 1;
    if (last > 0 && low <= merged[last] + 1) {
      merged[last] = Math.max(merged[last], high);
    } else {
      merged.push(low, high);
    }
  }
  return intersection(merged, ANY);
}

/** Returns the members of {@linkcode ANY} that are not in `set`. */
export function complement(set: CodePoints): CodePoints {
  const outside: number[] = [];
  let low = 0;
  for (let i = 0; i < set.length; i += 2) {
    if (low < set[i]) outside.push(low, set[i] - 1);
    low = set[i + 1] + 1;
  }
  outside.push(low, 0x10ffff);
  return intersection(outside, ANY);
}

/** Returns the members that both sets have. */
export function intersection(a: CodePoints, b: CodePoints): CodePoints {
  const common: number[] = [];
  for (let i = 0, j = 0; i < a.length && j < b.length;) {
    const low = Math.max(a[i], b[j]);
    const high = Math.min(a[i + 1], b[j + 1]);
    if (low <= high) common.push(low, high);
    if (a[i + 1] < b[j + 1]) i += 2;
    else j += 2;
  }
  return common;
}

/** Returns whether the sets have a member in common. */
export function intersects(a: CodePoints, b: CodePoints): boolean {
  for (let i = 0, j = 0; i < a.length && j < b.length;) {
    if (a[i + 1] < b[j]) i += 2;
    else if (b[j + 1] < a[i]) j += 2;
    else return true;
  }
  return false;
}

/**
 * Returns one member of a non-empty set: the letter `a`, else the lowest visible
 * member, else the lowest.
 */
export function pick(set: CodePoints): number {
  if (has(set, 0x61)) return 0x61;
  for (let i = 0; i < set.length; i += 2) {
    if (set[i + 1] > 0x20) return Math.max(set[i], 0x21);
  }
  return set[0];
}

/** Returns `text` with each code point folded; their number stays the same. */
export function foldCase(text: string): string {
  // Within ASCII, folding is lower case.
  if (/^[\0-\x7f]*$/.test(text)) return text.toLowerCase();
  let folded = "";
  for (const character of text) {
    folded += String.fromCodePoint(foldPoint(character.codePointAt(0)!));
  }
  return folded;
}

/** Returns `set` with the case variants of its members. */
export function withCaseVariants(set: CodePoints): CodePoints {
  const ranges: [number, number][] = [];
  for (let i = 0; i < set.length; i += 2) ranges.push([set[i], set[i + 1]]);
  // The table of all variants is slow to build and needed for other scripts only.
  const variants = set.length === 0 || set[set.length - 1] < 0x80
    ? asciiVariants(set)
    : allVariants(set);
  for (const point of variants) ranges.push([point, point]);
  return codePoints(ranges);
}

function has(set: CodePoints, point: number): boolean {
  let low = 0;
  let high = set.length / 2;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (point > set[2 * middle + 1]) low = middle + 1;
    else high = middle;
  }
  return 2 * low < set.length && set[2 * low] <= point;
}

// Exceptions from folding by toUpperCase and then toLowerCase. The dotless i folds
// to itself, and three pairs have no upper case of one code point.
const FOLDING_EXCEPTIONS: ReadonlyMap<number, number> = new Map([
  [0x131, 0x131],
  [0x1fd3, 0x390],
  [0x1fe3, 0x3b0],
  [0xfb05, 0xfb06],
]);

function foldPoint(point: number): number {
  const exception = FOLDING_EXCEPTIONS.get(point);
  if (exception !== undefined) return exception;
  const upper = single(String.fromCodePoint(point).toUpperCase()) ?? point;
  return single(String.fromCodePoint(upper).toLowerCase()) ?? upper;
}

/** Returns the code point of a text that has exactly one. */
function single(text: string): number | undefined {
  const point = text.codePointAt(0)!;
  return text.length === (point > 0xffff ? 2 : 1) ? point : undefined;
}

function* asciiVariants(set: CodePoints): Generator<number> {
  for (let i = 0; i < set.length; i += 2) {
    for (let point = set[i]; point <= set[i + 1]; point++) {
      const lower = point | 0x20;
      if (lower < 0x61 || lower > 0x7a) continue;
      yield point ^ 0x20;
      // The only code points outside of ASCII that fold into it.
      if (lower === 0x6b) yield 0x212a; // Kelvin sign
      if (lower === 0x73) yield 0x17f; // long s
    }
  }
}

function* allVariants(set: CodePoints): Generator<number> {
  orbits ??= makeOrbits();
  if (set[0] === set[set.length - 1]) {
    yield* orbits.get(set[0]) ?? [];
    return;
  }
  for (const [point, orbit] of orbits) if (has(set, point)) yield* orbit;
}

// The last code point of the scripts that have letters of two cases.
const CASED_MAX = 0x1ffff;

/** The case variants of each code point that has some, with itself. */
let orbits: ReadonlyMap<number, readonly number[]> | undefined;

function makeOrbits(): ReadonlyMap<number, readonly number[]> {
  const orbitOf = new Map<number, number[]>();
  for (let point = 0; point <= CASED_MAX; point++) {
    if (point >= 0xd800 && point <= 0xdfff) continue;
    const fold = foldPoint(point);
    if (fold === point) continue;
    const orbit = orbitOf.get(fold) ?? [fold];
    orbit.push(point);
    orbitOf.set(fold, orbit).set(point, orbit);
  }
  return orbitOf;
}
