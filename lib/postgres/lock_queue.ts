/**
 * Asking for locks in PostgreSQL: each act reads a board, decides on it, and
 * writes what changed, under the coordination lock. Between begin and commit
 * lie two round trips, one more where somebody waits.
 *
 * @module
 */

import type { Asker, LockBoard } from "../coordination/lock_board.ts";
import { LimitError, UnknownSessionError } from "../errors.ts";
import { hostId, processStart } from "../host.ts";
import type { Hold, LockOutcome, LockRequest } from "../locks.ts";
import type { Session } from "../sessions.ts";
import type { Queryable } from "./connection.ts";
import { refuseEnded, refuseUnlessRuns } from "./liveness.ts";
import { addAroundWaiting, closeBoard, openBoard } from "./locks.ts";
import { findSession } from "./sessions.ts";
import type { Transaction } from "./transaction.ts";

/** Takes a lock, queues for it, or says who is in the way. */
export async function acquire(
  tx: Transaction,
  request: LockRequest,
  locksMax: number,
): Promise<LockOutcome> {
  const { session: id, target, upgrades } = request;
  const act = `lock "${target.path}"`;
  const [session, count, board] = await Promise.all([
    findSession(tx.connection, id),
    countLocks(tx.connection, id),
    openBoard(tx, {
      targets: [target],
      tokens: upgrades === undefined ? [] : [upgrades],
      numbers: 2,
    }),
  ]);
  refuseUnlessRuns(tx, act, id, session);
  if (session === undefined) throw new UnknownSessionError(act, id);
  // A cycle may lead by way of any of them.
  if (request.wait && board.waiting.length > 0) {
    await addAroundWaiting(tx, board);
  }
  const outcome = acquireOn(
    board,
    request,
    session,
    locksMax - count,
    locksMax,
  );
  await closeBoard(tx, board);
  return outcome;
}

/**
 * Takes a lock on a board that shows all around it.
 *
 * @param free How many more the session might have when the board was read.
 * @throws {LimitError} If it has as many as it may.
 */
export function acquireOn(
  board: LockBoard,
  request: LockRequest,
  session: Session,
  free: number,
  locksMax: number,
): LockOutcome {
  const waitsAs = {
    pid: Deno.pid,
    startTime: processStart(Deno.pid) ?? "",
    host: hostId(),
  };
  return board.acquire(
    request,
    askerOf(session),
    waitsAs,
    () => {
      if (board.taken < free) return;
      const act = `lock "${request.target.path}"`;
      throw new LimitError(act, "locks", "locksMax", locksMax);
    },
  );
}

/** What a hold shows of the session that asks for it. */
function askerOf(session: Session): Asker {
  const { vendor, task, pid, host, processStart } = session;
  return {
    vendor,
    task,
    ...(pid !== undefined && host !== undefined &&
      { process: { pid, host, startTime: processStart ?? "" } }),
  };
}

/** How many locks a session holds and waits for. */
export async function countLocks(
  connection: Queryable,
  session: string,
): Promise<number> {
  const row = await connection.get(
    `SELECT (SELECT count(*) FROM file_locks WHERE session_id = $1)
       + (SELECT count(*) FROM lock_waiters WHERE session_id = $1 AND token IS NULL)
       AS n`,
    [session],
  );
  return Number(row!.n);
}

/** How a waiter stands; looking renews its place. */
export async function checkWaiter(
  tx: Transaction,
  waiter: string,
  session: string,
): Promise<LockOutcome> {
  const board = await openBoard(tx, {});
  const request = board.requestOf(Number(waiter));
  if (request !== undefined) {
    await addAroundWaiting(tx, board, [request.target]);
  }
  const outcome = board.check(Number(waiter));
  if (outcome === undefined) {
    await refuseEnded(tx, "wait for a lock", session);
  }
  await closeBoard(tx, board);
  // Removed by somebody who took its process for gone.
  return outcome ?? { state: "refused", blockers: [] };
}

/** Takes a waiter out of the queue; what it was granted meanwhile goes back. */
export async function leaveQueue(
  tx: Transaction,
  waiter: string,
): Promise<void> {
  const board = await openBoard(tx, {});
  board.leave(Number(waiter));
  await closeBoard(tx, board);
}

/** Holds it for longer. */
export async function renewHold(
  tx: Transaction,
  held: Hold,
  leaseMs: number,
): Promise<Hold> {
  const board = await openBoard(tx, { tokens: [held.token] });
  const hold = board.renew(held, leaseMs);
  await closeBoard(tx, board);
  return hold;
}

/** Gives it back once, or entirely. */
export async function giveBack(
  tx: Transaction,
  held: Hold,
  options: { readonly entirely?: boolean; readonly before?: Hold } = {},
): Promise<void> {
  const board = await openBoard(tx, { tokens: [held.token] });
  board.giveBack(held, options);
  await closeBoard(tx, board);
}

/** Removes waiters whose process is gone. */
export async function removeGoneWaiters(tx: Transaction): Promise<void> {
  await closeBoard(tx, await openBoard(tx, {}));
}
