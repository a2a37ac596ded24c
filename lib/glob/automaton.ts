/**
 * The product automaton of two globs: whether a path is in both, and a shortest.
 *
 * A glob has a head, the literal segments with which all its paths begin. Its
 * branches may follow, one for each way to write out its braces. Each is a
 * sequence of segments, and a segment is a sequence of sets of code points. In
 * both a {@linkcode GAP} stands for any number of items: `**` among segments,
 * `*` within one. As an automaton, a sequence of n items has n + 1 positions as
 * states. An item is a step to the next state. A gap is a step to its own state,
 * and may be left by an empty step.
 *
 * A state of the product is a position in each sequence. Every useful step moves
 * forward in at least one of them, because two gaps that read the same item only
 * lengthen the path. So the product has no cycle. One pass from the end to the
 * beginning finds the length of the shortest common rest from every state:
 *
 *     rest(n, m) = 0
 *     rest(i, j) = the minimum of
 *       rest(i+1, j)                     if a[i] is a gap: leave it
 *       rest(i, j+1)                     if b[j] is a gap: leave it
 *       step(a[i], b[j]) + rest(i', j')  past an item, but still in a gap
 *
 * The same pass runs on two levels. Within a segment, a step is a code point in
 * both sets. Among segments, it is the shortest text in both segments, found by
 * the inner pass, and the slash after it. No set has a slash and no segment is
 * empty, so only well-formed paths are found.
 *
 * If two globs have a path in common, one head begins with the other. Text
 * comparison settles that part, and the pass covers the rest of the longer head
 * and the branches. It runs over each branch of the longer head's glob, then
 * once over the head, from the minimum that the branches left. So the cost is
 * their sum.
 *
 * **The bound.** Two globs are compared in at most 4 · size · size steps. A
 * glob's size is the sum of {@linkcode sizeOf} over its head and branches. Stars
 * do not multiply the cost, because each state is visited once.
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

/** Items in order, and gaps between them. */
export type Sequence<T> = readonly (T | Gap)[];

/** One segment: a set for each code point; it is never empty. */
export type Segment = Sequence<CodePoints>;

/** A glob's head, or one of its branches. */
export type Branch = Sequence<Segment>;

/** A counter of the steps of comparisons, with an optional limit. */
export interface Meter {
  /** Visited states of the product, and compared ranges in them. */
  steps: number;
  /**
   * The number of steps after which {@linkcode GlobStepsError} is thrown.
   * @default {no limit}
   */
  readonly stepsMax?: number;
}

/** Thrown if a comparison takes more steps than its meter allows. */
export class GlobStepsError extends RangeError {
  /** Always `GlobStepsError`. */
  override name = "GlobStepsError";
}

/** One segment of any text, as a gap among segments reads it. */
const ANY_SEGMENT: Segment = [GAP];

// Greater than any length: no path and no branch has more than 4,096 positions.
const UNREACHABLE = 0xffff;

/** Returns the size of a branch: its ranges, gaps and segments. */
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
 * Returns the length of the shortest path that is in `branch`, and also in
 * `head` followed by one of `tails`. It counts code points, and a slash after
 * every segment. Returns undefined without such a path, and 0 for the empty path.
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
 * Returns the path of which {@linkcode commonLength} returns the length, which
 * must not be undefined.
 */
export function commonPath(
  branch: Branch,
  head: Branch,
  tails: readonly Branch[],
): string {
  const { ofHead, ofTails, min } = restsOf(branch, head, tails);
  const steps: Step<Segment>[] = [];
  const j = walk(head, branch, ofHead, 0, steps);
  const tail = ofTails.findIndex((rest) => rest[j] === min[j]);
  walk(tails[tail], branch, ofTails[tail], j, steps);
  return steps.map(([x, y]) => commonText(x, y)).join("/");
}

/** Rests of the product of a branch with the head, and with each tail. */
interface Rests {
  readonly ofHead: Uint16Array;
  readonly ofTails: readonly Uint16Array[];
  /** The minimum over the tails, for each position of the branch. */
  readonly min: Uint16Array;
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
  const min = new Uint16Array(branch.length + 1).fill(UNREACHABLE);
  for (const rest of ofTails) {
    for (let j = 0; j < min.length; j++) min[j] = Math.min(min[j], rest[j]);
  }
  const ofHead = restLengths(head, branch, step, min, meter);
  return { ofHead, ofTails, min };
}

/** Returns the length of the shortest text in both segments, and of a slash. */
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

/** Returns a shortest text in both segments, which must have one. */
function commonText(a: Segment | Gap, b: Segment | Gap): string {
  const left = a === GAP ? ANY_SEGMENT : a;
  const right = b === GAP ? ANY_SEGMENT : b;
  const steps: Step<CodePoints>[] = [];
  walk(left, right, segmentRests(left, right), 0, steps);
  // A segment is never empty.
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
    `Cannot compare two globs: the comparison takes more than ${stepsMax} ` +
      `steps. Write shorter globs.`,
  );
}

/**
 * Returns the length of the shortest common rest from each state (i, j), at the
 * index `i * (b.length + 1) + j`. `end` has the rests after all of `a`.
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
      let min = UNREACHABLE;
      if (a[i] === GAP) min = Math.min(min, rest[here + width]);
      if (b[j] === GAP) min = Math.min(min, rest[here + 1]);
      if (j < b.length && (a[i] !== GAP || b[j] !== GAP)) {
        const after = rest[next(a, i) * width + next(b, j)];
        // A step adds at least 1, so the costly call is skipped if useless.
        if (after < min) min = Math.min(min, step(a[i], b[j]) + after);
      }
      rest[here] = min;
    }
  }
  return rest;
}

/** Returns the rests of `b` alone: 0 from each position with only gaps left. */
function endOf<T>(b: Sequence<T>): Uint16Array {
  const end = new Uint16Array(b.length + 1).fill(UNREACHABLE);
  end[b.length] = 0;
  for (let j = b.length - 1; j >= 0 && b[j] === GAP; j--) end[j] = 0;
  return end;
}

/** Returns the position after an item is read at `i`: a gap keeps its position. */
function next<T>(sequence: Sequence<T>, i: number): number {
  return sequence[i] === GAP ? i : i + 1;
}

/** One step of the product: an item or gap of each sequence. */
type Step<T> = [T | Gap, T | Gap];

/**
 * Adds the steps of a shortest common sequence to `steps`. It runs from the start
 * of `a`, and position `j` of `b`, to the end of `a`. Returns the position in `b`.
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
