/**
 * JSON that is given on a command line, or piped in.
 *
 * Text that is not JSON is refused with what probably went wrong: the shell
 * took the quotes, or plain text was meant.
 *
 * @module
 */

import type { Json } from "../model/json.ts";
import { UsageError } from "./arguments.ts";

// The library refuses less than this, and says so; here only memory is saved.
const STDIN_BYTES_MAX = 4 << 20;

/** What a payload is for. */
export interface PayloadUse {
  /** What it would be used for, such as `send on "state"`. */
  readonly act: string;
  /** The command line up to it, such as `mbus send state`. */
  readonly usage: string;
}

/**
 * The JSON that an argument says; `-` reads it from standard input.
 *
 * @throws {UsageError} If it is none.
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
    throw new UsageError("payload", whyNoJson(json, piped, use));
  }
}

function whyNoJson(
  text: string,
  piped: boolean,
  { act, usage }: PayloadUse,
): string {
  const start = `Cannot ${act}:`;
  if (text.trim() === "") {
    return piped
      ? `${start} nothing came from standard input; pipe one JSON value into "${usage} -".`
      : `${start} the payload is empty; pass JSON such as '{"status":"working"}'.`;
  }
  const shown = text.length > 60 ? `${text.slice(0, 60)}…` : text;
  const state = `${JSON.stringify(shown)} is not JSON`;
  if (piped) return `${start} ${state}; pipe one JSON value.`;
  if (/^\s*[[{]/.test(text) && !text.includes('"')) {
    return `${start} ${state}: the shell took its quotes; put the JSON into ` +
      `single quotes, as in ${usage} '{"status":"working"}'.`;
  }
  if (/^[^[{"]/.test(text.trim())) {
    return `${start} ${state}; for plain text put quotes inside quotes, as in ` +
      `${usage} '"some text"'.`;
  }
  return `${start} ${state}; check its quotes, commas and brackets, or pipe it ` +
    `into "${usage} -".`;
}

async function readStdin(act: string): Promise<string> {
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
          `input; put the data in a file and send its path.`,
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
      `Cannot ${act}: what came from standard input is not UTF-8; pipe JSON in UTF-8.`,
    );
  }
}
