/**
 * Direct messages in SQLite, with their delivery states.
 *
 * A trigger inserts the delivery with its message, so that another program's direct
 * message has one, too.
 *
 * @module
 */

import { toMessage } from "../sql/message_rows.ts";
import type { Message } from "../model/message.ts";
import type { Connection } from "./connection.ts";
import { COLUMNS } from "./messages.ts";

/**
 * Returns the unacknowledged direct messages for a session, in order.
 *
 * @param after The cursor after which to begin.
 * @param limit Maximum number of messages.
 * @param pending With `untold`, only those that no model was given.
 */
export function pendingFor(
  connection: Connection,
  session: string,
  after: string,
  limit: number,
  nowMs: number,
  pending: "unacknowledged" | "untold",
): Message[] {
  // A session that takes a name also gets messages that were for another one.
  const columns = COLUMNS.split(",").map((column) => column.trim())
    .map((column) => `${column === "recipient_id" ? "d" : "m"}.${column}`);
  return connection.sql(
    `SELECT ${columns.join(", ")}
     FROM deliveries AS d JOIN inter_session_messages AS m ON m.id = d.message_id
     WHERE d.recipient_id = ? AND d.message_id > ?
       AND d.state IN ('queued', 'noticed', 'injected') AND m.expires_at > ?
       AND (d.state <> 'injected' OR NOT ?)
     ORDER BY d.message_id LIMIT 0 + ?`,
  ).all(session, Number(after), nowMs, pending === "untold" ? 1 : 0, limit).map(
    toMessage,
  );
}

/** Returns the unexpired direct messages of a sender after a cursor, in order. */
export function sentBy(
  connection: Connection,
  sender: string,
  after: string,
  limit: number,
  nowMs: number,
): Message[] {
  return connection.sql(
    `SELECT ${COLUMNS} FROM inter_session_messages
     WHERE sender_id = ? AND recipient_id IS NOT NULL AND id > ?
       AND expires_at > ?
     ORDER BY id LIMIT 0 + ?`,
  ).all(sender, Number(after), nowMs, limit).map(toMessage);
}

/** Returns the first unexpired answer to a session's message, or no message. */
export function answerTo(
  connection: Connection,
  session: string,
  id: string,
  nowMs: number,
): Message[] {
  return connection.sql(
    `SELECT ${COLUMNS} FROM inter_session_messages
     WHERE recipient_id = ? AND reply_to = ? AND expires_at > ?
     ORDER BY id LIMIT 1`,
  ).all(session, Number(id), nowMs).map(toMessage);
}
