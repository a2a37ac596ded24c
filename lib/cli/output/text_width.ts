/**
 * How wide a terminal shows a text, in columns.
 *
 * Letters of East Asian scripts and emoji take two columns, combining marks
 * none. Text is cut between what a reader takes for characters, never inside.
 *
 * @module
 */

const PLAIN = /^[\x20-\x7e]*$/;

const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1f64f}\u{1f680}-\u{1f6ff}\u{1f900}-\u{1f9ff}\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}|\ufe0f/u;
const NO_WIDTH = /^[\p{Mark}\u200c\u200d]+$/u;

let segmenter: Intl.Segmenter | undefined;

function characters(text: string): string[] {
  // Making one takes longer than most commands need for all else.
  segmenter ??= new Intl.Segmenter();
  return Array.from(segmenter.segment(text), ({ segment }) => segment);
}

function widthOf(character: string): number {
  if (WIDE.test(character)) return 2;
  return NO_WIDTH.test(character) ? 0 : 1;
}

/** The columns that a text without control characters takes. */
export function textWidth(text: string): number {
  if (PLAIN.test(text)) return text.length;
  return characters(text).reduce((sum, each) => sum + widthOf(each), 0);
}

/** The text filled up with spaces to `width` columns. */
export function padText(
  text: string,
  width: number,
  align: "left" | "right" = "left",
): string {
  const spaces = " ".repeat(Math.max(0, width - textWidth(text)));
  return align === "left" ? text + spaces : spaces + text;
}

/** The text, cut so that it takes at most `width` columns, with `…` for the rest. */
export function cutText(text: string, width: number): string {
  if (textWidth(text) <= width) return text;
  return width < 1 ? "" : `${fitting(characters(text), width - 1).join("")}…`;
}

/** {@linkcode cutText} that keeps the end. */
export function cutStart(text: string, width: number): string {
  if (textWidth(text) <= width) return text;
  if (width < 1) return "";
  const kept = fitting([...characters(text)].reverse(), width - 1);
  return `…${kept.reverse().join("")}`;
}

/** As many of the characters, from the first, as take at most `width` columns. */
function fitting(characters: Iterable<string>, width: number): string[] {
  const kept: string[] = [];
  let taken = 0;
  for (const character of characters) {
    taken += widthOf(character);
    if (taken > width) break;
    kept.push(character);
  }
  return kept;
}
