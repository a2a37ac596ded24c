/**
 * Text of others, made harmless for a terminal.
 *
 * Whatever came over the bus, from a file or from the environment may hold
 * escape sequences that move the cursor, set a title or answer as if typed,
 * line breaks that forge a line of output, or bidirectional controls that make
 * text read as something else. They are shown as escapes (`\x1b`, `\u202e`).
 * In JSON the same characters are written as JSON's own escapes: the value
 * stays what it was.
 *
 * @module
 */

/**
 * C0 and C1 controls, DEL, line and paragraph separators, bidirectional and
 * other invisible format characters, tags, and halves of surrogate pairs. Not
 * the joiners: emoji and several scripts are written with them.
 */
function unsafe(): RegExp {
  // Read when it is needed, as that takes a fifth of a millisecond.
  // deno-lint-ignore no-control-regex
  return /[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e0fff}]|\p{Surrogate}/gu;
}

/** The text with everything shown that would act on a terminal. */
export function visible(text: string): string {
  return text.replace(unsafe(), (character) => {
    switch (character) {
      case "\n":
        return "\\n";
      case "\r":
        return "\\r";
      case "\t":
        return "\\t";
    }
    const code = character.codePointAt(0)!;
    if (code < 0x100) return `\\x${code.toString(16).padStart(2, "0")}`;
    return code > 0xffff
      ? `\\u{${code.toString(16)}}`
      : `\\u${code.toString(16).padStart(4, "0")}`;
  });
}

/** The JSON text of a value on one line, harmless to print. */
export function visibleJson(value: unknown): string {
  return JSON.stringify(value).replace(
    unsafe(),
    (character) =>
      Array.from(
        { length: character.length },
        (_, i) => `\\u${character.charCodeAt(i).toString(16).padStart(4, "0")}`,
      ).join(""),
  );
}
