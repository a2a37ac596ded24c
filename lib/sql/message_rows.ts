/**
 * The rows of messages, and cursors: the numbers that their ids are.
 *
 * @module
 */

import { InvalidInputError } from "../model/errors.ts";
import { isoOf } from "../model/iso_time.ts";
import { decodePayload } from "../model/json.ts";
import type { Message } from "../model/message.ts";
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
export function assertCursorInRange(end: string, cursor: string): void {
  if (Number(cursor) <= Number(end)) return;
  throw new InvalidInputError(
    "cursor",
    `Cannot read after message ${cursor}: the last one on this bus is ${end}; ` +
      `pass the id of a message of this bus, "start" or "now".`,
  );
}

/** What the row of a message says. */
export function toMessage(row: Columns): Message {
  return messageOf([
    row.id,
    row.sender_id,
    row.channel,
    row.payload,
    row.created_at,
    row.expires_at,
    row.project_id,
    row.recipient_id,
    row.reply_to,
  ]);
}

/**
 * The same of a row's columns, in the order in which {@linkcode toMessage} names
 * them, which is half of the work.
 */
export function messageOf(row: readonly unknown[]): Message {
  // Every reader does this for each message, next to nothing of it in the
  // processor's caches: written out, without parts to put together and without
  // taking the row apart, it takes half as long.
  const createdAt = row[4];
  const message: { -readonly [Field in keyof Message]: Message[Field] } = {
    id: String(row[0]),
    sender: String(row[1]),
    channel: String(row[2]),
    payload: decodePayload(row[3]),
    createdAt: createdAt instanceof Date
      ? createdAt.toISOString()
      : String(createdAt),
    expiresAt: isoOf(Number(row[5])),
  };
  if (row[6] !== null) message.project = String(row[6]);
  if (row[7] !== null) message.to = String(row[7]);
  if (row[8] !== null) message.replyTo = String(row[8]);
  return message;
}
