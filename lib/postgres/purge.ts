/**
 * Purging: what is over goes, a bounded step at a time, by whoever is there.
 *
 * A message goes when its TTL is over or when its channel holds more than its
 * cap (the oldest first). No cron and no daemon: a process that has published
 * a while takes a step, so that more is deleted than was published. Steps run
 * under the coordination lock, one at a time, and pass over rows that another
 * program has locked.
 *
 * How many a channel holds is not counted: the message that is the cap's from
 * the end is found in the channel's index, and what is before it goes.
 *
 * What a durable name loses is added to its count in the same transaction.
 *
 * @module
 */

import {
  purgedBy,
  SESSION_KEPT_MS,
  STEP_SESSIONS_MAX,
} from "../coordination/purge_rules.ts";
import type { Purged } from "../store.ts";
import type { Queryable, Row, SqlValue } from "./connection.ts";
import { purgeDeliveries, settleDeliveries } from "./deliveries.ts";
import { countLost, type Doomed, forgetUnusedNames } from "./durable.ts";
import { buryDeadSessions } from "./liveness.ts";
import { removeGoneWaiters } from "./lock_queue.ts";
import { purgeNotes } from "./notes.ts";
import { announceStale } from "./sessions.ts";
import { purgeTasks } from "./tasks.ts";
import type { Transaction } from "./transaction.ts";

/** Messages that one step deletes at the most. */
export const STEP_MESSAGES_MAX = 500;

// Channels that one step looks at.
const STEP_CHANNELS_MAX = 64;

// A key is of use while somebody may still send again what it stands for:
// longer than any deadline (ten minutes).
const KEY_KEPT_MS = 15 * 60 * 1000;
const STEP_KEYS_MAX = 2 * STEP_MESSAGES_MAX;

/** Where the rounds of a process stand: each step looks at some more. */
export interface PurgeRound {
  /** The last channel that was looked at. */
  channel: string;
  /** The last session whose process was looked at. */
  session: string;
}

/** Takes one step. */
export async function purgeStep(
  tx: Transaction,
  round: PurgeRound,
  channelMessagesMax: number,
): Promise<Purged> {
  const expired = await deleteMessages(
    tx,
    "expires_at <= $1 ORDER BY expires_at",
    [tx.nowMs],
    STEP_MESSAGES_MAX,
  );
  const { deleted, more } = await deleteOverCap(
    tx,
    round,
    channelMessagesMax,
    STEP_MESSAGES_MAX - expired,
  );
  const sessions = await deleteSessions(tx);
  round.session = await buryDeadSessions(tx, round.session);
  await removeGoneWaiters(tx);
  await announceStale(tx);
  await purgeDeliveries(tx);
  await purgeTasks(tx);
  await forgetUnusedNames(tx);
  await purgeNotes(tx);
  await tx.connection.run(
    `DELETE FROM idempotency_keys WHERE key IN (
       SELECT key FROM idempotency_keys WHERE done_at < $1 LIMIT $2)`,
    [tx.nowMs - KEY_KEPT_MS, STEP_KEYS_MAX],
  );
  await tx.connection.run(
    "UPDATE counters SET value = $1 WHERE name = 'purged_at'",
    [tx.nowMs],
  );
  return purgedBy(
    { expired, overCap: deleted, sessions, more },
    STEP_MESSAGES_MAX,
  );
}

/** Whether a reader would pass something over because its TTL is over. */
export async function hasExpiredAfter(
  connection: Queryable,
  cursor: string,
): Promise<boolean> {
  return await connection.get(
    `SELECT 1 FROM inter_session_messages
     WHERE expires_at <= now_ms($1) AND id > $2::bigint LIMIT 1`,
    [connection.clockShiftMs, cursor],
  ) !== undefined;
}

/** Deletes that, up to {@linkcode STEP_MESSAGES_MAX}; returns how many. */
export async function purgeExpiredAfter(
  tx: Transaction,
  cursor: string,
): Promise<number> {
  return await deleteMessages(
    tx,
    "expires_at <= $1 AND id > $2::bigint ORDER BY id",
    [tx.nowMs, cursor],
    STEP_MESSAGES_MAX,
  );
}

async function deleteOverCap(
  tx: Transaction,
  round: PurgeRound,
  cap: number,
  budget: number,
): Promise<{ deleted: number; more: boolean }> {
  let deleted = 0;
  for (let looked = 0; looked < STEP_CHANNELS_MAX; looked++) {
    const row = await tx.connection.get(
      `SELECT c.channel, (SELECT id FROM inter_session_messages
          WHERE channel = c.channel AND id > 0
          ORDER BY id DESC OFFSET $2 LIMIT 1) AS last_over
       FROM (SELECT min(channel) AS channel FROM inter_session_messages
         WHERE channel > $1) AS c`,
      [round.channel, cap],
    );
    if (row === undefined || row.channel === null) {
      round.channel = "";
      return { deleted, more: false };
    }
    const channel = String(row.channel);
    if (row.last_over !== null) {
      deleted += await deleteMessages(
        tx,
        "channel = $1 AND id > 0 AND id <= $2::bigint ORDER BY id",
        [channel, String(row.last_over)],
        budget - deleted,
      );
    }
    // The rest of this channel is the next step's.
    if (deleted >= budget) return { deleted, more: true };
    round.channel = channel;
  }
  return { deleted, more: true };
}

/** Deletes the messages of a condition, at most so many; returns how many. */
async function deleteMessages(
  tx: Transaction,
  condition: string,
  values: readonly SqlValue[],
  most: number,
): Promise<number> {
  if (most <= 0) return 0;
  const rows = await tx.connection.all(
    `DELETE FROM inter_session_messages WHERE id IN (
       SELECT id FROM inter_session_messages WHERE ${condition}
       LIMIT ${most} FOR UPDATE SKIP LOCKED)
     RETURNING id, channel, project_id, recipient_id`,
    values,
  );
  if (rows.length === 0) return 0;
  const doomed = rows.map(toDoomed);
  await countLost(tx, doomed);
  const direct = doomed.filter(({ to }) => to !== null);
  if (direct.length > 0) {
    await settleDeliveries(tx, direct.map(({ id }) => Number(id)));
  }
  const last = Math.max(...doomed.map(({ id }) => Number(id)));
  await tx.connection.run(
    "UPDATE counters SET value = greatest(value, $1) WHERE name = 'purged_to'",
    [last],
  );
  return doomed.length;
}

function toDoomed(row: Row): Doomed {
  return {
    id: String(row.id),
    channel: String(row.channel),
    project: row.project_id === null ? null : String(row.project_id),
    to: row.recipient_id === null ? null : String(row.recipient_id),
  };
}

async function deleteSessions(tx: Transaction): Promise<number> {
  const over = tx.nowMs - SESSION_KEPT_MS;
  // Foreign writers never end: they are over when they were silent for a day.
  return await tx.connection.run(
    `DELETE FROM session_registry WHERE session_id IN (
       SELECT session_id FROM session_registry AS s
       WHERE (status = 'terminated' AND coalesce(ended_at, 0) < $1
           OR llm_vendor = 'unknown' AND heartbeat_at < to_timestamp($1 / 1000.0))
         AND NOT EXISTS (SELECT FROM inter_session_messages WHERE sender_id = s.session_id)
         AND NOT EXISTS (SELECT FROM file_locks WHERE session_id = s.session_id)
         AND NOT EXISTS (SELECT FROM lock_waiters WHERE session_id = s.session_id)
       LIMIT $2 FOR UPDATE SKIP LOCKED)`,
    [over, STEP_SESSIONS_MAX],
  );
}
