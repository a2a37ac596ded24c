/**
 * JSON or plain text from the command line, or from standard input.
 *
 * The error for other text names the probable cause: the shell removed the
 * quotes, or the text was meant to be plain.
 *
 * @module
 */

import type { Json } from "../model/json.ts";
import { type PositionalDeclaration, UsageError } from "./arguments.ts";

// Limits memory. The library's own limit is lower.
const STDIN_BYTES_MAX = 4 << 20;

/** Use of a payload, for errors. */
export interface PayloadUse {
  /** Verb and object, such as `send on "state"`. */
  readonly act: string;
  /** Command line before the payload, such as `mbus send state`. */
  readonly usage: string;
}

/**
 * Returns the JSON of an argument; `-` reads it from standard input.
 *
 * @throws {UsageError} If the text is not JSON.
 */
export async function readPayload(
  text: string,
  use: PayloadUse,
): Promise<Json> {
  const piped = text === "-";
  const json = piped ? await readStdin(use.act) : text;
  try {
    return JSON.parse(json);
  } catch {
    throw new UsageError("payload", notJsonMessage(json, piped, use));
  }
}

/** Positional of a session that is written to. */
export const WHO: PositionalDeclaration = {
  name: "WHO",
  help: "Name, unique beginning of one, or vendor; all for all",
};

/** Positional of a text. */
export const TEXT: PositionalDeclaration = {
  name: "TEXT",
  help: "Text to the end of the line",
  default: "standard input",
  optional: true,
  repeated: true,
  isText: true,
};

/** Paragraph of the help about that text. */
export const TEXT_RULE: string =
  "All words to the end of the line are the text. Options stand before it, or " +
  "after text that is one argument, such as text in quotes. Without text, or " +
  "with -, standard input is the text.";

/**
 * Returns the text of the rest of a command line. Without words, or with `-`, it is
 * standard input without its last line end.
 *
 * @throws {UsageError} If there is no text.
 */
export async function readText(
  words: readonly string[],
  { act, usage }: PayloadUse,
): Promise<string> {
  const isPiped = words.length === 0 || words.length === 1 && words[0] === "-";
  if (words.length === 0 && Deno.stdin.isTerminal()) {
    throw new UsageError(
      "text",
      `Cannot ${act}: the text is missing. Write "${usage} TEXT".`,
    );
  }
  const text = isPiped
    ? (await readStdin(act)).replace(/\r?\n$/, "")
    : words.join(" ");
  if (text.trim() !== "") return text;
  throw new UsageError(
    "text",
    isPiped
      ? `Cannot ${act}: standard input is empty. Write "${usage} TEXT", or ` +
        `pipe the text.`
      : `Cannot ${act}: the text is empty. Write "${usage} TEXT".`,
  );
}

function notJsonMessage(
  text: string,
  piped: boolean,
  { act, usage }: PayloadUse,
): string {
  const start = `Cannot ${act}:`;
  if (text.trim() === "") {
    return piped
      ? `${start} standard input is empty. Pipe one JSON value into "${usage} -".`
      : `${start} the payload is empty. Pass JSON such as '{"status":"working"}'.`;
  }
  const shown = text.length > 60 ? `${text.slice(0, 60)}…` : text;
  const state = `${JSON.stringify(shown)} is not JSON`;
  if (piped) return `${start} ${state}. Pipe one JSON value.`;
  if (/^\s*[[{]/.test(text) && !text.includes('"')) {
    return `${start} ${state}, because the shell removed its quotes. Put the ` +
      `JSON in single quotes, as in ${usage} '{"status":"working"}'.`;
  }
  if (/^[^[{"]/.test(text.trim())) {
    return `${start} ${state}. Put plain text in quotes inside quotes, as in ` +
      `${usage} '"some text"'.`;
  }
  return `${start} ${state}. Check its quotes, commas and brackets, or pipe it ` +
    `into "${usage} -".`;
}

/**
 * Returns the text of standard input.
 *
 * @param act Verb and object, for errors.
 * @throws {UsageError} If it is not UTF-8, or larger than 4 MiB.
 */
export async function readStdin(act: string): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for (;;) {
    const chunk = new Uint8Array(64 * 1024);
    const read = await Deno.stdin.read(chunk);
    if (read === null) break;
    size += read;
    if (size > STDIN_BYTES_MAX) {
      throw new UsageError(
        "payload",
        `Cannot ${act}: more than ${
          STDIN_BYTES_MAX >> 20
        } MiB came from standard ` +
          `input. Put the data in a file and send its path.`,
      );
    }
    chunks.push(chunk.subarray(0, read));
  }
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new UsageError(
      "payload",
      `Cannot ${act}: standard input is not UTF-8. Pipe text in UTF-8.`,
    );
  }
}
