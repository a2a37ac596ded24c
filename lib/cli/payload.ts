/**
 * JSON from the command line, or from standard input.
 *
 * The error for other text names the probable cause: the shell removed the
 * quotes, or the text was meant to be plain.
 *
 * @module
 */

import type { Json } from "../model/json.ts";
import { UsageError } from "./arguments.ts";

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
