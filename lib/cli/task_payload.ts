/**
 * Options with the data of a task: JSON, or plain text.
 *
 * @module
 */

import type { Json } from "../model/json.ts";
import { type OptionDeclarations, UsageError } from "./arguments.ts";
import { readPayload, readStdin } from "./payload.ts";

/** Options that set the payload of a task. */
export const PAYLOAD_OPTIONS = {
  payload: {
    kind: "string",
    placeholder: "JSON",
    help: "Data of the task; - reads it from standard input",
  },
  body: {
    kind: "string",
    placeholder: "TEXT",
    help: "Data as plain text; - reads it from standard input",
  },
} as const satisfies OptionDeclarations;

/**
 * Returns the payload of `--payload` or `--body`; undefined without both.
 *
 * @throws {UsageError} If both are given, or the payload is not JSON.
 */
export async function payloadOf(
  { payload, body }: { readonly payload?: string; readonly body?: string },
  use: { readonly act: string; readonly usage: string },
): Promise<Json | undefined> {
  if (payload !== undefined && body !== undefined) {
    throw new UsageError(
      "body",
      `Cannot ${use.act}: --payload and --body are both given. Leave one out.`,
    );
  }
  if (body !== undefined) {
    return body === "-" ? (await readStdin(use.act)).trimEnd() : body;
  }
  return payload === undefined ? undefined : await readPayload(payload, {
    ...use,
    usage: `${use.usage} --payload`,
  });
}
