/**
 * Locks on several paths, acquired all or none.
 *
 * Locks are acquired one by one in the order of their canonical paths, so that
 * two commands with the same paths cannot deadlock. All paths are checked before
 * the first lock. If a lock is refused, the acquired ones are released, and
 * earlier holds of the session are restored.
 *
 * @module
 */

import type { MessageBus } from "../bus/bus.ts";
import { NotHeldError } from "../model/errors.ts";
import type { AcquireOptions, Lock } from "../bus/locks.ts";
import { DEFAULT_LOCK_LEASE_MS, type Hold } from "../model/lock.ts";
import { printWaiting, shownPath } from "./output/hold_lines.ts";
import { ShownWait } from "./shown_wait.ts";

// Locks that are acquired without a wait are younger than this.
const AGED_MS = 1_000;

/** Options of {@linkcode takeLocks}; `waitMs` is for all locks together. */
export interface TakingOptions extends AcquireOptions {
  /** Whether the blocking sessions are printed as JSON. */
  readonly json: boolean;
}

/**
 * Acquires a lock on each path, in the order of the canonical paths.
 *
 * @throws {LockHeldError} If another session conflicts with one of them.
 */
export async function takeLocks(
  bus: MessageBus,
  paths: readonly string[],
  { json, ...options }: TakingOptions,
): Promise<readonly Lock[]> {
  const { pattern } = options;
  const wanted = new Map(
    paths.map((path) => [bus.locks.target(path, { pattern }).path, path]),
  );
  const ordered = [...wanted.keys()].sort();
  const before = await bus.locks.held();
  const startedAt = performance.now();
  const { waitMs = 0 } = options;
  const taken: Lock[] = [];
  const wait = new ShownWait(bus);
  try {
    for (const canonical of ordered) {
      const leftMs = waitMs - (performance.now() - startedAt);
      const lock = await bus.locks.acquire(wanted.get(canonical)!, {
        ...options,
        waitMs: Math.max(0, leftMs),
        onWait: (blockers) => {
          void wait.begin(`the lock of ${shownPath(canonical)}`);
          printWaiting(shownPath(canonical), blockers, json);
        },
      });
      taken.push(lock);
    }
    for (const lock of taken.slice(0, -1)) await refresh(lock, options.leaseMs);
    options.signal?.throwIfAborted();
    return taken;
  } catch (error) {
    await releaseLocks(taken, before);
    throw error;
  } finally {
    await wait.end();
  }
}

/** Renews a lock that aged during the wait for later ones. */
async function refresh(
  lock: Lock,
  leaseMs: number = DEFAULT_LOCK_LEASE_MS,
): Promise<void> {
  const leftMs = Date.parse(lock.hold.expiresAt) - Date.now();
  if (leftMs < leaseMs - AGED_MS) await lock.renew(leaseMs);
}

/** Releases locks, and restores the holds that the session had `before`. */
export async function releaseLocks(
  locks: readonly Lock[],
  before: readonly Hold[] = [],
): Promise<void> {
  for (const lock of locks) {
    try {
      await lock.release(before.find(({ token }) => token === lock.token));
    } catch (error) {
      // The lock was lost meanwhile.
      if (!(error instanceof NotHeldError)) throw error;
    }
  }
}
