/**
 * The rows of messages, and cursors, which are the numbers of message ids.
 *
 * @module
 */

import { InvalidInputError } from "../model/errors.ts";
import { isoOf } from "../model/iso_time.ts";
import { decodePayload } from "../model/json.ts";
import type { Message } from "../model/message.ts";
import type { Columns } from "./columns.ts";

/** The cursor before all stored messages. */
export const START_CURSOR = "0";

/**
 * Returns the cursor of a text.
 *
 * @throws {InvalidInputError} If the text is not a message id.
 */
export function parseCursor(text: string): string {
  if (/^\d{1,16}$/.test(text) && Number.isSafeInteger(Number(text))) {
    return String(Number(text));
  }
  throw new InvalidInputError(
    "cursor",
    `Cannot read after ${JSON.stringify(text)}: that is not a message id. ` +
      `Pass the "id" of a message or the "cursor" of a poll.`,
  );
}

/**
 * Checks that a cursor is not after the end. Such a cursor is of another bus, and would
 * skip future messages.
 *
 * @throws {InvalidInputError} If the cursor is after the end.
 */
export function assertCursorInRange(end: string, cursor: string): void {
  if (Number(cursor) <= Number(end)) return;
  throw new InvalidInputError(
    "cursor",
    `Cannot read after message ${cursor}: the last one on this bus is ${end}. ` +
      `Pass the id of a message of this bus, "start" or "now".`,
  );
}

/** Returns the message of a row. */
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
 * Returns the message of a row that is an array of columns, in half the time of
 * {@linkcode toMessage}, which has their order.
 */
export function messageOf(row: readonly unknown[]): Message {
  // Without spreads and destructuring, which double the time of this function. Each reader
  // calls it for each message.
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
