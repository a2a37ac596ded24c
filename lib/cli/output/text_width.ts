/**
 * Width of text on a terminal, in columns, and lines of a width.
 *
 * Letters of East Asian scripts and emoji take two columns, combining marks
 * none. A line breaks between grapheme clusters, never inside of one.
 *
 * @module
 */

const PLAIN = /^[\x20-\x7e]*$/;

const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1f64f}\u{1f680}-\u{1f6ff}\u{1f900}-\u{1f9ff}\u{20000}-\u{3fffd}]|\p{Emoji_Presentation}|\ufe0f/u;
const NO_WIDTH = /^[\p{Mark}\u200c\u200d]+$/u;

let segmenter: Intl.Segmenter | undefined;

function characters(text: string): string[] {
  if (PLAIN.test(text)) return text.split("");
  // Made on demand: it takes longer than the rest of most commands.
  segmenter ??= new Intl.Segmenter();
  return Array.from(segmenter.segment(text), ({ segment }) => segment);
}

function widthOf(character: string): number {
  if (WIDE.test(character)) return 2;
  return NO_WIDTH.test(character) ? 0 : 1;
}

/** Returns the width of a text without control characters, in columns. */
export function textWidth(text: string): number {
  if (PLAIN.test(text)) return text.length;
  return characters(text).reduce((sum, each) => sum + widthOf(each), 0);
}

/** Returns the text, padded with spaces to `width` columns. */
export function padText(
  text: string,
  width: number,
  align: "left" | "right" = "left",
): string {
  const spaces = " ".repeat(Math.max(0, width - textWidth(text)));
  return align === "left" ? text + spaces : spaces + text;
}

/**
 * Returns the text in lines of at most `width` columns.
 *
 * A line breaks at a space, else after a `/` or `-`, else between any two
 * characters. Each line is indented as the text is.
 */
export function wrapText(text: string, width: number): string[] {
  if (textWidth(text) <= width) return [text];
  const indent = /^ */.exec(text)![0];
  const room = Math.max(1, width - indent.length);
  const all = characters(text.trim());
  const lines: string[] = [];
  for (let start = 0; start < all.length;) {
    const end = lineEnd(all, start, room);
    lines.push(`${indent}${all.slice(start, end).join("").trimEnd()}`);
    start = end;
    while (all[start] === " ") start++;
  }
  return lines;
}

/** Returns the index after a line that begins at `start`. */
function lineEnd(
  characters: readonly string[],
  start: number,
  width: number,
): number {
  let end = start;
  for (let taken = 0; end < characters.length; end++) {
    taken += widthOf(characters[end]);
    if (taken > width) break;
  }
  if (end === characters.length || characters[end] === " ") return end;
  const line = characters.slice(start, end);
  const length = line.lastIndexOf(" ") + 1 ||
    Math.max(line.lastIndexOf("/"), line.lastIndexOf("-")) + 1 ||
    // A character may be wider than the line.
    Math.max(1, line.length);
  return start + length;
}
