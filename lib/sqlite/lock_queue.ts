/**
 * Asking for locks in SQLite: who may have one, who waits, who is next.
 *
 * Who is in the way of whom, and who is not, stands in
 * coordination/precedence.ts; what closes a circle, in coordination/deadlock.ts.
 *
 * **Granting** happens in the transaction that frees something, before it
 * commits: each waiter in order gets its hold if nothing stands in its way any
 * more, and is rung. The hold then carries the waiter's number until its
 * process has picked it up; if that process died meanwhile, the hold goes back.
 * To pick it up is a mere look, which waits for no writer; it is noted a moment later,
 * unless the hold is given back by then, which is noted with it.
 *
 * A waiter is leased: its process renews by looking at it, and one that is dead
 * or silent past its lease is removed by whoever looks.
 *
 * @module
 */

import { findCycle, type Waiting } from "../coordination/deadlock.ts";
import {
  reachOfRow,
  targetValues,
  toRequest,
} from "../coordination/lock_rows.ts";
import {
  anybodys,
  excludes,
  isCovered,
  isEnough,
  isNews,
  isOther,
  riskOf,
  WAIT_LEASE_MS,
} from "../coordination/precedence.ts";
import { DeadlockError, NotHeldError, UnknownSessionError } from "../errors.ts";
import { hostId, processStart } from "../host.ts";
import { meetOnDisk, type Reach, reachOfTarget } from "../lock_overlap.ts";
import type { LockTarget } from "../lock_target.ts";
import type {
  Blocker,
  Hold,
  LockOutcome,
  LockOverlap,
  LockRequest,
  LockType,
} from "../locks.ts";
import { announceConflict, tellTakenOver, tellWanted } from "./conflicts.ts";
import type { Connection } from "./connection.ts";
import type { Row } from "./driver.ts";
import {
  adoptForeignHolds,
  hold,
  type Holder,
  type HoldRow,
  holdRow,
  nearPrefix,
  NearStatements,
  overlappingHolds,
  ownHold,
  removeHold,
  removeWaiter,
  standing,
  toBlocker,
  ungrant,
} from "./locks.ts";
import { INCARNATION, refuseEnded, refuseUnlessRuns } from "./liveness.ts";
import type { LockBudget } from "./lock_budget.ts";
import type { Transaction } from "./transaction.ts";

/** Takes a lock, queues for it, or says who is in the way. */
export function acquire(
  tx: Transaction,
  request: LockRequest,
  budget: LockBudget,
): LockOutcome {
  const { session, target, upgrades } = request;
  const asker = askerOf(tx, request);
  // Looked up once: what is judged dead on the way is judged so again.
  let near = nearbyHolds(tx, request);
  const own = ownHold(tx, request, near);
  if (own === undefined) {
    if (upgrades !== undefined) {
      throw new NotHeldError("upgrade", target.path, upgrades);
    }
    budget.take(tx, session, target.path);
  }
  if (own === undefined ? isCovered(request, near) : isEnough(own, request)) {
    return grant(tx, request, asker, near);
  }
  let inTheWay = blockersOf(tx, request, undefined, near, asker.anyWaits);
  // Nobody's hold is ended for a lock that is not had then.
  const ends = request.takeOver &&
    (request.wait
      ? inTheWay.some(({ overdue }) => overdue)
      : inTheWay.every(({ overdue }) => overdue));
  if (ends) {
    takeOver(tx, request);
    near = nearbyHolds(tx, request);
    inTheWay = inTheWay.filter(({ overdue }) => !overdue);
  }
  if (inTheWay.length === 0) return grant(tx, request, asker, near);
  if (request.type === "exclusive") tellWanted(tx, request, inTheWay);
  if (!request.wait) return { state: "refused", blockers: inTheWay };
  refuseCycle(tx, request, inTheWay);
  return {
    state: "waiting",
    waiter: String(enqueue(tx, request)),
    blockers: inTheWay,
  };
}

/** Who asks, and what else bears on every request. */
export interface Asker extends Holder {
  /** Whether anybody waits for anything. */
  readonly anyWaits: boolean;
}

/**
 * Looks up who asks, all in one as every lock pays for it.
 *
 * @throws {SessionEndedError} If that session has ended.
 */
export function askerOf(
  tx: Transaction,
  { session, target }: LockRequest,
): Asker {
  const row = tx.connection.sql(
    `SELECT ${INCARNATION}, llm_vendor, task_id,
       EXISTS (SELECT 1 FROM lock_waiters) AS any_waits,
       EXISTS (SELECT 1 FROM file_locks WHERE prefix IS NULL) AS any_foreign
     FROM session_registry WHERE session_id = ?`,
  ).get(session);
  const act = `lock "${target.path}"`;
  refuseUnlessRuns(tx.incarnations, act, session, row);
  if (row === undefined) throw new UnknownSessionError(act, session);
  if (row.any_foreign === 1) adoptForeignHolds(tx);
  return { ...holderIn(row), anyWaits: row.any_waits === 1 };
}

function holderIn(row: Row): Holder {
  return {
    vendor: String(row.llm_vendor),
    task: row.task_id === null ? undefined : String(row.task_id),
  };
}

/** The holds that overlap what is asked for on disk. */
function nearbyHolds(tx: Transaction, request: LockRequest): HoldRow[] {
  return overlappingHolds(tx.connection, request.target, tx.nowMs, "disk");
}

function grant(
  tx: Transaction,
  request: LockRequest,
  holder: Holder,
  near: readonly HoldRow[],
  waiter?: number,
): LockOutcome & { state: "held" } {
  const before = ownHold(tx, request, near);
  const held = hold(tx, request, holder, before, waiter);
  const overlaps = overlapsOf(tx, request, held, near);
  // Taken once more by the same agent, it is no news.
  if (before === undefined) announceConflict(tx, held, overlaps);
  return { state: "held", hold: held, overlaps };
}

/** Everything else that is held there, on disk and in the repository. */
function overlapsOf(
  tx: Transaction,
  request: LockRequest,
  held: Hold,
  near: readonly HoldRow[],
): LockOverlap[] {
  const found = new Map<number, LockOverlap>();
  for (const where of ["disk", "repository"] as const) {
    const holds = where === "disk"
      ? near
      : overlappingHolds(tx.connection, request.target, tx.nowMs, where);
    const others = holds.filter(({ hold }) =>
      !found.has(hold.token) && isNews(request, held, hold, where)
    );
    for (const { hold } of standing(tx, others)) {
      found.set(hold.token, { risk: riskOf(request, hold, where), hold });
    }
  }
  return [...found.values()];
}

/** Who stands in the way of a request, or of a waiter's. */
function blockersOf(
  tx: Transaction,
  request: LockRequest,
  waiter: number = Number.MAX_SAFE_INTEGER,
  near: readonly HoldRow[] = nearbyHolds(tx, request),
  anyWaits = true,
): Blocker[] {
  const holders = holdersInTheWay(tx, request, near).map(toBlocker);
  if (!anyWaits) return holders;
  return [...holders, ...waitersBefore(tx, request, waiter)];
}

function holdersInTheWay(
  tx: Transaction,
  request: LockRequest,
  near: readonly HoldRow[],
): HoldRow[] {
  const holds = near.filter(({ hold }) =>
    isOther(request, hold.session) && excludes(request, hold.type)
  );
  return standing(tx, holds);
}

/** Who waits for what overlaps a target, those that came first first. */
export function waitersFor(tx: Transaction, target: LockTarget): Blocker[] {
  return waitersBefore(tx, anybodys(target), Number.MAX_SAFE_INTEGER)
    .sort((a, b) => a.since < b.since ? -1 : a.since > b.since ? 1 : 0);
}

/** Who waits for something that overlaps, since before `waiter`. */
function waitersBefore(
  tx: Transaction,
  request: LockRequest,
  waiter: number,
): Blocker[] {
  const { target } = request;
  const wanted = reachOfTarget(target);
  return nearPrefix(tx.connection, WAITERS_ON_DISK, target, target.disk)
    .filter((row) =>
      row.token === null && Number(row.waiter) < waiter &&
      isOther(request, String(row.session_id)) &&
      excludes(request, row.lock_type as LockType) &&
      meets(wanted, row) && !leftIfGone(tx, row)
    )
    .map((row): Blocker => ({
      session: String(row.session_id),
      state: "waits",
      path: String(row.file_path),
      type: row.lock_type as LockType,
      vendor: String(row.llm_vendor),
      task: row.task_id === null ? undefined : String(row.task_id),
      why: row.why === null ? undefined : String(row.why),
      since: new Date(Number(row.waits_since)).toISOString(),
      overdue: false,
      process: {
        pid: Number(row.pid),
        startTime: String(row.process_start ?? ""),
        host: String(row.host),
      },
    }));
}

const FROM_WAITERS = `SELECT w.waiter, w.session_id, w.agent_id, w.file_path,
    w.lock_type, w.kind, w.extent, w.prefix, w.repo_extent, w.repo_prefix,
    w.folds_case, w.worktree, w.project_id, w.lease_ms, w.why, w.waits_since,
    w.wait_expires_at, w.host, w.pid, w.process_start, w.token, w.alongside,
    w.upgrades,
    s.llm_vendor, s.task_id
  FROM lock_waiters AS w JOIN session_registry AS s ON s.session_id = w.session_id`;

const WAITERS_ON_DISK = new NearStatements(FROM_WAITERS, "w.prefix");
const WAITER_BY_ID = `${FROM_WAITERS} WHERE w.waiter = ?`;

/** Whether a row of a lock or waiter covers some of it. */
function meets(wanted: Reach, row: Row): boolean {
  const covered = reachOfRow(row);
  return covered !== undefined && meetOnDisk(wanted, covered);
}

/** Removes a waiter whose process is gone; returns whether it is. */
function leftIfGone(tx: Transaction, row: Row): boolean {
  const life = tx.life({
    pid: Number(row.pid),
    startTime: String(row.process_start ?? ""),
  }, String(row.host));
  const silent = Number(row.wait_expires_at) <= tx.nowMs && life !== "alive";
  if (life !== "dead" && !silent) return false;
  if (tx.readOnly) return true;
  leaveQueue(tx, String(row.waiter));
  return true;
}

function enqueue(tx: Transaction, request: LockRequest): number {
  return tx.connection.sql(
    `INSERT INTO lock_waiters
       (session_id, agent_id, file_path, lock_type, kind, extent, prefix,
        repo_extent, repo_prefix, folds_case, worktree, project_id, lease_ms,
        why, waits_since, wait_expires_at, host, pid, process_start, alongside,
        upgrades)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  ).run(
    request.session,
    request.agent,
    request.target.path,
    request.type,
    ...targetValues(request.target),
    request.leaseMs,
    request.why ?? null,
    tx.nowMs,
    tx.nowMs + WAIT_LEASE_MS,
    hostId(),
    Deno.pid,
    processStart(Deno.pid) ?? null,
    JSON.stringify(request.alongside),
    request.upgrades ?? null,
  ).rowId;
}

/** Gives each waiter its hold that nothing stands in the way of any more. */
export function grantWaiters(tx: Transaction): void {
  // Judging who is in the way may free more, which the next round grants.
  while (tx.freed.length > 0) {
    const freed = tx.freed.splice(0);
    const served: Row[] = [];
    const line = tx.connection.sql(WAITERS_IN_LINE).all();
    for (const inLine of line) {
      const wanted = reachOfRow(inLine);
      if (wanted === undefined || !freed.some((row) => meets(wanted, row))) {
        continue;
      }
      // Of a crowd all but the first stop here, without another look.
      if (served.some((row) => shutOut(row, inLine) && meets(wanted, row))) {
        continue;
      }
      // Judging those before it may have removed it.
      const row = waiterRow(tx, String(inLine.waiter));
      if (row === undefined || leftIfGone(tx, row)) continue;
      if (isServed(tx, row, inLine === line[0])) served.push(row);
    }
  }
}

const WAITERS_IN_LINE = `SELECT waiter, session_id, lock_type, file_path, kind,
    extent, repo_extent, folds_case, worktree, project_id, alongside
  FROM lock_waiters WHERE token IS NULL ORDER BY waiter`;

/** Whether who was just served shuts another waiter out, where they meet. */
function shutOut(served: Row, inLine: Row): boolean {
  const request = {
    session: String(inLine.session_id),
    alongside: JSON.parse(String(inLine.alongside)) as string[],
    type: inLine.lock_type as LockType,
  };
  return isOther(request, String(served.session_id)) &&
    excludes(request, served.lock_type as LockType);
}

/**
 * Gives a waiter its hold if nothing is in the way, and returns whether it has it.
 * It is rung if it waits no more: to ring all would wake a crowd at every release.
 * Nobody waited before who `isFirst`.
 */
function isServed(tx: Transaction, row: Row, isFirst: boolean): boolean {
  const request = toRequest(row);
  const waiter = Number(row.waiter);
  const near = nearbyHolds(tx, request);
  if (holdersInTheWay(tx, request, near).length > 0) return false;
  if (!isFirst && waitersBefore(tx, request, waiter).length > 0) return false;
  // Judging who is in the way may have buried the waiter's own session.
  const isJudged = tx.freed.length > 0;
  if (isJudged && waiterRow(tx, String(waiter)) === undefined) return false;
  tx.ring("grants", request.session);
  if (request.upgrades !== undefined && !ownHold(tx, request, near)) {
    // What was to become exclusive was given back meanwhile.
    leaveQueue(tx, String(waiter));
    return false;
  }
  const { hold: held } = grant(tx, request, holderIn(row), near, waiter);
  tx.connection.sql("UPDATE lock_waiters SET token = ? WHERE waiter = ?")
    .run(held.token, waiter);
  return true;
}

/**
 * What a waiter was granted, or whom it waits for by now, by a mere look;
 * undefined if there is more to do: it waits no more, may have its hold, or its
 * place is to be renewed.
 */
export function lookAtWaiter(
  tx: Transaction,
  waiter: string,
): LockOutcome | undefined {
  const row = waiterRow(tx, waiter);
  if (row === undefined) return undefined;
  if (row.token !== null) return grantedTo(tx, row);
  if (Number(row.wait_expires_at) - tx.nowMs < WAIT_LEASE_MS * 2 / 3) {
    return undefined;
  }
  const blockers = blockersOf(tx, toRequest(row), Number(waiter));
  return blockers.length === 0
    ? undefined
    : { state: "waiting", waiter, blockers };
}

/** How a waiter stands; looking renews its place. */
export function checkWaiter(
  tx: Transaction,
  waiter: string,
  session: string,
): LockOutcome {
  const row = waiterRow(tx, waiter);
  if (row === undefined) {
    refuseEnded(tx, "wait for a lock", session);
    // Removed by somebody who took its process for gone.
    return { state: "refused", blockers: [] };
  }
  const request = toRequest(row);
  if (row.token !== null) return pickUp(tx, row);
  tx.connection.sql(
    "UPDATE lock_waiters SET wait_expires_at = ? WHERE waiter = ?",
  )
    .run(tx.nowMs + WAIT_LEASE_MS, Number(waiter));
  const blockers = blockersOf(tx, request, Number(waiter));
  if (blockers.length > 0) return { state: "waiting", waiter, blockers };
  // Whatever was in the way went unseen: another program may have deleted it.
  tx.freed.push(row);
  grantWaiters(tx);
  const granted = waiterRow(tx, waiter);
  // What it was to upgrade was given back.
  if (granted === undefined) return { state: "refused", blockers: [] };
  return pickUp(tx, granted);
}

/** What a waiter was granted; undefined if it was taken away again. */
function grantedTo(
  tx: Transaction,
  row: Row,
): LockOutcome & { state: "held" } | undefined {
  const request = toRequest(row);
  const near = nearbyHolds(tx, request);
  const own = near.find(({ hold }) => hold.token === row.token)?.hold;
  return own === undefined ? undefined : {
    state: "held",
    hold: own,
    overlaps: overlapsOf(tx, request, own, near),
  };
}

function pickUp(tx: Transaction, row: Row): LockOutcome {
  const granted = grantedTo(tx, row);
  endWaiting(tx, String(row.waiter));
  return granted ?? { state: "refused", blockers: [] };
}

/** Whether what a waiter was granted is yet to be noted as picked up. */
export function isUnnoted(connection: Connection, waiter: string): boolean {
  // Not where it was given back meanwhile.
  return connection.sql("SELECT 1 FROM lock_waiters WHERE waiter = ?")
    .get(Number(waiter)) !== undefined;
}

/**
 * Notes that a waiter's process has picked up what it was granted. Until then it
 * goes back if that process dies, which is what its death brings about anyway.
 */
export function endWaiting(tx: Transaction, waiter: string): void {
  const row = tx.connection.sql(
    "DELETE FROM lock_waiters WHERE waiter = ? RETURNING token",
  ).get(Number(waiter));
  tx.connection.sql("UPDATE file_locks SET waiter = NULL WHERE token = ?")
    .run(row?.token ?? null);
}

function waiterRow(tx: Transaction, waiter: string): Row | undefined {
  return tx.connection.sql(WAITER_BY_ID).get(Number(waiter));
}

/** Takes a waiter out of the queue; what it was granted meanwhile goes back. */
export function leaveQueue(tx: Transaction, waiter: string): void {
  const row = waiterRow(tx, waiter);
  if (row === undefined) return;
  removeWaiter(tx, row.waiter);
  // Who waited behind it may be next.
  tx.freed.push(row);
  if (row.token === null) return;
  const held = holdRow(tx.connection, Number(row.token));
  if (held === undefined) return;
  ungrant(tx, held, row.upgrades !== null);
}

/** Removes waiters whose process is gone. */
export function removeGoneWaiters(tx: Transaction): void {
  const rows = tx.connection.sql(`${FROM_WAITERS} ORDER BY w.waiter`).all();
  for (const row of rows) leftIfGone(tx, row);
}

/** Ends overdue holds in the way; their holders are told. */
function takeOver(tx: Transaction, request: LockRequest): void {
  const holds = overlappingHolds(
    tx.connection,
    request.target,
    tx.nowMs,
    "disk",
  )
    .filter(({ hold }) =>
      isOther(request, hold.session) && hold.overdue &&
      excludes(request, hold.type)
    );
  for (const { hold } of standing(tx, holds)) {
    removeHold(tx, hold);
    tellTakenOver(tx, request, hold);
  }
}

/** Whether no way can lead back to who asks: nobody waits for it. */
function isInNobodysWay(
  tx: Transaction,
  { session, alongside }: LockRequest,
): boolean {
  if (alongside.length > 0) return false;
  const { inTheWay } = tx.connection.sql(
    `SELECT EXISTS (SELECT 1 FROM file_locks WHERE session_id = ?1)
       OR EXISTS (SELECT 1 FROM lock_waiters WHERE session_id = ?1) AS inTheWay`,
  ).get(session)!;
  return inTheWay === 0;
}

function refuseCycle(
  tx: Transaction,
  request: LockRequest,
  inTheWay: readonly Blocker[],
): void {
  if (isInNobodysWay(tx, request)) return;
  const waits = new Map<string, Waiting[]>();
  const wait = (session: string, waiting: Waiting): void => {
    waits.set(session, [...waits.get(session) ?? [], waiting]);
  };
  // Whoever a session acts for waits until it is through.
  const actsFor = ({ session, target, alongside }: LockRequest): void => {
    for (const other of alongside) {
      wait(other, { path: target.path, blockers: [{ session }] });
    }
  };
  const rows = tx.connection.sql(`${FROM_WAITERS} WHERE w.token IS NULL`).all();
  for (const row of rows) {
    const waiting = toRequest(row);
    wait(waiting.session, {
      path: waiting.target.path,
      blockers: blockersOf(tx, waiting, Number(row.waiter)),
    });
    actsFor(waiting);
  }
  actsFor(request);
  const cycle = findCycle(
    request.session,
    { path: request.target.path, blockers: inTheWay },
    waits,
  );
  if (cycle !== undefined) throw new DeadlockError(request.target.path, cycle);
}
