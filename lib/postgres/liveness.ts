/**
 * Who lives: finding sessions whose process is gone, and burying them.
 *
 * Only a process of this host can be judged (host.ts), by pid and start time:
 * sessions of other hosts live by their leases alone. A host that lost its
 * network so keeps nothing beyond its leases, and what it writes later is
 * refused by its fencing tokens.
 *
 * A burial is whole or not at all, in the transaction of whoever looked: the
 * session has ended, its locks are free, its tasks are open again, it waits for
 * nothing, and its end is announced.
 *
 * Looking costs nobody anything: who is dead is found by reading alone, and the
 * coordination lock is taken only to bury.
 *
 * @module
 */

import { isJudgeable } from "../coordination/lock_board.ts";
import {
  incarnationIds,
  lifeOf,
  processOfRow,
} from "../coordination/registry.ts";
import { SessionEndedError } from "../errors.ts";
import { type HostedProcess, processAlive } from "../host.ts";
import type {
  Incarnation,
  Session,
  SessionChange,
  SessionStart,
} from "../sessions.ts";
import { arrayText, type Queryable, type Row } from "./connection.ts";
import {
  findSession,
  incarnationsOf,
  insertSession,
  markEnded,
  updateSession,
} from "./sessions.ts";
import { returnTasksOf } from "./task_rows.ts";
import type { Transaction } from "./transaction.ts";

const SESSIONS_LOOKED_AT_MAX = 32;

// What of a session's row it is judged by.
const JUDGED = "session_id, pid, host, process_start, keeper, status";

/** The process that a row names by `pid`, `process_start` and `host`. */
export function processOf(row: Row): HostedProcess | undefined {
  if (row.pid === null || row.host === null) return undefined;
  return { ...processOfRow(row), host: String(row.host) };
}

/** Whether the process that a session's row names is dead, as seen from here. */
function isDead(row: Row): boolean {
  const process = processOf(row);
  return isJudgeable(process) &&
    processAlive(process, process.host) === "dead";
}

/**
 * Ends a session, if it has not ended yet: frees what it holds and announces
 * it. `event` says how it came.
 */
export async function endSession(
  tx: Transaction,
  id: string,
  event: "ended" | "died" = "ended",
): Promise<void> {
  // Even if it had ended: nothing stays with a session that is over.
  const [, ...freed] = await Promise.all([
    markEnded(tx, id, event),
    tx.connection.run("DELETE FROM file_locks WHERE session_id = $1", [id]),
    tx.connection.run("DELETE FROM lock_waiters WHERE session_id = $1", [id]),
    returnTasksOf(tx, id),
  ]);
  const [locks, waiters] = freed;
  if (Number(locks) + Number(waiters) === 0) return;
  tx.released = true;
  tx.ring("locks", null);
  // Who waits in its name learns that it does so in vain.
  tx.ring("grants", id);
}

/** Ends a session if it is still the one with that process. */
export async function endIncarnation(
  tx: Transaction,
  id: string,
  process: Incarnation,
): Promise<void> {
  const session = await findSession(tx.connection, id);
  if (
    session?.pid === process.pid &&
    session?.processStart === process.processStart
  ) await endSession(tx, id);
}

/**
 * Refuses what only a session that runs may do, and only in the process that
 * it was registered with.
 *
 * @throws {SessionEndedError} If it has ended, or another process has it by now.
 */
export function refuseUnlessRuns(
  tx: Transaction,
  act: string,
  id: string,
  session: Session | undefined,
): void {
  const own = tx.incarnations.get(id);
  if (session === undefined) {
    // Whom this store did not register may be on the bus by what it does.
    if (own === undefined) return;
    throw new SessionEndedError(act, id);
  }
  if (session.status === "terminated") throw new SessionEndedError(act, id);
  if (
    own !== undefined && session.pid !== undefined &&
    (session.pid !== own.pid || session.processStart !== own.processStart)
  ) throw new SessionEndedError(act, id, { takenOver: true });
}

/** {@linkcode refuseUnlessRuns} for who has not looked at its row yet. */
export async function refuseEnded(
  tx: Transaction,
  act: string,
  id: string,
): Promise<void> {
  refuseUnlessRuns(tx, act, id, await findSession(tx.connection, id));
}

/**
 * Registers a session, and announces that it came unless it was there. One of
 * that id whose process died is buried first: what it held was not this one's.
 */
export async function registerSession(
  tx: Transaction,
  start: SessionStart,
): Promise<Session> {
  const found = await incarnationsOf(tx.connection, start.id);
  for (const id of incarnationIds(start.id)) {
    const session = found.get(id);
    // The first one that is free is the one that it gets.
    if (session === undefined || session.status === "terminated") break;
    if (session.processStart === undefined || lifeOf(session) !== "dead") {
      continue;
    }
    await endSession(tx, id, "died");
    found.set(id, { ...session, status: "terminated" });
    break;
  }
  return await insertSession(tx, start, found);
}

/** The ids of those among some sessions that run and whose process is dead. */
export async function deadAmong(
  connection: Queryable,
  ids: readonly string[],
): Promise<string[]> {
  if (ids.length === 0) return [];
  const rows = await connection.all(
    `SELECT ${JUDGED} FROM session_registry
     WHERE status IS DISTINCT FROM 'terminated'
       AND session_id = ANY($1::text[])`,
    [arrayText(ids)],
  );
  return rows.filter(isDead).map((row) => String(row.session_id));
}

/** Buries those among some sessions that run and whose process is dead. */
export async function buryDead(
  tx: Transaction,
  ids: readonly string[],
): Promise<void> {
  for (const id of await deadAmong(tx.connection, ids)) {
    await endSession(tx, id, "died");
  }
}

/**
 * Looks at some sessions after `after` in the order of their ids, and buries
 * the dead; returns where to go on.
 */
export async function buryDeadSessions(
  tx: Transaction,
  after: string,
): Promise<string> {
  const rows = await tx.connection.all(
    `SELECT ${JUDGED} FROM session_registry
     WHERE status IS DISTINCT FROM 'terminated' AND session_id > $1
     ORDER BY session_id LIMIT ${SESSIONS_LOOKED_AT_MAX}`,
    [after],
  );
  for (const row of rows) {
    if (isDead(row)) await endSession(tx, String(row.session_id), "died");
  }
  return rows.length < SESSIONS_LOOKED_AT_MAX
    ? ""
    : String(rows.at(-1)!.session_id);
}

/**
 * Changes what a session says of itself.
 *
 * @throws {SessionEndedError} If it has ended.
 */
export async function updateOne(
  tx: Transaction,
  id: string,
  change: SessionChange,
): Promise<Session> {
  const [session] = await Promise.all([
    updateSession(tx, id, change),
    refuseEnded(tx, `update session "${id}"`, id),
  ]);
  return session;
}
