/**
 * Durable names in PostgreSQL: a stored cursor with one leased reader at a time.
 *
 * - `cursor` is what was acknowledged. It only grows, and only its reader, told
 *   by its fencing token, moves it: whoever lost the lease finds out at the
 *   next step. That is one statement, and harmless to say twice, so it needs no
 *   lock but the row's.
 * - The lease holds while its reader renews it, and no longer than its process
 *   lives, where that can be judged from here: a reader of this host that was
 *   killed can be followed at once, one of another host when its lease is over.
 * - `lost` counts messages that TTL or cap took before they were acknowledged.
 *   They are counted by the statement that reads the cursor under the row's
 *   lock, in the transaction that deletes them (see purge.ts), so that neither
 *   an acknowledgement at that moment nor a second purge makes it inexact.
 *   What of it was told stands beside it, so that the next reader is told only
 *   what is news.
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
import type { Queryable } from "./connection.ts";
import { endCursor } from "./messages.ts";
import type { Transaction } from "./transaction.ts";

/** A message that is deleted, as far as names want it. */
export interface Doomed {
  /** Its id. */
  readonly id: string;
  /** Its channel. */
  readonly channel: string;
  /** Its project. */
  readonly project: string | null;
  /** Whom it is for. */
  readonly to: string | null;
}

const TAKE_NAME = takeNameSql("$");

/**
 * Takes a name for this process; leases with the tokens that were `givenUp` hold
 * nobody off.
 */
export async function takeDurable(
  tx: Transaction,
  name: string,
  interest: Interest,
  from: string,
  givenUp: ReadonlySet<number>,
): Promise<DurableReader> {
  const project = interest.project ?? "";
  await forgetUnusedNames(tx);
  const row = await tx.connection.get(
    `SELECT cursor, lost, told, token, lease_expires_at, reader_host, reader_pid,
            reader_process_start, session_id
     FROM durable_names WHERE project_id = $1 AND name = $2 FOR UPDATE`,
    [project, name],
  );
  refuseRead(name, row, tx.nowMs, givenUp);
  if (row === undefined) refuseBeyond(await endCursor(tx.connection), from);
  const reader: DurableReader = {
    name,
    project: interest.project,
    cursor: String(row?.cursor ?? from),
    lost: Number(row?.lost ?? 0),
    told: Number(row?.told ?? 0),
    token: await tx.nextFencingToken(),
    leaseMs: READER_LEASE_MS,
  };
  await tx.connection.run(
    TAKE_NAME,
    takeNameValues(reader, interest, tx.nowMs),
  );
  return reader;
}

/** Forgets the names that nobody has used for long. */
export async function forgetUnusedNames(tx: Transaction): Promise<void> {
  await tx.connection.run(
    "DELETE FROM durable_names WHERE used_at < $1 AND lease_expires_at < $2",
    [tx.nowMs - NAME_KEPT_MS, tx.nowMs],
  );
}

/** Moves what was acknowledged, if a cursor is given, and renews the lease. */
export async function advanceDurable(
  connection: Queryable,
  reader: DurableReader,
  cursor?: string,
): Promise<DurableReader> {
  const row = await connection.get(
    `WITH last AS (
       SELECT CASE WHEN is_called THEN last_value ELSE 0 END AS id FROM message_ids
     ), moved AS (
       UPDATE durable_names SET
         cursor = greatest(cursor, coalesce($1::bigint, cursor)), told = $6,
         used_at = now_ms($2), lease_expires_at = now_ms($2) + ${READER_LEASE_MS}
       WHERE project_id = $3 AND name = $4 AND token = $5
         AND coalesce($1::bigint, 0) <= (SELECT id FROM last)
       RETURNING cursor, lost
     ) SELECT last.id AS last_id, moved.* FROM last LEFT JOIN moved ON true`,
    [
      cursor ?? null,
      connection.clockShiftMs,
      reader.project ?? "",
      reader.name,
      reader.token,
      reader.told ?? 0,
    ],
  );
  // It would pass over messages that are still to come.
  if (cursor !== undefined && Number(cursor) > Number(row!.last_id)) {
    throw notPublishedYet(cursor, row!.last_id);
  }
  if (row!.cursor === null) throw leaseLost("acknowledge", reader);
  return { ...reader, cursor: String(row!.cursor), lost: Number(row!.lost) };
}

/** Gives the lease back, if it is still this reader's. */
export async function releaseDurable(
  connection: Queryable,
  reader: DurableReader,
): Promise<void> {
  await connection.run(
    `UPDATE durable_names SET
       used_at = now_ms($1), lease_expires_at = 0, told = $5
     WHERE project_id = $2 AND name = $3 AND token = $4`,
    [
      connection.clockShiftMs,
      reader.project ?? "",
      reader.name,
      reader.token,
      reader.told ?? 0,
    ],
  );
}

/** How many messages the reader's name has lost; refuses a lost lease. */
export async function lostBy(
  connection: Queryable,
  reader: DurableReader,
): Promise<number> {
  const row = await connection.get(
    `SELECT lost FROM durable_names
     WHERE project_id = $1 AND name = $2 AND token = $3`,
    [reader.project ?? "", reader.name, reader.token],
  );
  if (row === undefined) throw leaseLost("read on", reader);
  return Number(row.lost);
}

/** Counts what is deleted as lost to the names that still wanted it. */
export async function countLost(
  tx: Transaction,
  doomed: readonly Doomed[],
): Promise<void> {
  const names = await tx.connection.all(
    "SELECT project_id, name, channels, session_id FROM durable_names",
  );
  for (const row of names) {
    const channels: readonly string[] | null = row.channels === null
      ? null
      : JSON.parse(String(row.channels));
    const wanted = doomed.filter(({ channel, project, to }) =>
      (channels === null || channels.includes(channel)) &&
      (row.project_id === "" || project === null ||
        project === row.project_id) &&
      (to === null || to === row.session_id)
    );
    if (wanted.length === 0) continue;
    // The count stands in the statement: it is made again if the row changed.
    await tx.connection.run(
      `UPDATE durable_names AS n SET lost = lost +
         (SELECT count(*) FROM unnest($1::bigint[]) AS id WHERE id > n.cursor)
       WHERE project_id = $2 AND name = $3`,
      [
        `{${wanted.map(({ id }) => id).join()}}`,
        String(row.project_id),
        String(row.name),
      ],
    );
  }
}
