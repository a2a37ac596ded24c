/**
 * Waiting for SQLite's one write lock.
 *
 * SQLite's own busy timeout sleeps in the calling thread, where it freezes
 * every timer of the process, and its fixed steps starve the unlucky (a writer
 * waited 2 s among ten). So the timeout is 0 and a refused attempt is repeated
 * here after a random pause of 1 to 5 ms, growing with the attempts ("full
 * jitter"). Never less than 1 ms: a tighter retry leaves a checkpoint no gap,
 * and the log grows without bound. In a crowd, where one is refused many times,
 * it grows to 40 ms for a while: fifty that ask every few milliseconds leave no
 * processor to the one that writes.
 *
 * A long-lived process awaits the pause; a hook, which has nothing else to do,
 * blocks for it.
 *
 * @module
 */

import { BusyError } from "../errors.ts";
import { faultOf } from "./faults.ts";

const PAUSE_MS_FIRST = 1;
const PAUSE_MS_USUAL = 5;
const PAUSE_MS_MAX = 40;

// Who has been refused so often is one of a crowd, and who still is after so
// many more would starve: newcomers ask more often.
const ATTEMPTS_USUAL = 6;
const ATTEMPTS_PATIENT = 40;

function pauseMs(attempt: number): number {
  const isPatient = attempt >= ATTEMPTS_USUAL && attempt < ATTEMPTS_PATIENT;
  const most = isPatient
    ? Math.min(PAUSE_MS_USUAL * 2 ** (attempt - ATTEMPTS_USUAL), PAUSE_MS_MAX)
    : Math.min(PAUSE_MS_FIRST * 2 ** attempt, PAUSE_MS_USUAL);
  return PAUSE_MS_FIRST + Math.random() * (most - PAUSE_MS_FIRST);
}

/**
 * Repeats `attempt` while the database is busy, at most for `deadlineMs`;
 * `onWaited` is told how long it waited, if it did.
 *
 * @throws {BusyError} If it was busy all that time.
 */
export async function retryBusy<T>(
  act: string,
  deadlineMs: number,
  attempt: () => T,
  onWaited: (waitedMs: number) => void = () => {},
): Promise<T> {
  const startedAt = performance.now();
  for (let attempts = 0;; attempts++) {
    try {
      const result = attempt();
      if (attempts > 0) onWaited(performance.now() - startedAt);
      return result;
    } catch (error) {
      refuseUnlessBusy(act, deadlineMs, startedAt, error);
    }
    await new Promise((resolve) => setTimeout(resolve, pauseMs(attempts)));
  }
}

/** {@linkcode retryBusy} that blocks the thread. */
export function retryBusySync<T>(
  act: string,
  deadlineMs: number,
  attempt: () => T,
): T {
  const startedAt = performance.now();
  const never = new Int32Array(new SharedArrayBuffer(4));
  for (let attempts = 0;; attempts++) {
    try {
      return attempt();
    } catch (error) {
      refuseUnlessBusy(act, deadlineMs, startedAt, error);
    }
    Atomics.wait(never, 0, 0, pauseMs(attempts));
  }
}

function refuseUnlessBusy(
  act: string,
  deadlineMs: number,
  startedAt: number,
  error: unknown,
): void {
  if (faultOf(error) !== "busy") throw error;
  const waitedMs = performance.now() - startedAt;
  if (waitedMs >= deadlineMs) {
    throw new BusyError(act, waitedMs, { cause: error });
  }
}
