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
 * Long-lived processes take turns before they try (write_turn.ts says why).
 * Whether it is one's turn is soon known and soon different, so that is looked
 * at closely for a moment, and after a pause again, in which timers go on.
 *
 * A long-lived process awaits the pause; a hook, which has nothing else to do,
 * blocks for it.
 *
 * A timeout is wall time.
 *
 * @module
 */

import { BusyError } from "../model/errors.ts";
import { faultOf } from "./faults.ts";
import type { WriteTurn } from "./write_turn.ts";

const PAUSE_MS_FIRST = 1;
const PAUSE_MS_USUAL = 5;
const PAUSE_MS_MAX = 40;

// Who has been refused so often is one of a crowd, and who still is after so
// many more would starve: newcomers ask more often.
const ATTEMPTS_USUAL = 6;
const ATTEMPTS_PATIENT = 40;

// Looking whether it is one's turn: at first after so long, then ever later, and
// so often in one go (2 ms): many that wait must not keep the processors busy.
const TURN_LOOK_MS = 0.05;
const TURN_LOOK_GROWTH = 1.5;
const TURN_LOOKS_MAX = 8;

// Whoever has the turn for longer is stuck: then one goes on without it.
const TURN_WAIT_MS_MAX = 100;

function pauseMs(attempt: number): number {
  const isPatient = attempt >= ATTEMPTS_USUAL && attempt < ATTEMPTS_PATIENT;
  const most = isPatient
    ? Math.min(PAUSE_MS_USUAL * 2 ** (attempt - ATTEMPTS_USUAL), PAUSE_MS_MAX)
    : Math.min(PAUSE_MS_FIRST * 2 ** attempt, PAUSE_MS_USUAL);
  return PAUSE_MS_FIRST + Math.random() * (most - PAUSE_MS_FIRST);
}

/**
 * Repeats `attempt` while the database is busy, at most for `deadlineMs`, each
 * time in its turn; `onWaited` is told how long it waited, if it did. What is done
 * at the first attempt, as nearly everything is, comes without a promise.
 *
 * @throws {BusyError} If it was busy all that time.
 */
export function retryBusy<T>(
  act: string,
  deadlineMs: number,
  attempt: () => T,
  onWaited: (waitedMs: number) => void = () => {},
  turn?: WriteTurn,
): T | Promise<T> {
  let refusal: unknown;
  if (turn === undefined || !turn.isOthersNext() && turn.take()) {
    try {
      return attempt();
    } catch (error) {
      if (faultOf(error) !== "busy") throw error;
      refusal = error;
    } finally {
      turn?.giveBack();
    }
  }
  return retryPatiently(act, deadlineMs, attempt, onWaited, turn, refusal);
}

/** Goes on after a first attempt that was refused, or did not come. */
async function retryPatiently<T>(
  act: string,
  deadlineMs: number,
  attempt: () => T,
  onWaited: (waitedMs: number) => void,
  turn: WriteTurn | undefined,
  refusal: unknown,
): Promise<T> {
  const patience = new Patience(act, deadlineMs);
  const turnMs = Math.min(deadlineMs, TURN_WAIT_MS_MAX);
  let looks = 0;
  let waited = refusal !== undefined;
  if (waited) {
    patience.refuseAtEnd(refusal);
    await patience.rest();
  } else if (turn?.isOthersNext()) block(2 * TURN_LOOK_MS);
  for (;;) {
    const mine = turn?.take() ?? false;
    if (mine || turn === undefined || patience.waitedMs >= turnMs) {
      try {
        const result = attempt();
        if (waited) onWaited(patience.waitedMs);
        return result;
      } catch (error) {
        patience.refuseAtEnd(error);
      } finally {
        if (mine) turn!.giveBack();
      }
      await patience.rest();
    } else if (looks < TURN_LOOKS_MAX) {
      const most = TURN_LOOK_MS * TURN_LOOK_GROWTH ** looks++;
      block(most * (0.5 + Math.random()));
    } else {
      await patience.rest();
      looks = 0;
    }
    waited = true;
  }
}

/** How long one tries, and how often. */
class Patience {
  readonly #act: string;
  readonly #deadlineMs: number;
  readonly #startedAt = performance.now();
  #pauses = 0;

  /** Begins now. */
  constructor(act: string, deadlineMs: number) {
    this.#act = act;
    this.#deadlineMs = deadlineMs;
  }

  /** For how long it has been tried. */
  get waitedMs(): number {
    return performance.now() - this.#startedAt;
  }

  /** Throws what an attempt failed by, unless that was busy and there is time. */
  refuseAtEnd(error: unknown): void {
    if (faultOf(error) !== "busy") throw error;
    const { waitedMs } = this;
    if (waitedMs >= this.#deadlineMs) {
      throw new BusyError(this.#act, waitedMs, { cause: error });
    }
  }

  /** Pauses before the next attempt. */
  rest(): Promise<void> {
    return pause(pauseMs(this.#pauses++));
  }

  /** {@linkcode Patience.rest} that blocks the thread. */
  block(): void {
    block(pauseMs(this.#pauses++));
  }
}

/** Waits without holding up anything else in this process. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** A pause that can be ended early. */
export class Pause {
  /** Resolves when it is over. */
  readonly over: Promise<void>;
  readonly #resolve: () => void;
  readonly #timer: ReturnType<typeof setTimeout>;

  /** Begins one of `ms`. */
  constructor(ms: number) {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.over = promise;
    this.#resolve = resolve;
    this.#timer = setTimeout(resolve, ms);
  }

  /** Ends it now, if it is not over. */
  end(): void {
    clearTimeout(this.#timer);
    this.#resolve();
  }
}

const never = new Int32Array(new SharedArrayBuffer(4));

function block(ms: number): void {
  Atomics.wait(never, 0, 0, ms);
}

/** {@linkcode retryBusy} that blocks the thread. */
export function retryBusySync<T>(
  act: string,
  deadlineMs: number,
  attempt: () => T,
): T {
  const patience = new Patience(act, deadlineMs);
  for (;;) {
    try {
      return attempt();
    } catch (error) {
      patience.refuseAtEnd(error);
    }
    patience.block();
  }
}
