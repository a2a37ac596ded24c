/**
 * Durable names in SQLite: a stored cursor with one leased reader at a time.
 *
 * - `cursor` is what was acknowledged. It only grows, and only its reader, told
 *   by its fencing token, moves it: whoever lost the lease finds out at the
 *   next step.
 * - The lease holds while its reader renews it, and no longer than its process
 *   lives, where that can be judged from here: a reader that was killed can be
 *   followed at once.
 * - `lost` counts messages that TTL or cap took before they were acknowledged.
 *   They are counted in the transaction that deletes them (see purge.ts), and
 *   a reader purges what expired in its range before it reads on, so none
 *   vanishes unseen. What of it was told stands beside it, so that the next
 *   reader is told only what is news.
 * - A name unused for seven days is forgotten.
 *
 * @module
 */

import {
  leaseLost,
  NAME_KEPT_MS,
  notPublishedYet,
  READER_LEASE_MS,
  refuseRead,
  takeNameSql,
  takeNameValues,
} from "../coordination/durable_rules.ts";
import { refuseBeyond } from "../coordination/message_rows.ts";
import type { DurableReader, Interest } from "../store.ts";
import type { Connection } from "./connection.ts";
import { endCursor } from "./messages.ts";
import type { Transaction } from "./transaction.ts";

/** A durable name, as the purge needs it. */
export interface DurableName {
  /** The project that it belongs to; empty for none. */
  readonly project: string;
  /** The name. */
  readonly name: string;
  /** What was acknowledged. */
  readonly cursor: number;
  /** What it wants. */
  readonly interest: Interest;
}

const TAKE_NAME = takeNameSql("?");

/**
 * Takes a name for this process; leases with the tokens that were `givenUp` hold
 * nobody off.
 */
export function takeDurable(
  tx: Transaction,
  name: string,
  interest: Interest,
  from: string,
  givenUp: ReadonlySet<number>,
): DurableReader {
  const project = interest.project ?? "";
  forgetUnusedNames(tx);
  const row = tx.connection.sql(
    `SELECT cursor, lost, token, lease_expires_at, reader_host, reader_pid,
            reader_process_start, session_id
     FROM durable_names WHERE project_id = ? AND name = ?`,
  ).get(project, name);
  refuseRead(name, row, tx.nowMs, givenUp);
  if (row === undefined) refuseBeyond(endCursor(tx.connection), from);
  const reader: DurableReader = {
    name,
    project: interest.project,
    cursor: String(row?.cursor ?? from),
    lost: Number(row?.lost ?? 0),
    told: row === undefined ? 0 : toldOf(tx, project, name),
    token: tx.nextFencingToken(),
    leaseMs: READER_LEASE_MS,
  };
  tx.connection.sql(TAKE_NAME)
    .run(...takeNameValues(reader, interest, tx.nowMs));
  return reader;
}

/** Forgets the names that nobody has used for long. */
export function forgetUnusedNames(tx: Transaction): void {
  const forgotten = tx.connection.sql(
    `DELETE FROM durable_names WHERE used_at < ? AND lease_expires_at < ?
     RETURNING project_id, name`,
  ).all(tx.nowMs - NAME_KEPT_MS, tx.nowMs);
  for (const { project_id, name } of forgotten) {
    tx.connection.sql("DELETE FROM counters WHERE name = ?")
      .run(toldCounter(String(project_id), String(name)));
  }
}

/** The counter of the losses of a name that a reader has told of. */
function toldCounter(project: string, name: string): string {
  return `told ${name} ${project}`;
}

function toldOf(tx: Transaction, project: string, name: string): number {
  const row = tx.connection.sql("SELECT value FROM counters WHERE name = ?")
    .get(toldCounter(project, name));
  return Number(row?.value ?? 0);
}

/** Keeps what the reader has told of. */
function keepTold(tx: Transaction, reader: DurableReader): void {
  const { told = 0 } = reader;
  const project = reader.project ?? "";
  if (told === toldOf(tx, project, reader.name)) return;
  tx.connection.sql(
    "INSERT OR REPLACE INTO counters(name, value) VALUES (?, ?)",
  )
    .run(toldCounter(project, reader.name), told);
}

/** Moves what was acknowledged, if a cursor is given, and renews the lease. */
export function advanceDurable(
  tx: Transaction,
  reader: DurableReader,
  cursor?: string,
): DurableReader {
  // It would pass over messages that are still to come.
  const end = endCursor(tx.connection);
  if (cursor !== undefined && Number(cursor) > Number(end)) {
    throw notPublishedYet(cursor, end);
  }
  const row = tx.connection.sql(
    `UPDATE durable_names SET
       cursor = max(cursor, coalesce(?1, cursor)),
       used_at = ?2, lease_expires_at = ?3
     WHERE project_id = ?4 AND name = ?5 AND token = ?6
     RETURNING cursor, lost`,
  ).get(
    cursor === undefined ? null : Number(cursor),
    tx.nowMs,
    tx.nowMs + READER_LEASE_MS,
    reader.project ?? "",
    reader.name,
    reader.token,
  );
  if (row === undefined) throw leaseLost("acknowledge", reader);
  keepTold(tx, reader);
  return { ...reader, cursor: String(row.cursor), lost: Number(row.lost) };
}

/** Gives the lease back, if it is still this reader's. */
export function releaseDurable(tx: Transaction, reader: DurableReader): void {
  const { changes } = tx.connection.sql(
    `UPDATE durable_names SET used_at = ?, lease_expires_at = 0
     WHERE project_id = ? AND name = ? AND token = ?`,
  ).run(tx.nowMs, reader.project ?? "", reader.name, reader.token);
  if (changes === 1) keepTold(tx, reader);
}

/** How many messages the reader's name has lost; refuses a lost lease. */
export function lostBy(connection: Connection, reader: DurableReader): number {
  const row = connection.sql(
    `SELECT lost FROM durable_names
     WHERE project_id = ? AND name = ? AND token = ?`,
  ).get(reader.project ?? "", reader.name, reader.token);
  if (row === undefined) throw leaseLost("read on", reader);
  return Number(row.lost);
}

/** Every durable name. */
export function durableNames(connection: Connection): DurableName[] {
  const rows = connection.sql(
    "SELECT project_id, name, cursor, channels, session_id FROM durable_names",
  ).all();
  return rows.map((row) => ({
    project: String(row.project_id),
    name: String(row.name),
    cursor: Number(row.cursor),
    interest: {
      channels: row.channels === null ? null : JSON.parse(String(row.channels)),
      project: row.project_id === "" ? null : String(row.project_id),
      session: row.session_id === null ? null : String(row.session_id),
    },
  }));
}

/** Adds to a name's count of what it lost. */
export function addLost(
  tx: Transaction,
  name: DurableName,
  count: number,
): void {
  tx.connection.sql(
    "UPDATE durable_names SET lost = lost + ? WHERE project_id = ? AND name = ?",
  ).run(count, name.project, name.name);
}
