/**
 * Text of other sessions, made harmless for a terminal and for a model that reads
 * it in its agent's shell.
 *
 * Text from the bus, a file or the environment may hold escape sequences that
 * move the cursor, set a title or answer as if typed. It may hold line breaks that
 * forge a line of output, bidirectional controls, or characters that only a model
 * sees. They are shown as escapes (`\x1b`, `\u202e`). Tags and our frame's mark
 * are escaped, too. JSON uses its own escapes, so that the value does not change.
 *
 * @module
 */

import { replaceInvisible, withoutTags } from "../../text/harmless_text.ts";

/** Returns the text with control characters, tags and frame marks escaped. */
export function visible(text: string): string {
  return withoutTags(visibleCode(text));
}

/**
 * Returns the text of a file with control characters escaped, but not its tags: a
 * person must see what a change of a file says.
 */
export function visibleCode(text: string): string {
  return replaceInvisible(text, escapeOf);
}

/** Returns the JSON text of a value on one line, harmless to print. */
export function visibleJson(value: unknown): string {
  const text = replaceInvisible(
    JSON.stringify(value),
    (character) =>
      Array.from(
        { length: character.length },
        (_, i) => `\\u${hex(character.charCodeAt(i))}`,
      ).join(""),
  );
  // Both match in strings only: a quote follows each `[` of JSON's own.
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
