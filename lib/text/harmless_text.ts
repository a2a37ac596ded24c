/**
 * Invisible characters, and text that a model could take for its agent's or for
 * ours: one table and one rule for all text of peers.
 *
 * The frame, denials, names, the terminal and JSON share them. Invisible
 * characters are dropped, escaped or refused first. Tags and our mark are
 * searched for afterwards, so that no invisible character can hide in one.
 *
 * | text for | invisible characters | tags, our mark |
 * | --- | --- | --- |
 * | a model, from a hook | dropped | `‹`, `(` |
 * | a terminal or an agent's shell | escaped: `\u200b` | `‹`, `(` |
 * | a program, as JSON | escaped: `\u200b` | escaped: `\u003c`, `\u005b` |
 * | ids and names | refused | cannot occur |
 *
 * Emoji and several scripts need joiners and variation selectors. Text of messages
 * keeps one behind a character that is not Latin, Greek or Cyrillic, and two
 * inside an emoji. Ids and names have none.
 *
 * @module
 */

/**
 * Pairs of inclusive ends, sorted: Unicode's `Default_Ignorable_Code_Point`, the
 * categories `Cc` and `Cf`, line and paragraph separators, and two blanks (U+2800,
 * U+1D159). A test compares the table with the runtime's Unicode data. Compiling
 * these classes would take too long for a hook.
 */
// deno-fmt-ignore
const INVISIBLE: readonly number[] = [
  0x0, 0x1f,        0x7f, 0x9f,       0xad, 0xad,       0x34f, 0x34f,
  0x600, 0x605,     0x61c, 0x61c,     0x6dd, 0x6dd,     0x70f, 0x70f,
  0x890, 0x891,     0x8e2, 0x8e2,     0x115f, 0x1160,   0x17b4, 0x17b5,
  0x180b, 0x180f,   0x200b, 0x200f,   0x2028, 0x202e,   0x2060, 0x206f,
  0x2800, 0x2800,   0x3164, 0x3164,   0xfe00, 0xfe0f,   0xfeff, 0xfeff,
  0xffa0, 0xffa0,   0xfff0, 0xfffb,   0x110bd, 0x110bd, 0x110cd, 0x110cd,
  0x13430, 0x1343f, 0x1bca0, 0x1bca3, 0x1d159, 0x1d159, 0x1d173, 0x1d17a,
  0xe0000, 0xe0fff,
];

/** Whether a code point is a control character, or invisible by itself. */
export function isInvisible(code: number): boolean {
  if (code >= 0x20 && code < 0x7f) return false;
  let low = 0;
  let high = INVISIBLE.length / 2;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (code > INVISIBLE[2 * middle + 1]) low = middle + 1;
    else high = middle;
  }
  return 2 * low < INVISIBLE.length && INVISIBLE[2 * low] <= code;
}

/** Whether a text contains a code point that {@linkcode isInvisible} finds. */
export function hasInvisible(text: string): boolean {
  for (const character of text) {
    if (isInvisible(character.codePointAt(0)!)) return true;
  }
  return false;
}

/**
 * Replaces each invisible character and each lone surrogate of a text. Joiners
 * that have a use stay.
 */
export function replaceInvisible(
  text: string,
  instead: (character: string) => string,
): string {
  if (/^[ -~]*$/.test(text)) return text;
  const shown: string[] = [];
  // The last visible character, if a joiner may follow. A selector may not follow
  // another one.
  let joinable = 0;
  let isSelected = false;
  for (const character of text) {
    const code = character.codePointAt(0)!;
    const at = shown.length;
    if (isJoiner(code) && joinable >= JOINABLE_MIN) {
      const isSelector = code >= 0xfe00;
      shown[at] = isSelector && isSelected ? instead(character) : character;
      if (!isSelector || isSelected) joinable = 0;
      isSelected = isSelector;
    } else if (isInvisible(code) || code >= 0xd800 && code <= 0xdfff) {
      shown[at] = instead(character);
      joinable = 0;
    } else {
      shown[at] = character;
      joinable = code;
      isSelected = false;
    }
  }
  return shown.join("");
}

// Joiners have no use behind ASCII and Latin, Greek and Cyrillic letters.
const JOINABLE_MIN = 0x590;

function isJoiner(code: number): boolean {
  return code === 0x200c || code === 0x200d ||
    code === 0xfe0e || code === 0xfe0f;
}

/**
 * Replaces each `<` that opens a tag and each `[` of our frame's mark.
 *
 * A `<` stays before a blank, a digit, the end of a line and `= < > -`: there it
 * compares, shifts or points. Before any other character, even an unknown one, it
 * becomes `‹`.
 *
 * @param text Text whose invisible characters are dropped or escaped.
 * @param tag Replacement of a `<` that opens a tag.
 * @param bracket Replacement of the `[` of our mark.
 */
export function withoutTags(text: string, tag = "‹", bracket = "("): string {
  const untagged = text.includes("<")
    ? text.replace(/<(?![ \t\n\d=<>-])/g, tag)
    : text;
  return untagged.includes("[")
    ? untagged.replace(/\[(?=\s*message-bus)/giu, bracket)
    : untagged;
}
