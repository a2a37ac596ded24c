/**
 * Purging: what is over goes, a bounded step at a time, by whoever is there.
 *
 * A message goes when its TTL is over or when its channel holds more than its
 * cap (the oldest first). No cron and no daemon: a process that has published
 * a while takes a step, so that more is deleted than was published. A step
 * holds the write lock for a few hundred rows at the most.
 *
 * How many a channel holds is not counted at every insert, as that would be
 * one more page written by each: `channel_tally` holds a count up to an id,
 * brought up to date here by looking at what came since, and lowered by a
 * trigger when a counted row goes.
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
import type { Interest, Purged } from "../store.ts";
import { deleteDeadBells } from "./bells.ts";
import { purgeDeliveries, settleDeliveries } from "./deliveries.ts";
import { addLost, durableNames, forgetUnusedNames } from "./durable.ts";
import type { Connection } from "./connection.ts";
import type { Row } from "./driver.ts";
import { buryDeadSessions } from "./liveness.ts";
import { removeGoneWaiters } from "./lock_queue.ts";
import { purgeNotes } from "./notes.ts";
import { announceStale } from "./sessions.ts";
import { purgeTasks } from "./tasks.ts";
import type { Transaction } from "./transaction.ts";

/** Messages that one step deletes at the most. */
export const STEP_MESSAGES_MAX = 200;

// Channels whose count one step brings up to date at the most.
const STEP_CHANNELS_MAX = 64;

// Free pages given back to the file system in a step: twice what the messages
// of a step fill, so that the file shrinks faster than it grows.
const STEP_PAGES_MAX = 200;

/** Before every channel. */
export const FIRST_CHANNEL: Uint8Array = new Uint8Array();

/** Where the rounds of a process stand: each step looks at some more. */
export interface PurgeRound {
  /**
   * The last channel whose count was brought up to date: its bytes, as what
   * other programs insert need be no text that can be read and given back.
   */
  channel: Uint8Array;
  /** The last bell whose process was looked at. */
  bell: string;
  /** The last session whose process was looked at. */
  session: string;
}

/** Takes one step. */
export function purgeStep(
  tx: Transaction,
  round: PurgeRound,
  channelMessagesMax: number,
): Purged {
  const purged = purgeMessages(tx, round, channelMessagesMax);
  const sessions = deleteSessions(tx);
  round.bell = deleteDeadBells(tx, round.bell);
  round.session = buryDeadSessions(tx, round.session);
  announceStale(tx);
  removeGoneWaiters(tx);
  purgeDeliveries(tx);
  purgeTasks(tx);
  forgetUnusedNames(tx);
  purgeNotes(tx);
  // What is not counted is zero.
  tx.connection.sql("DELETE FROM channel_tally WHERE kept <= 0").run();
  tx.connection.sql("UPDATE counters SET value = ? WHERE name = 'purged_at'")
    .run(tx.nowMs);
  return purgedBy({ ...purged, sessions }, STEP_MESSAGES_MAX);
}

/**
 * The part of a step that must keep up with publishing: the messages. What else is
 * over comes as time passes.
 */
export function purgeMessages(
  tx: Transaction,
  round: PurgeRound,
  channelMessagesMax: number,
): Purged {
  const expired = deleteExpired(tx, STEP_MESSAGES_MAX);
  const { deleted, more } = deleteOverCap(
    tx,
    round,
    channelMessagesMax,
    STEP_MESSAGES_MAX - expired,
  );
  // Gives free pages back to the file system.
  tx.connection.sql(`PRAGMA incremental_vacuum(${STEP_PAGES_MAX})`).all();
  return purgedBy(
    { expired, overCap: deleted, sessions: 0, more },
    STEP_MESSAGES_MAX,
  );
}

/** Whether a reader would pass something over because its TTL is over. */
export function hasExpiredAfter(
  connection: Connection,
  cursor: string,
  nowMs: number,
): boolean {
  return connection.sql(
    `SELECT 1 FROM inter_session_messages INDEXED BY idx_messages_ttl
     WHERE expires_at <= ? AND id > ? LIMIT 1`,
  ).get(nowMs, Number(cursor)) !== undefined;
}

/** Deletes that, up to {@linkcode STEP_MESSAGES_MAX}; returns how many. */
export function purgeExpiredAfter(
  tx: Transaction,
  cursor: string,
): number {
  const doomed = tx.connection.sql(
    `SELECT ${DOOMED} FROM inter_session_messages INDEXED BY idx_messages_ttl
     WHERE expires_at <= ? AND id > ? LIMIT 0 + ?`,
  ).all(tx.nowMs, Number(cursor), STEP_MESSAGES_MAX);
  return deleteMessages(tx, doomed);
}

const DOOMED = "id, channel, project_id, recipient_id";

function deleteExpired(tx: Transaction, most: number): number {
  const doomed = tx.connection.sql(
    `SELECT ${DOOMED} FROM inter_session_messages
     WHERE expires_at <= ? ORDER BY expires_at LIMIT 0 + ?`,
  ).all(tx.nowMs, most);
  return deleteMessages(tx, doomed);
}

function deleteOverCap(
  tx: Transaction,
  round: PurgeRound,
  cap: number,
  budget: number,
): { deleted: number; more: boolean } {
  let deleted = 0;
  for (let looked = 0; looked < STEP_CHANNELS_MAX; looked++) {
    const channel = nextChannel(tx, round.channel);
    if (channel === undefined) {
      round.channel = FIRST_CHANNEL;
      return { deleted, more: false };
    }
    const over = Math.min(countKept(tx, channel) - cap, budget - deleted);
    if (over > 0) {
      const doomed = tx.connection.sql(
        `SELECT ${DOOMED} FROM inter_session_messages
         WHERE channel = CAST(? AS TEXT) ORDER BY id LIMIT 0 + ?`,
      ).all(channel, over);
      deleted += deleteMessages(tx, doomed);
    }
    // The rest of this channel is the next step's.
    if (deleted >= budget) return { deleted, more: true };
    round.channel = channel;
  }
  return { deleted, more: true };
}

function nextChannel(
  tx: Transaction,
  after: Uint8Array,
): Uint8Array | undefined {
  // No bytes at all are bound as NULL.
  const row = tx.connection.sql(
    `SELECT CAST(min(channel) AS BLOB) AS channel FROM inter_session_messages
     WHERE channel > coalesce(CAST(? AS TEXT), '')`,
  ).get(after);
  return row?.channel instanceof Uint8Array ? row.channel : undefined;
}

function countKept(tx: Transaction, channel: Uint8Array): number {
  const tally = tx.connection.sql(
    `SELECT kept, counted_to < (SELECT max(id) FROM inter_session_messages
       WHERE channel = CAST(?1 AS TEXT)) AS grew
     FROM channel_tally WHERE channel = CAST(?1 AS TEXT)`,
  ).get(channel);
  // Most of the time nothing came, and looking needs no write.
  if (tally !== undefined && tally.grew === 0) return Number(tally.kept);
  const row = tx.connection.sql(
    `INSERT INTO channel_tally(channel, counted_to, kept)
     SELECT CAST(?1 AS TEXT), coalesce(max(id), 0), count(*)
     FROM inter_session_messages
     WHERE channel = CAST(?1 AS TEXT) AND id > coalesce(
       (SELECT counted_to FROM channel_tally WHERE channel = CAST(?1 AS TEXT)), 0)
     ON CONFLICT (channel) DO UPDATE SET
       counted_to = max(counted_to, excluded.counted_to),
       kept = kept + excluded.kept
     RETURNING kept`,
  ).get(channel);
  return Number(row!.kept);
}

function deleteMessages(tx: Transaction, doomed: readonly Row[]): number {
  if (doomed.length === 0) return 0;
  for (const name of durableNames(tx.connection)) {
    const lost = doomed.filter((row) =>
      Number(row.id) > name.cursor && wants(name.interest, row)
    ).length;
    if (lost > 0) {
      addLost(tx, name, lost);
    }
  }
  const direct = doomed.filter((row) => row.recipient_id !== null);
  settleDeliveries(tx, direct.map((row) => Number(row.id)));
  const remove = tx.connection.sql(
    "DELETE FROM inter_session_messages WHERE id = ?",
  );
  for (const row of doomed) remove.run(row.id);
  return doomed.length;
}

function wants(interest: Interest, row: Row): boolean {
  return (interest.channels === null ||
    interest.channels.includes(String(row.channel))) &&
    (interest.project === null || row.project_id === null ||
      row.project_id === interest.project) &&
    (row.recipient_id === null || row.recipient_id === interest.session);
}

function deleteSessions(tx: Transaction): number {
  const over = tx.nowMs - SESSION_KEPT_MS;
  // Foreign writers never end: they are over when they were silent for a day.
  return tx.connection.sql(
    `DELETE FROM session_registry WHERE session_id IN (
       SELECT session_id FROM session_registry AS s
       WHERE (status = 'terminated' AND coalesce(ended_at, 0) < ?1
           OR llm_vendor = 'unknown' AND heartbeat_at < ?2)
         AND NOT EXISTS (SELECT 1 FROM inter_session_messages WHERE sender_id = s.session_id)
         AND NOT EXISTS (SELECT 1 FROM file_locks WHERE session_id = s.session_id)
         AND NOT EXISTS (SELECT 1 FROM lock_waiters WHERE session_id = s.session_id)
       LIMIT 0 + ?3)`,
  ).run(over, new Date(over).toISOString(), STEP_SESSIONS_MAX).changes;
}
