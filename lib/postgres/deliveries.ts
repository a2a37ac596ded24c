/**
 * Reads direct messages by the state of their delivery.
 *
 * @module
 */

import { toMessage } from "../sql/message_rows.ts";
import type { Message } from "../model/message.ts";
import type { Queryable } from "./connection.ts";
import { messageColumns } from "./messages.ts";

/**
 * Returns the unacknowledged direct messages for a session, in order; with
 * `untold`, only those that no model has received.
 */
export async function pendingFor(
  connection: Queryable,
  session: string,
  after: string,
  limit: number,
  pending: "unacknowledged" | "untold",
): Promise<Message[]> {
  const rows = await connection.all(
    // A session that takes a name also gets messages that were for another one.
    `SELECT ${messageColumns("m")}, d.recipient_id
     FROM deliveries AS d JOIN inter_session_messages AS m ON m.id = d.message_id
     WHERE d.recipient_id = $1 AND d.message_id > $2
       AND d.state IN ('queued', 'noticed', 'injected') AND m.expires_at > now_ms($3)
       AND (d.state <> 'injected' OR NOT $4)
     ORDER BY d.message_id LIMIT $5`,
    [session, after, connection.clockShiftMs, pending === "untold", limit],
  );
  return rows.map(toMessage);
}

/** Returns the unexpired direct messages of a sender after a cursor, in order. */
export async function sentBy(
  connection: Queryable,
  sender: string,
  after: string,
  limit: number,
): Promise<Message[]> {
  const rows = await connection.all(
    `SELECT ${messageColumns("m")} FROM inter_session_messages AS m
     WHERE m.sender_id = $1 AND m.recipient_id IS NOT NULL
       AND m.id > greatest($2::bigint, 0) AND m.expires_at > now_ms($3)
     ORDER BY m.id LIMIT $4`,
    [sender, after, connection.clockShiftMs, limit],
  );
  return rows.map(toMessage);
}

/** Returns the first unexpired reply to a message of a session, if there is one. */
export async function answerTo(
  connection: Queryable,
  session: string,
  id: string,
): Promise<Message[]> {
  const rows = await connection.all(
    `SELECT ${messageColumns("m")} FROM inter_session_messages AS m
     WHERE m.recipient_id = $1 AND m.reply_to = $2 AND m.expires_at > now_ms($3)
       AND m.id > 0
     ORDER BY m.id LIMIT 1`,
    [session, id, connection.clockShiftMs],
  );
  return rows.map(toMessage);
}
