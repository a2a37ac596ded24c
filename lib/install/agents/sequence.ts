/**
 * Items between brackets, with commas: put in and taken out by text alone.
 *
 * JSON objects and arrays and TOML arrays are edited the same way. Both ways
 * are made for each other: taking out what was put in gives back every byte.
 *
 * - Into an empty sequence items go right behind the opening bracket, with no
 *   space. What stood between the brackets stays behind them.
 * - Behind existing items they go right on, or on lines of their own: then below
 *   a comment that ends the last item's line. The comma they need goes where the last item
 *   ends; if a comma trails there already, ours trails instead.
 * - A run of items is taken out with the blanks before it, and with the comma
 *   behind it, or if there is none the comma before it.
 *
 * @module
 */

/** A piece of text: from, and up to but without. */
export interface Span {
  /** Where it starts. */
  readonly start: number;
  /** Where it ends, without. */
  readonly end: number;
}

/** A change of a text: this span becomes that. */
export interface Edit extends Span {
  /** What stands there afterwards. */
  readonly text: string;
}

/** Items between brackets. */
export interface Sequence {
  /** Where the inside starts, behind the opening bracket. */
  readonly open: number;
  /** The items, in order. */
  readonly items: readonly Span[];
  /** The commas between and behind them. */
  readonly commas: readonly Span[];
  /** The comments inside, but not within items. */
  readonly comments: readonly Span[];
}

/**
 * Puts items in at the end.
 *
 * @param text The text.
 * @param sequence The sequence in it.
 * @param items The items' texts.
 * @param gap What goes between items: blanks, or a line end and indentation.
 * @returns The edits.
 */
export function putIn(
  text: string,
  sequence: Sequence,
  items: readonly string[],
  gap: string,
): Edit[] {
  const joined = items.join(`,${gap}`);
  const last = sequence.items.at(-1);
  if (last === undefined) return [insert(sequence.open, joined)];
  const comma = sequence.commas.findLast(({ start }) => start >= last.end);
  if (comma !== undefined) {
    const at = placeBehind(text, sequence, comma.end, gap);
    return [insert(at, `${gap}${joined},`)];
  }
  const at = placeBehind(text, sequence, last.end, gap);
  return [insert(last.end, ","), insert(at, `${gap}${joined}`)];
}

/**
 * Takes items out.
 *
 * @param sequence The sequence.
 * @param indexes Which items.
 * @returns The edits.
 */
export function takeOut(
  sequence: Sequence,
  indexes: ReadonlySet<number>,
): Edit[] {
  const edits: Edit[] = [];
  for (let first = 0; first < sequence.items.length; first++) {
    if (!indexes.has(first)) continue;
    let last = first;
    while (indexes.has(last + 1)) last++;
    const start = previousEnd(sequence, first);
    const { end } = sequence.items[last];
    const next = sequence.items[last + 1]?.start ?? Infinity;
    const after = sequence.commas.find((comma) =>
      comma.start >= end && comma.start < next
    );
    edits.push({ start, end: after?.end ?? end, text: "" });
    const before = first === 0
      ? undefined
      : sequence.commas.findLast((comma) =>
        comma.end <= sequence.items[first].start
      );
    if (after === undefined && before !== undefined) {
      edits.push({ ...before, text: "" });
    }
    first = last;
  }
  return edits;
}

/**
 * Makes edits in a text.
 *
 * @param text The text.
 * @param edits The edits; they do not overlap. Those at one place keep order.
 * @returns The new text.
 */
export function applyEdits(text: string, edits: readonly Edit[]): string {
  const ordered = edits.toSorted((a, b) => a.start - b.start);
  let result = "";
  let at = 0;
  for (const edit of ordered) {
    result += text.slice(at, edit.start) + edit.text;
    at = edit.end;
  }
  return result + text.slice(at);
}

function insert(at: number, text: string): Edit {
  return { start: at, end: at, text };
}

/**
 * Where items go behind a place. On a new line: below the comments that end
 * this one. On the same line: before them, or they would be commented out.
 */
function placeBehind(
  text: string,
  sequence: Sequence,
  from: number,
  gap: string,
): number {
  let at = from;
  if (!gap.includes("\n")) return at;
  for (const comment of sequence.comments) {
    if (comment.start < at) continue;
    if (text.slice(at, comment.end).includes("\n")) break;
    at = comment.end;
  }
  return at;
}

/** The end of what stands before an item: bracket, item, comma or comment. */
function previousEnd(sequence: Sequence, index: number): number {
  const { start } = sequence.items[index];
  let end = sequence.open;
  for (const list of [sequence.items, sequence.commas, sequence.comments]) {
    for (const span of list) {
      if (span.end <= start) end = Math.max(end, span.end);
    }
  }
  return end;
}
