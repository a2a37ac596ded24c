/**
 * Waiting for SQLite's one write lock.
 *
 * SQLite's own busy timeout sleeps in the calling thread, where it freezes
 * every timer of the process, and its fixed steps starve some writers. So the
 * timeout is 0, and a refused attempt is repeated here after a pause: backoff with
 * full jitter, up to 5 ms or a tenth of the time that was waited. A pause is never
 * below 1 ms, because a tighter retry leaves a checkpoint no gap, and the WAL grows
 * without bound. It grows with the wait, because in a crowd those that ask take the
 * processor from the one that writes.
 *
 * A timeout is wall time.
 *
 * A long-lived process takes the writer lock (writer_lock.ts) before it tries, and
 * awaits its pauses. A hook, which has nothing else to do, blocks for them.
 *
 * @module
 */

import { BusyError } from "../model/errors.ts";
import { faultOf } from "./faults.ts";
import type { WriterLock } from "./writer_lock.ts";

const PAUSE_MS_MIN = 1;
const PAUSE_MS_USUAL = 5;
const PAUSE_MS_MAX = 100;
const PAUSE_OF_WAIT = 1 / 10;

// A write that has waited for the writer lock for longer goes on without it:
// its holder is stuck, or not one of ours.
const WRITER_LOCK_WAIT_MS = 1_000;

/**
 * Repeats `attempt` while the database is busy, at most for `deadlineMs`, and
 * under the writer lock if there is one. The first attempt comes without a
 * promise, because nearly every write needs no other.
 *
 * @param onWaited Is told how long it waited, if it did.
 * @throws {BusyError} If it was busy all that time.
 */
export function retryBusy<T>(
  act: string,
  deadlineMs: number,
  attempt: () => T,
  onWaited: (waitedMs: number) => void = () => {},
  lock?: WriterLock,
): T | Promise<T> {
  const retries = new Retries(act, deadlineMs);
  const first = lock?.yields() ? undefined : retries.try(attempt, lock);
  return first !== undefined
    ? first.result
    : retryLater(retries, attempt, onWaited, lock);
}

async function retryLater<T>(
  retries: Retries,
  attempt: () => T,
  onWaited: (waitedMs: number) => void,
  lock: WriterLock | undefined,
): Promise<T> {
  for (;;) {
    await pause(retries.pauseMs());
    const tried = retries.try(attempt, lock);
    if (tried === undefined) continue;
    onWaited(retries.waitedMs);
    return tried.result;
  }
}

/** {@linkcode retryBusy} that blocks the thread. */
export function retryBusySync<T>(
  act: string,
  deadlineMs: number,
  attempt: () => T,
): T {
  const retries = new Retries(act, deadlineMs);
  for (;;) {
    const tried = retries.try(attempt);
    if (tried !== undefined) return tried.result;
    block(retries.pauseMs());
  }
}

/** The attempts of one operation, and their deadline. */
class Retries {
  readonly #act: string;
  readonly #deadlineMs: number;
  readonly #startedAt = performance.now();

  /** Begins now. */
  constructor(act: string, deadlineMs: number) {
    this.#act = act;
    this.#deadlineMs = deadlineMs;
  }

  /** Time since the beginning, in milliseconds. */
  get waitedMs(): number {
    return performance.now() - this.#startedAt;
  }

  /** Returns the duration of a pause before the next attempt, in milliseconds. */
  pauseMs(): number {
    const { waitedMs } = this;
    const usual = Math.min(waitedMs, PAUSE_MS_USUAL);
    const wanted = Math.max(PAUSE_MS_MIN, usual, waitedMs * PAUSE_OF_WAIT);
    const left = Math.max(PAUSE_MS_MIN, this.#deadlineMs - waitedMs);
    const max = Math.min(wanted, PAUSE_MS_MAX, left);
    return PAUSE_MS_MIN + Math.random() * (max - PAUSE_MS_MIN);
  }

  /**
   * Tries once; returns undefined if that was busy and there is time.
   *
   * @throws {BusyError} If it was busy, and the deadline has passed.
   */
  try<T>(
    attempt: () => T,
    lock?: WriterLock,
  ): { readonly result: T } | undefined {
    const isLocked = lock?.tryTake() ?? false;
    if (lock !== undefined && !isLocked && !this.#isLockStuck()) {
      return undefined;
    }
    try {
      return { result: attempt() };
    } catch (error) {
      if (faultOf(error) !== "busy") throw error;
      const { waitedMs } = this;
      if (waitedMs < this.#deadlineMs) return undefined;
      throw new BusyError(this.#act, waitedMs, { cause: error });
    } finally {
      if (isLocked) lock!.release();
    }
  }

  #isLockStuck(): boolean {
    const waitMs = Math.min(this.#deadlineMs, WRITER_LOCK_WAIT_MS);
    return this.waitedMs >= waitMs;
  }
}

/** Waits without holding up anything else in this process. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

const never = new Int32Array(new SharedArrayBuffer(4));

function block(ms: number): void {
  Atomics.wait(never, 0, 0, ms);
}
