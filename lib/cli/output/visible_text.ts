/**
 * Text of others, made harmless for a terminal and for a model that reads it
 * in its agent's shell.
 *
 * Text that came over the bus, from a file or from the environment may hold
 * escape sequences that move the cursor, set a title or answer as if typed,
 * line breaks that forge a line of output, bidirectional controls that make
 * text read as something else, or characters that only a model sees. They are
 * shown as escapes (`\x1b`, `\u202e`). Tags and our frame's mark are defused.
 * In JSON the same characters are written as JSON's own escapes: the value
 * stays what it was.
 *
 * @module
 */

import { replaceInvisible, withoutTags } from "../../text/harmless_text.ts";

/** The text with everything shown that would act on a terminal or a model. */
export function visible(text: string): string {
  return withoutTags(visibleCode(text));
}

/**
 * The text of a file, whose tags are its own: only what would act on a terminal
 * is shown. It is for a change of a file that is to be agreed to.
 */
export function visibleCode(text: string): string {
  return replaceInvisible(text, escapeOf);
}

/** The JSON text of a value on one line, harmless to print. */
export function visibleJson(value: unknown): string {
  const text = replaceInvisible(
    JSON.stringify(value),
    (character) =>
      Array.from(
        { length: character.length },
        (_, i) => `\\u${hex(character.charCodeAt(i))}`,
      ).join(""),
  );
  // Both characters stand in strings only: JSON's own `[` is before a quote.
  return withoutTags(text, "\\u003c", "\\u005b");
}

function escapeOf(character: string): string {
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
  return code > 0xffff ? `\\u{${hex(code)}}` : `\\u${hex(code)}`;
}

function hex(code: number): string {
  return code.toString(16).padStart(4, "0");
}
