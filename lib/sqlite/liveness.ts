/**
 * Who lives: finding sessions whose process is gone, and burying them.
 *
 * Only a process of this host can be judged (host.ts), by pid and start time:
 * from inside a sandbox every pid of the machine looks dead, so sessions of
 * other hosts live by their leases alone.
 *
 * A burial is whole or not at all, in the transaction of whoever looked: the
 * session has ended, its locks are free, its tasks are open again, it waits for
 * nothing, and its end is announced.
 *
 * @module
 */

import { incarnationIds, processOfRow } from "../coordination/registry.ts";
import { SessionEndedError } from "../errors.ts";
import { hostId, type Life } from "../host.ts";
import type { Incarnation, Session, SessionStart } from "../sessions.ts";
import type { Row } from "./driver.ts";
import { findSession, insertSession, markEnded } from "./sessions.ts";
import { returnTasksOf } from "./task_rows.ts";
import type { Transaction } from "./transaction.ts";

// Each may be a look into /proc, while everybody waits for who writes.
const SESSIONS_LOOKED_AT_MAX = 16;

/** What of a session's row {@linkcode buryIfDead} judges it by. */
export const JUDGED = "session_id, pid, host, process_start, keeper, status";

/** Whether a session's row names a process that this host can judge. */
export function isJudgeable(row: Row): boolean {
  return row.pid !== null && row.process_start !== null &&
    row.host === hostId();
}

/**
 * Ends a session, if it has not ended yet: frees what it holds and announces
 * it. `event` says how it came.
 */
export function endSession(
  tx: Transaction,
  id: string,
  event: "ended" | "died" = "ended",
): void {
  markEnded(tx, id, event);
  // Even if it had ended: nothing stays with a session that is over.
  for (const table of ["file_locks", "lock_waiters"]) {
    const freed = tx.connection.sql(
      `DELETE FROM ${table} WHERE session_id = ?
       RETURNING kind, extent, folds_case`,
    ).all(id);
    if (freed.length > 0) {
      tx.freed.push(...freed);
      tx.ring("locks", null);
      // Who waits in its name learns that it does so in vain.
      tx.ring("grants", id);
    }
  }
  returnTasksOf(tx, id);
}

/** Ends a session if it is still the one with that process. */
export function endIncarnation(
  tx: Transaction,
  id: string,
  process: Incarnation,
): void {
  const session = findSession(tx.connection, id);
  if (
    session?.pid === process.pid &&
    session?.processStart === process.processStart
  ) endSession(tx, id);
}

/**
 * Refuses what only a session that runs may do, and only in the process that
 * it was registered with.
 *
 * @throws {SessionEndedError} If it has ended, or another process has it by now.
 */
export function refuseEnded(tx: Transaction, act: string, id: string): void {
  refuseUnlessRuns(
    tx.incarnations,
    act,
    id,
    tx.connection.sql(
      `SELECT ${INCARNATION} FROM session_registry WHERE session_id = ?`,
    ).get(id),
  );
}

/** What of a session's row tells whether it runs, and in which process. */
export const INCARNATION = "status, pid, process_start";

/** {@linkcode refuseEnded} for who has looked at its row already. */
export function refuseUnlessRuns(
  incarnations: ReadonlyMap<string, Incarnation>,
  act: string,
  id: string,
  row: Row | undefined,
): void {
  const own = incarnations.get(id);
  if (row === undefined) {
    // Whom this store did not register may be on the bus by what it does.
    if (own === undefined) return;
    throw new SessionEndedError(act, id);
  }
  if (row.status === "terminated") throw new SessionEndedError(act, id);
  if (own !== undefined && isPid(row.pid) && !isIn(own, row)) {
    throw new SessionEndedError(act, id, { takenOver: true });
  }
}

function isIn(own: Incarnation, row: Row): boolean {
  return row.pid === (own.pid ?? null) &&
    (row.process_start || null) === (own.processStart ?? null);
}

/** Whether it may be a process's at all, and not what anybody wrote there. */
function isPid(pid: unknown): boolean {
  return Number.isInteger(pid) && Number(pid) > 0 && Number(pid) < 2 ** 32;
}

/**
 * Registers a session, and announces that it came unless it was there. One of
 * that id whose process died is buried first: what it held was not this one's.
 */
export function registerSession(tx: Transaction, start: SessionStart): Session {
  for (const id of incarnationIds(start.id)) {
    const row = tx.connection.sql(
      `SELECT ${JUDGED} FROM session_registry
       WHERE session_id = ? AND status IS NOT 'terminated'`,
    ).get(id);
    // The first one that is free is the one that it gets.
    if (row === undefined || buryIfDead(tx, row)) break;
  }
  return insertSession(tx, start);
}

/** Whether the session of a row lives, whose process this host can judge. */
export function lifeOfRow(tx: Transaction, row: Row): Life {
  return tx.life(processOfRow(row), String(row.host));
}

/** Buries the session of a row if its process is dead; returns whether it is. */
export function buryIfDead(tx: Transaction, row: Row): boolean {
  if (!isJudgeable(row)) return false;
  if (lifeOfRow(tx, row) !== "dead") return false;
  // Where nothing may be written, it is only left out.
  if (tx.readOnly) return true;
  endSession(tx, String(row.session_id), "died");
  return true;
}

/** Buries a session if it runs and its process is dead. */
export function bury(tx: Transaction, id: string): void {
  const row = tx.connection.sql(
    `SELECT ${JUDGED} FROM session_registry
     WHERE session_id = ? AND status IS NOT 'terminated'`,
  ).get(id);
  if (row !== undefined) buryIfDead(tx, row);
}

/**
 * Looks at some sessions after `after` in the order of their ids, and buries
 * the dead; returns where to go on.
 */
export function buryDeadSessions(tx: Transaction, after: string): string {
  const rows = tx.connection.sql(
    `SELECT ${JUDGED} FROM session_registry
     WHERE status IS NOT 'terminated' AND session_id > ?
     ORDER BY session_id LIMIT 0 + ?`,
  ).all(after, SESSIONS_LOOKED_AT_MAX);
  for (const row of rows) buryIfDead(tx, row);
  return rows.length < SESSIONS_LOOKED_AT_MAX
    ? ""
    : String(rows.at(-1)!.session_id);
}
