/**
 * The rows of messages, and cursors: the numbers that their ids are.
 *
 * @module
 */

import { InvalidInputError } from "../errors.ts";
import { isoOf } from "../iso_time.ts";
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

/** The same of a row's columns in order, which is half of the work. */
export function messageOf(
  [
    id,
    sender,
    channel,
    payload,
    createdAt,
    expiresAt,
    project,
    recipient,
    replyTo,
  ]: readonly unknown[],
): Message {
  // Every reader does this for each message: written out, it takes a third less
  // than an object put together of parts.
  const message: { -readonly [Field in keyof Message]: Message[Field] } = {
    id: String(id),
    sender: String(sender),
    channel: String(channel),
    payload: decodePayload(payload),
    createdAt: createdAt instanceof Date
      ? createdAt.toISOString()
      : String(createdAt),
    expiresAt: isoOf(Number(expiresAt)),
  };
  if (project !== null) message.project = String(project);
  if (recipient !== null) message.to = String(recipient);
  if (replyTo !== null) message.replyTo = String(replyTo);
  return message;
}
