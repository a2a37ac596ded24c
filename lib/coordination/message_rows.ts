/**
 * The rows of messages, and cursors: the numbers that their ids are.
 *
 * @module
 */

import { InvalidInputError } from "../errors.ts";
import { decodePayload } from "../json.ts";
import type { Message } from "../store.ts";
import type { Columns } from "./columns.ts";

/** The cursor before everything that is kept. */
export const START_CURSOR = "0";

/**
 * The cursor that a text means.
 *
 * @throws {InvalidInputError} If it is no id of a message.
 */
export function parseCursor(text: string): string {
  if (/^\d{1,16}$/.test(text) && Number.isSafeInteger(Number(text))) {
    return String(Number(text));
  }
  throw new InvalidInputError(
    "cursor",
    `Cannot read after ${JSON.stringify(text)}: that is no message id; ` +
      `pass the "id" of a message or the "cursor" of a poll.`,
  );
}

/**
 * Refuses a cursor that lies beyond everything that was ever published: it is
 * another bus's, and would pass over what is still to come.
 *
 * @throws {InvalidInputError} If it does.
 */
export function refuseBeyond(end: string, cursor: string): void {
  if (Number(cursor) <= Number(end)) return;
  throw new InvalidInputError(
    "cursor",
    `Cannot read after message ${cursor}: the last one on this bus is ${end}; ` +
      `pass the id of a message of this bus, "start" or "now".`,
  );
}

/** What the row of a message says. */
export function toMessage(row: Columns): Message {
  const { created_at: createdAt } = row;
  // Every reader does this for each message: written out, it takes a third less
  // than an object put together of parts.
  const message: { -readonly [Field in keyof Message]: Message[Field] } = {
    id: String(row.id),
    sender: String(row.sender_id),
    channel: String(row.channel),
    payload: decodePayload(row.payload),
    createdAt: createdAt instanceof Date
      ? createdAt.toISOString()
      : String(createdAt),
    expiresAt: new Date(Number(row.expires_at)).toISOString(),
  };
  if (row.project_id !== null) message.project = String(row.project_id);
  if (row.recipient_id !== null) message.to = String(row.recipient_id);
  if (row.reply_to !== null) message.replyTo = String(row.reply_to);
  return message;
}
