/**
 * Taking locks on several paths: all of them, or none.
 *
 * They are taken one by one in the order of their canonical paths, so that two
 * commands that want the same ones never each hold what the other waits for.
 * All are checked before the first is taken, and where one is refused those
 * that were taken are given back: what the session held before stands as it did.
 *
 * @module
 */

import type { MessageBus } from "../bus/bus.ts";
import { NotHeldError } from "../model/errors.ts";
import type { AcquireOptions, Lock } from "../bus/locks.ts";
import { DEFAULT_LOCK_LEASE_MS, type Hold } from "../model/lock.ts";
import { shownPath, tellWaiting } from "./output/hold_lines.ts";

// Less than this is what taking them takes.
const AGED_MS = 1_000;

/** How to take locks; `waitMs` is for all of them together. */
export interface TakingOptions extends AcquireOptions {
  /** Whether it says as JSON whom it waits for. */
  readonly json: boolean;
}

/**
 * Takes a lock on each path, in the order of the canonical paths.
 *
 * @throws {LockHeldError} If another session is in the way of one.
 */
export async function takeLocks(
  bus: MessageBus,
  paths: readonly string[],
  options: TakingOptions,
): Promise<readonly Lock[]> {
  const wanted = new Map(
    paths.map((path) => [bus.locks.target(path, options).path, path]),
  );
  const ordered = [...wanted.keys()].sort();
  const before = await bus.locks.held();
  const startedAt = performance.now();
  const { waitMs = 0 } = options;
  const taken: Lock[] = [];
  try {
    for (const canonical of ordered) {
      const leftMs = waitMs - (performance.now() - startedAt);
      const lock = await bus.locks.acquire(wanted.get(canonical)!, {
        ...options,
        waitMs: Math.max(0, leftMs),
        onWait: (blockers) =>
          tellWaiting(shownPath(canonical), blockers, options.json),
      });
      taken.push(lock);
    }
    for (const lock of taken.slice(0, -1)) await refresh(lock, options.leaseMs);
    options.signal?.throwIfAborted();
    return taken;
  } catch (error) {
    await releaseLocks(taken, before);
    throw error;
  }
}

/** Renews a lock that has aged while others were waited for. */
async function refresh(
  lock: Lock,
  leaseMs: number = DEFAULT_LOCK_LEASE_MS,
): Promise<void> {
  const leftMs = Date.parse(lock.hold.expiresAt) - Date.now();
  if (leftMs < leaseMs - AGED_MS) await lock.renew(leaseMs);
}

/** Gives locks back; what was held `before` they were taken stays as it was. */
export async function releaseLocks(
  locks: readonly Lock[],
  before: readonly Hold[] = [],
): Promise<void> {
  for (const lock of locks) {
    try {
      await lock.release(before.find(({ token }) => token === lock.token));
    } catch (error) {
      // Lost by then: nothing is left to give back.
      if (!(error instanceof NotHeldError)) throw error;
    }
  }
}
