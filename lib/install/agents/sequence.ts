/**
 * Inserts and removes items between brackets, with commas, by text alone.
 *
 * JSON objects and arrays and TOML arrays are edited alike. The two operations are
 * inverse: removing inserted items restores every byte.
 *
 * - Into an empty sequence, items go right behind the opening bracket, without a
 *   space. The text between the brackets stays behind them.
 * - Behind existing items, they go on the same line or on lines of their own. A
 *   new line starts below a comment at the end of the last item's line. The comma
 *   goes behind the last item; if a trailing comma exists, ours trails instead.
 * - A run of items is removed with the blanks before it and the comma behind it.
 *   Without a comma behind it, the comma before it is removed.
 *
 * @module
 */

/** A range of a text; the end is exclusive. */
export interface Span {
  /** The start. */
  readonly start: number;
  /** The end, exclusive. */
  readonly end: number;
}

/** A change of a text: a range and its new text. */
export interface Edit extends Span {
  /** The new text. */
  readonly text: string;
}

/** Items between brackets. */
export interface Sequence {
  /** Start of the inside, behind the opening bracket. */
  readonly open: number;
  /** The items, in order. */
  readonly items: readonly Span[];
  /** The commas between and behind them. */
  readonly commas: readonly Span[];
  /** The comments inside, but not within items. */
  readonly comments: readonly Span[];
}

/**
 * Inserts items at the end.
 *
 * @param text The text.
 * @param sequence The sequence in it.
 * @param items The items' texts.
 * @param gap The text between items: blanks, or a line end and indentation.
 * @returns The edits.
 */
export function insertItems(
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
 * Removes items.
 *
 * @param sequence The sequence.
 * @param indexes The items' indexes.
 * @returns The edits.
 */
export function removeItems(
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
 * Applies edits to a text.
 *
 * @param text The text.
 * @param edits The edits, without overlap. Edits at one position keep their order.
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
 * Returns the position for items behind `from`. On a new line, they go below the
 * comments at the end of this one. On the same line, they go before them.
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

/** Returns the end of the bracket, item, comma or comment before an item. */
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
