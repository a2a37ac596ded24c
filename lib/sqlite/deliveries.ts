/**
 * What became of direct messages, in SQLite.
 *
 * A trigger makes the row with the message, so other programs' direct messages
 * have one, too. A state only ever moves forward, and never further than what
 * is proven. The row outlives its message by a day: when the message goes
 * unread, whoever purges it writes down why.
 *
 * @module
 */

import {
  DELIVERY_KEPT_MS,
  expiredState,
  statesBefore,
  toDelivery,
} from "../coordination/delivery_states.ts";
import { toMessage } from "../coordination/message_rows.ts";
import type { Delivery, DeliveryState } from "../inbox.ts";
import type { Message } from "../store.ts";
import type { Connection } from "./connection.ts";
import { COLUMNS } from "./messages.ts";
import type { Transaction } from "./transaction.ts";

/** What became of a message; undefined if it is no direct one or long gone. */
export function findDelivery(
  connection: Connection,
  id: string,
  nowMs: number,
): Delivery | undefined {
  const row = connection.sql(
    `SELECT d.message_id, d.recipient_id, d.state, d.changed_at, m.expires_at,
            s.status AS session_status
     FROM deliveries AS d
     LEFT JOIN inter_session_messages AS m ON m.id = d.message_id
     LEFT JOIN session_registry AS s ON s.session_id = d.recipient_id
     WHERE d.message_id = ?`,
  ).get(Number(id));
  if (row === undefined) return undefined;
  const over = row.expires_at !== null && Number(row.expires_at) <= nowMs;
  return toDelivery(row, over);
}

/**
 * The direct messages for a session that are not acknowledged, in order; with
 * `untold` only those that no model was given.
 */
export function pendingFor(
  connection: Connection,
  session: string,
  after: string,
  limit: number,
  nowMs: number,
  { untold = false }: { readonly untold?: boolean } = {},
): Message[] {
  const columns = COLUMNS.split(",").map((column) => `m.${column.trim()}`);
  return connection.sql(
    `SELECT ${columns.join(", ")}
     FROM deliveries AS d JOIN inter_session_messages AS m ON m.id = d.message_id
     WHERE d.recipient_id = ? AND d.message_id > ?
       AND d.state IN ('queued', 'noticed', 'injected') AND m.expires_at > ?
       AND (d.state <> 'injected' OR NOT ?)
     ORDER BY d.message_id LIMIT 0 + ?`,
  ).all(session, Number(after), nowMs, untold ? 1 : 0, limit).map(toMessage);
}

/** The answer to a message that a session sent, if it came in time. */
export function answerTo(
  connection: Connection,
  session: string,
  id: string,
  nowMs: number,
): Message | undefined {
  const row = connection.sql(
    `SELECT ${COLUMNS} FROM inter_session_messages
     WHERE recipient_id = ? AND reply_to = ? AND expires_at > ?
     ORDER BY id LIMIT 1`,
  ).get(session, Number(id), nowMs);
  return row === undefined ? undefined : toMessage(row);
}

/**
 * Moves deliveries to a session forward; what is further already stays, and
 * so does what is over: it came too late.
 */
export function moveDeliveries(
  tx: Transaction,
  session: string,
  ids: readonly string[],
  state: DeliveryState,
): void {
  const before = statesBefore(state);
  for (const id of ids) {
    const moved = tx.connection.sql(
      `UPDATE deliveries SET state = ?1, changed_at = ?2
       WHERE message_id = ?3 AND recipient_id = ?4
         AND state IN (SELECT value FROM json_each(?5))
         AND (state = 'injected' OR EXISTS (SELECT 1 FROM inter_session_messages
           WHERE id = message_id AND expires_at > ?2))
       RETURNING sender_id`,
    ).get(state, tx.nowMs, Number(id), session, JSON.stringify(before));
    if (moved !== undefined) tx.ring("deliveries", String(moved.sender_id));
  }
}

/** Writes down the fate of direct messages that are about to be deleted. */
export function settleDeliveries(
  tx: Transaction,
  ids: readonly number[],
): void {
  for (const id of ids) {
    const row = tx.connection.sql(
      `SELECT d.sender_id, d.state, s.status AS session_status
       FROM deliveries AS d
       LEFT JOIN session_registry AS s ON s.session_id = d.recipient_id
       WHERE d.message_id = ?`,
    ).get(id);
    if (row === undefined) continue;
    const state = expiredState(row);
    if (state === row.state) continue;
    tx.connection.sql(
      "UPDATE deliveries SET state = ?, changed_at = ? WHERE message_id = ?",
    ).run(state, tx.nowMs, id);
    tx.ring("deliveries", String(row.sender_id));
  }
}

/** Forgets deliveries that were settled long ago. */
export function purgeDeliveries(tx: Transaction): void {
  tx.connection.sql(
    `DELETE FROM deliveries WHERE message_id IN (
       SELECT message_id FROM deliveries AS d WHERE changed_at < ?
         AND NOT EXISTS (SELECT 1 FROM inter_session_messages WHERE id = d.message_id)
       LIMIT 200)`,
  ).run(tx.nowMs - DELIVERY_KEPT_MS);
}
