/**
 * Rules about locks. Each opens the lock table, decides, and serves the waiters of
 * freed paths.
 *
 * @module
 */

import { isAtOrBelow } from "../path/path_text.ts";
import { LimitError } from "../model/errors.ts";
import type { Blocker, Hold, LockOutcome, LockRequest } from "../model/lock.ts";
import type { LockTarget } from "../model/lock.ts";
import type { LockQuery } from "../model/lock.ts";
import { askerOf } from "./life.ts";
import { LockTable } from "./lock_table.ts";
import type { HoldRecord, Records } from "./records.ts";
import type { Moment, Plan } from "./rule.ts";
import { assertActive, requireActive } from "./sessions.ts";

/** Takes a lock, queues for it, or returns the sessions that block it. */
export function* acquire(
  records: Records,
  at: Moment,
  request: LockRequest,
  locksMax: number,
): Plan<LockOutcome> {
  const { session: id, target } = request;
  const act = `lock "${target.path}"`;
  const session = yield* requireActive(records, at, act, id);
  const table = new LockTable(records, at);
  const outcome = yield* table.acquire(
    { ...request, target: hosted(at, target) },
    askerOf(session),
    () => assertBelowLimit(records, act, id, locksMax),
  );
  yield* table.grantWaiters();
  return outcome;
}

/** Returns a target on the disk of its host, by default of this one. */
export function hosted(at: Moment, target: LockTarget): LockTarget {
  return target.host !== undefined ? target : { ...target, host: at.self.host };
}

/**
 * Asserts that a session may hold or wait for one more lock.
 *
 * @throws {LimitError} If it has reached its limit.
 */
export function* assertBelowLimit(
  records: Records,
  act: string,
  session: string,
  locksMax: number,
): Plan<void> {
  yield [
    { kind: "hold-count", session },
    { kind: "waiters-of", session },
    { kind: "tokens", count: 1 },
  ];
  if ((yield* locksLeft(records, session, locksMax, 1)) > 0) return;
  throw new LimitError(act, "locks", "locksMax", locksMax);
}

/**
 * Returns how many more locks a session may hold and wait for. The number is exact,
 * or at least `wanted`.
 */
export function* locksLeft(
  records: Records,
  session: string,
  locksMax: number,
  wanted: number,
): Plan<number> {
  let left = 0;
  // An exact count takes longer the more a session holds.
  for (const exact of [false, true]) {
    yield [
      { kind: "hold-count", session, exact },
      { kind: "waiters-of", session },
    ];
    left = Math.max(0, locksMax - lockCount(records, session));
    if (left >= wanted) break;
  }
  return left;
}

function lockCount(records: Records, session: string): number {
  let count = records.holdCount(session);
  for (const { request, token } of records.waiters.values()) {
    if (request.session === session && token === undefined) count++;
  }
  return count;
}

/** Returns the state of a waiter, and keeps its place in the queue. */
export function* checkWaiter(
  records: Records,
  at: Moment,
  waiter: string,
  session: string,
): Plan<LockOutcome> {
  const table = new LockTable(records, at);
  const outcome = yield* table.check(Number(waiter));
  yield* table.grantWaiters();
  if (outcome !== undefined) return outcome;
  yield* assertActive(records, at, "wait for a lock", session);
  // Another session took the waiter's process for dead and removed it.
  return { state: "refused", blockers: [] };
}

/** Removes a waiter from the queue; a granted lock is released. */
export function* leaveQueue(
  records: Records,
  at: Moment,
  waiter: string,
): Plan<void> {
  const table = new LockTable(records, at);
  yield* table.leave(Number(waiter));
  yield* table.grantWaiters();
}

/**
 * Renews a hold.
 *
 * @throws {NotHeldError} If it is no longer held under this token.
 */
export function* renewLock(
  records: Records,
  at: Moment,
  held: Hold,
  leaseMs: number,
): Plan<Hold> {
  const table = new LockTable(records, at);
  const hold = yield* table.renew(held, leaseMs);
  yield* table.grantWaiters();
  return hold;
}

/**
 * Releases a hold once, or entirely.
 *
 * @throws {NotHeldError} If it is no longer held under this token.
 */
export function* releaseLock(
  records: Records,
  at: Moment,
  held: Hold,
  options?: { readonly entirely?: boolean; readonly before?: Hold },
): Plan<void> {
  const table = new LockTable(records, at);
  yield* table.release(held, options);
  yield* table.grantWaiters();
}

/** Returns the holds that match a query, oldest first. */
export function* listHolds(
  records: Records,
  at: Moment,
  query: LockQuery,
): Plan<readonly Hold[]> {
  const { session, path, token } = query;
  const overlapping = query.overlapping && hosted(at, query.overlapping);
  yield [
    overlapping === undefined
      ? { kind: "holds", session, path, token }
      : { kind: "holds-near", target: overlapping, where: "disk" },
  ];
  const table = new LockTable(records, at);
  const listed = overlapping === undefined
    ? holdsListed(records)
    : records.holds.near(overlapping, "disk");
  const standing = yield* table.standing(listed);
  yield* table.grantWaiters();
  return standing.map(({ hold }) => hold)
    .filter((hold) => isListed(query, hold));
}

/** Returns whether a hold is of the queried project, or lies below the folder. */
function isListed(
  { project, below }: Pick<LockQuery, "project" | "below">,
  hold: Pick<Hold, "project" | "path" | "kind" | "worktree">,
): boolean {
  // A name lies in its worktree.
  const place = hold.kind === "name" ? hold.worktree ?? "" : hold.path;
  return project === null || hold.project === undefined ||
    hold.project === project ||
    below !== undefined && isAtOrBelow(place, below);
}

function holdsListed(records: Records): HoldRecord[] {
  return records.listed("holds").map((key) => records.holds.get(key))
    .filter((record) => record !== undefined);
}

/** Returns waiters whose target overlaps one, earliest first. */
export function* listWaiters(
  records: Records,
  at: Moment,
  target: LockTarget,
): Plan<readonly Blocker[]> {
  const table = new LockTable(records, at);
  const waiters = yield* table.waitersFor(hosted(at, target));
  yield* table.grantWaiters();
  return waiters;
}

/** Removes waiters whose process is dead. */
export function* removeGoneWaiters(records: Records, at: Moment): Plan<void> {
  const table = new LockTable(records, at);
  yield* table.removeGoneWaiters();
  yield* table.grantWaiters();
}
