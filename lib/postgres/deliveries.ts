/**
 * What became of direct messages, in PostgreSQL.
 *
 * The row comes with the message (schema.ts). A state only ever moves forward,
 * and never further than what is proven. The row outlives its message by a day:
 * when the message goes unread, whoever purges it writes down why.
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
import { arrayText, type Queryable } from "./connection.ts";
import { messageColumns } from "./messages.ts";
import type { Transaction } from "./transaction.ts";

/** What became of a message; undefined if it is no direct one or long gone. */
export async function findDelivery(
  connection: Queryable,
  id: string,
): Promise<Delivery | undefined> {
  const row = await connection.get(
    `SELECT d.message_id, d.recipient_id, d.state, d.changed_at, m.expires_at,
            s.status AS session_status, m.expires_at <= now_ms($2) AS over
     FROM deliveries AS d
     LEFT JOIN inter_session_messages AS m ON m.id = d.message_id
     LEFT JOIN session_registry AS s ON s.session_id = d.recipient_id
     WHERE d.message_id = $1`,
    [id, connection.clockShiftMs],
  );
  if (row === undefined) return undefined;
  const over = row.over === true;
  return toDelivery(row, over);
}

/**
 * The direct messages for a session that are not acknowledged, in order; with
 * `untold` only those that no model was given.
 */
export async function pendingFor(
  connection: Queryable,
  session: string,
  after: string,
  limit: number,
  { untold = false }: { readonly untold?: boolean } = {},
): Promise<Message[]> {
  const rows = await connection.all(
    `SELECT ${messageColumns("m")}
     FROM deliveries AS d JOIN inter_session_messages AS m ON m.id = d.message_id
     WHERE d.recipient_id = $1 AND d.message_id > $2
       AND d.state IN ('queued', 'noticed', 'injected') AND m.expires_at > now_ms($3)
       AND (d.state <> 'injected' OR NOT $4)
     ORDER BY d.message_id LIMIT $5`,
    [session, after, connection.clockShiftMs, untold, limit],
  );
  return rows.map(toMessage);
}

/** The answer to a message that a session sent, if it came in time. */
export async function answerTo(
  connection: Queryable,
  session: string,
  id: string,
): Promise<Message | undefined> {
  const row = await connection.get(
    `SELECT ${messageColumns("m")} FROM inter_session_messages AS m
     WHERE m.recipient_id = $1 AND m.reply_to = $2 AND m.expires_at > now_ms($3)
       AND m.id > 0
     ORDER BY m.id LIMIT 1`,
    [session, id, connection.clockShiftMs],
  );
  return row === undefined ? undefined : toMessage(row);
}

/**
 * Moves deliveries to a session forward; what is further already stays, and
 * so does what is over: it came too late.
 */
export async function moveDeliveries(
  tx: Transaction,
  session: string,
  ids: readonly string[],
  state: DeliveryState,
): Promise<void> {
  const moved = await tx.connection.all(
    `UPDATE deliveries AS d SET state = $1, changed_at = $2
     WHERE d.message_id = ANY($3::bigint[]) AND d.recipient_id = $4
       AND d.state = ANY($5::text[])
       AND (d.state = 'injected' OR EXISTS (SELECT 1 FROM inter_session_messages AS m
         WHERE m.id = d.message_id AND m.expires_at > $2))
     RETURNING d.sender_id`,
    [
      state,
      tx.nowMs,
      arrayText(ids.map(Number)),
      session,
      arrayText(statesBefore(state)),
    ],
  );
  for (const sender of new Set(moved.map((row) => String(row.sender_id)))) {
    tx.ring("deliveries", sender);
  }
}

/** Writes down the fate of direct messages that are about to be deleted. */
export async function settleDeliveries(
  tx: Transaction,
  ids: readonly number[],
): Promise<void> {
  if (ids.length === 0) return;
  const rows = await tx.connection.all(
    `SELECT d.message_id, d.sender_id, d.state, s.status AS session_status
     FROM deliveries AS d
     LEFT JOIN session_registry AS s ON s.session_id = d.recipient_id
     WHERE d.message_id = ANY($1::bigint[])`,
    [arrayText(ids)],
  );
  const settled = rows.map((row) => ({ row, state: expiredState(row) }))
    .filter(({ row, state }) => row.state !== state);
  if (settled.length === 0) return;
  await tx.connection.run(
    `UPDATE deliveries AS d SET state = u.state, changed_at = $3
     FROM unnest($1::bigint[], $2::text[]) AS u(id, state)
     WHERE d.message_id = u.id`,
    [
      arrayText(settled.map(({ row }) => Number(row.message_id))),
      arrayText(settled.map(({ state }) => state)),
      tx.nowMs,
    ],
  );
  for (const { row } of settled) tx.ring("deliveries", String(row.sender_id));
}

/** Forgets deliveries that were settled long ago. */
export async function purgeDeliveries(tx: Transaction): Promise<void> {
  await tx.connection.run(
    `DELETE FROM deliveries WHERE message_id IN (
       SELECT message_id FROM deliveries AS d WHERE changed_at < $1
         AND NOT EXISTS (SELECT 1 FROM inter_session_messages WHERE id = d.message_id)
       LIMIT 200)`,
    [tx.nowMs - DELIVERY_KEPT_MS],
  );
}
