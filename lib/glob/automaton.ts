/**
 * The product of two globs: whether any path is in both, and the shortest.
 *
 * A glob is a head, the literal segments that all its paths begin with, and the
 * branches that may follow, one for each way to write out its braces. Each of
 * these is a sequence of segments, and a segment a sequence of sets of code
 * points. In both a {@linkcode GAP} stands for any number of items: `**` among
 * segments, `*` within one. Read as an automaton, the states of a sequence of n
 * items are its n + 1 positions: an item is a step to the next one, a gap a step
 * that stays where it is and may be left for nothing.
 *
 * A position in one sequence and one in the other make a state of the product.
 * Every step of the product that is of use moves forward in at least one of
 * them (two gaps that swallow the same item only make the path longer), so the
 * product has no cycle, and one pass from the end to the beginning gives the
 * length of the shortest common rest from every state:
 *
 *     rest(n, m) = 0
 *     rest(i, j) = the least of
 *       rest(i+1, j)                     if a[i] is a gap: it is left
 *       rest(i, j+1)                     if b[j] is a gap: it is left
 *       step(a[i], b[j]) + rest(i', j')  where an item moves on, a gap stays
 *
 * The same pass serves twice. Within a segment, a step is one code point that
 * both sets have. Among segments, it is the shortest text that both segments
 * have, as found by the inner pass, and the slash behind it. Since a slash is
 * in no set, and a segment is never taken to be empty, only well-formed paths
 * are ever found.
 *
 * Of two globs that have a path in common, one head begins with the other: that
 * much is settled by comparing text, and only the rest of the longer head is
 * looked at. Behind it, the branches of its glob are passed one by one, and the
 * head once, from the least that any of them left. So a long head with many
 * branches costs no more than their sum.
 *
 * **The bound.** With sizes as {@linkcode sizeOf} counts them, summed over a
 * glob's head and branches, two globs are compared in at most 4 · size · size
 * steps, whatever they hold: stars do not multiply, as each state is looked at
 * once.
 *
 * @module
 */

import {
  ANY,
  type CodePoints,
  intersection,
  intersects,
  pick,
} from "./code_points.ts";

/** Stands for any number of items of a {@linkcode Sequence}, none included. */
export type Gap = "*";

/** The one {@linkcode Gap}. */
export const GAP: Gap = "*";

/** Items in their order, and gaps between them. */
export type Sequence<T> = readonly (T | Gap)[];

/** One segment: a set for each code point. It always has an element. */
export type Segment = Sequence<CodePoints>;

/** Segments of a path: a glob's head, or one of its branches. */
export type Branch = Sequence<Segment>;

/** Counts the steps that were taken, for whoever wants to see what they cost. */
export interface Meter {
  /** States of the product looked at, and ranges compared in them. */
  steps: number;
  /**
   * Steps after which {@linkcode GlobStepsError} is thrown.
   * @default {as many as it takes}
   */
  readonly stepsMax?: number;
}

/** Comparing takes more steps than its meter allows. */
export class GlobStepsError extends RangeError {
  /** Always `GlobStepsError`. */
  override name = "GlobStepsError";
}

/** What a gap among segments reads: one segment, whatever it holds. */
const ANY_SEGMENT: Segment = [GAP];

// Lengths stay far below: no path and no branch has more than 4,096 places.
const UNREACHABLE = 0xffff;

/** How much there is to look at: ranges, gaps and segments. */
export function sizeOf(branch: Branch): number {
  let size = 1;
  for (const segment of branch) {
    size++;
    if (segment === GAP) continue;
    for (const set of segment) size += set === GAP ? 1 : set.length / 2;
  }
  return size;
}

/**
 * The length of the shortest path that is in `branch`, and also in `head`
 * followed by one of `tails`: in code points, with a slash counted behind every
 * segment. Undefined if there is none; 0 if no segment need be there at all.
 */
export function commonLength(
  branch: Branch,
  head: Branch,
  tails: readonly Branch[],
  meter?: Meter,
): number | undefined {
  const [length] = restsOf(branch, head, tails, meter).ofHead;
  return length === UNREACHABLE ? undefined : length;
}

/**
 * The path of which {@linkcode commonLength} gives the length, which must not
 * be undefined; empty if no segment need be there at all.
 */
export function commonPath(
  branch: Branch,
  head: Branch,
  tails: readonly Branch[],
): string {
  const { ofHead, ofTails, least } = restsOf(branch, head, tails);
  const steps: Step<Segment>[] = [];
  const j = walk(head, branch, ofHead, 0, steps);
  const tail = ofTails.findIndex((rest) => rest[j] === least[j]);
  walk(tails[tail], branch, ofTails[tail], j, steps);
  return steps.map(([x, y]) => commonText(x, y)).join("/");
}

/** The rests of the product with the head, with each tail, and between them. */
interface Rests {
  readonly ofHead: Uint16Array;
  readonly ofTails: readonly Uint16Array[];
  /** From each position of the branch, the least rest before any tail. */
  readonly least: Uint16Array;
}

function restsOf(
  branch: Branch,
  head: Branch,
  tails: readonly Branch[],
  meter?: Meter,
): Rests {
  const step = (x: Segment | Gap, y: Segment | Gap): number =>
    segmentLength(x, y, meter);
  const ofTails = tails.map((tail) =>
    restLengths(tail, branch, step, endOf(branch), meter)
  );
  const least = new Uint16Array(branch.length + 1).fill(UNREACHABLE);
  for (const rest of ofTails) {
    for (let j = 0; j < least.length; j++) {
      least[j] = Math.min(least[j], rest[j]);
    }
  }
  const ofHead = restLengths(head, branch, step, least, meter);
  return { ofHead, ofTails, least };
}

/** The shortest text in both segments, and one for the slash behind it. */
function segmentLength(
  a: Segment | Gap,
  b: Segment | Gap,
  meter?: Meter,
): number {
  const [length] = segmentRests(
    a === GAP ? ANY_SEGMENT : a,
    b === GAP ? ANY_SEGMENT : b,
    meter,
  );
  return length === UNREACHABLE ? length : Math.max(length, 1) + 1;
}

/** A shortest text in both segments, which have one. */
function commonText(a: Segment | Gap, b: Segment | Gap): string {
  const left = a === GAP ? ANY_SEGMENT : a;
  const right = b === GAP ? ANY_SEGMENT : b;
  const steps: Step<CodePoints>[] = [];
  walk(left, right, segmentRests(left, right), 0, steps);
  // A segment is never nothing.
  if (steps.length === 0) steps.push([GAP, GAP]);
  return steps.map(([x, y]) => {
    const set = x === GAP ? ANY : x;
    return String.fromCodePoint(pick(y === GAP ? set : intersection(set, y)));
  }).join("");
}

function segmentRests(a: Segment, b: Segment, meter?: Meter): Uint16Array {
  return restLengths(a, b, step, endOf(b), meter);

  function step(x: CodePoints | Gap, y: CodePoints | Gap): number {
    if (x === GAP || y === GAP) return 1;
    if (meter !== undefined) meter.steps += (x.length + y.length) / 2;
    return intersects(x, y) ? 1 : UNREACHABLE;
  }
}

function spend(meter: Meter, steps: number): void {
  meter.steps += steps;
  const { stepsMax } = meter;
  if (stepsMax === undefined || meter.steps <= stepsMax) return;
  throw new GlobStepsError(
    `Cannot compare two globs: it takes more than ${stepsMax} steps. Write ` +
      `shorter ones.`,
  );
}

/**
 * The length of the shortest common rest of each state of the product, the
 * state (i, j) at `i * (b.length + 1) + j`, when those behind all of `a` are
 * given by `end`.
 */
function restLengths<T>(
  a: Sequence<T>,
  b: Sequence<T>,
  step: (x: T | Gap, y: T | Gap) => number,
  end: Uint16Array,
  meter?: Meter,
): Uint16Array {
  const width = b.length + 1;
  const states = (a.length + 1) * width;
  if (meter !== undefined) spend(meter, states);
  const rest = new Uint16Array(states);
  rest.set(end, a.length * width);
  for (let i = a.length - 1; i >= 0; i--) {
    for (let j = b.length; j >= 0; j--) {
      const here = i * width + j;
      let least = UNREACHABLE;
      if (a[i] === GAP) least = Math.min(least, rest[here + width]);
      if (b[j] === GAP) least = Math.min(least, rest[here + 1]);
      if (j < b.length && (a[i] !== GAP || b[j] !== GAP)) {
        const after = rest[next(a, i) * width + next(b, j)];
        // A step has a length: it is not asked for where it cannot help.
        if (after < least) least = Math.min(least, step(a[i], b[j]) + after);
      }
      rest[here] = least;
    }
  }
  return rest;
}

/** The rests of `b` where nothing else is left: none, if only gaps are. */
function endOf<T>(b: Sequence<T>): Uint16Array {
  const end = new Uint16Array(b.length + 1).fill(UNREACHABLE);
  end[b.length] = 0;
  for (let j = b.length - 1; j >= 0 && b[j] === GAP; j--) end[j] = 0;
  return end;
}

/** Where reading an item at `i` leads: past an item, but still in a gap. */
function next<T>(sequence: Sequence<T>, i: number): number {
  return sequence[i] === GAP ? i : i + 1;
}

/** What reads one item in each of the sequences. */
type Step<T> = [T | Gap, T | Gap];

/**
 * Adds to `steps` what reads the items of a shortest common sequence, from the
 * beginning of `a` and position `j` of `b`, up to the end of `a`; returns the
 * position in `b` there.
 */
function walk<T>(
  a: Sequence<T>,
  b: Sequence<T>,
  rest: Uint16Array,
  j: number,
  steps: Step<T>[],
): number {
  const width = b.length + 1;
  for (let i = 0; i < a.length;) {
    const here = i * width + j;
    if (a[i] === GAP && rest[here] === rest[here + width]) {
      i++;
    } else if (b[j] === GAP && rest[here] === rest[here + 1]) {
      j++;
    } else {
      steps.push([a[i], b[j]]);
      [i, j] = [next(a, i), next(b, j)];
    }
  }
  return j;
}
