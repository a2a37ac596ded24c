/**
 * Busy handling: retries while another process holds SQLite's write lock.
 *
 * SQLite's busy timeout sleeps in the calling thread, which freezes all timers of the
 * process, and its fixed steps starve some writers. So it is 0, and this module
 * retries with backoff and full jitter: up to 5 ms, or a tenth of the time waited.
 *
 * - A pause is at least 1 ms, because a tighter retry leaves a checkpoint no gap,
 *   and the WAL grows without bound.
 * - A pause grows with the wait, because many retrying processes take the processor
 *   from the one that writes.
 * - A timeout is wall time.
 *
 * A long-lived process takes the writer lock (writer_lock.ts) before each attempt,
 * and awaits its pauses. A hook has nothing else to do, so it blocks.
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

// A write that has waited for longer goes on without the writer lock, because its
// holder is stuck or is another program.
const WRITER_LOCK_WAIT_MS = 1_000;

/**
 * Repeats `attempt` while the database is busy, under `lock` if it is given. The
 * first attempt is synchronous, because nearly every write succeeds at once.
 *
 * @param act The operation, for the error's message.
 * @param deadlineMs Maximum time for all attempts, in milliseconds.
 * @param onWaited Called with the time waited, in milliseconds, after a retry
 * succeeded.
 * @throws {BusyError} If the database is busy until the deadline.
 */
export function retryBusy<T>(
  act: string,
  deadlineMs: number,
  attempt: () => T,
  onWaited: (waitedMs: number) => void = () => {},
  lock?: WriterLock,
): T | Promise<T> {
  const retries = new Retries(act, deadlineMs);
  const first = lock?.shouldYield() ? undefined : retries.try(attempt, lock);
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

/** Does the same as {@linkcode retryBusy}, and blocks the thread. */
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

/** The attempts of one operation, until their deadline. */
class Retries {
  readonly #act: string;
  readonly #deadlineMs: number;
  readonly #startedAt = performance.now();

  /** Starts the time of the deadline. */
  constructor(act: string, deadlineMs: number) {
    this.#act = act;
    this.#deadlineMs = deadlineMs;
  }

  /** Time since the start, in milliseconds. */
  get waitedMs(): number {
    return performance.now() - this.#startedAt;
  }

  /** Returns the pause before the next attempt, in milliseconds. */
  pauseMs(): number {
    const { waitedMs } = this;
    const usual = Math.min(waitedMs, PAUSE_MS_USUAL);
    const wanted = Math.max(PAUSE_MS_MIN, usual, waitedMs * PAUSE_OF_WAIT);
    const left = Math.max(PAUSE_MS_MIN, this.#deadlineMs - waitedMs);
    const max = Math.min(wanted, PAUSE_MS_MAX, left);
    return PAUSE_MS_MIN + Math.random() * (max - PAUSE_MS_MIN);
  }

  /**
   * Tries once. Returns undefined if the database is busy before the deadline.
   *
   * @throws {BusyError} If the database is busy after the deadline.
   */
  try<T>(
    attempt: () => T,
    lock?: WriterLock,
  ): { readonly result: T } | undefined {
    const isLocked = lock?.tryAcquire() ?? false;
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

/** Resolves after a time in milliseconds. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

const never = new Int32Array(new SharedArrayBuffer(4));

function block(ms: number): void {
  Atomics.wait(never, 0, 0, ms);
}
