/**
 * Giving back: durable names, places in queues, locks, tasks, sessions and the bus
 * itself.
 *
 * ```text
 *  taken ──▶ giving back ──▶ given back
 *                 │  ▲
 *          failed ▼  │ a timer, another call, the next take, the close
 *                 owed
 * ```
 *
 * - **An error of the store is thrown to the caller**, and the thing is owed. The
 *   attempt is repeated until it succeeds, beyond the caller's deadline. Faults
 *   that do not pass, such as a read-only file, are not tried again.
 * - **Only one attempt for a thing is under way.** Another call awaits it, and tries
 *   again if it fails, because it may have met an earlier state of the store.
 * - **What is owed is given back before anything is taken**, so that a session
 *   never waits for itself.
 * - The timer does not keep the process alive. The end of the process, or else
 *   the lease, then ends the thing.
 *
 * @module
 */

import {
  MessageBusError,
  StoreError,
  type StoreFault,
} from "../model/errors.ts";

const PAUSE_MS_MIN = 50;
const PAUSE_MS_MAX = 5_000;

/** Faults after which a later attempt can succeed. */
const PASSING_FAULTS: ReadonlySet<StoreFault> = new Set<StoreFault>([
  "full",
  "descriptors",
  "io",
  "unreachable",
  "server",
]);

/** Thing that is not given back yet. */
interface Owed {
  attempt: () => Promise<unknown>;
  underWay?: Promise<unknown>;
  failures: number;
  timer?: ReturnType<typeof setTimeout>;
}

/** Things that one owner gives back. */
export class GivingBack {
  readonly #owed = new Map<string | object, Owed>();
  // Results of things that were given back after an attempt had failed.
  readonly #results = new WeakMap<object, unknown>();

  /**
   * Gives a thing back, and repeats a failed attempt until one succeeds.
   *
   * @param thing Key of the thing. A further call for an object that was given
   * back by a repeated attempt returns the result of that attempt.
   * @throws The error of the attempt.
   */
  async giveBack<T>(
    thing: string | object,
    attempt: () => Promise<T>,
  ): Promise<T> {
    if (typeof thing === "object" && this.#results.has(thing)) {
      return this.#results.get(thing) as T;
    }
    let owed = this.#owed.get(thing);
    if (owed === undefined) {
      owed = { attempt, failures: 0 };
      this.#owed.set(thing, owed);
    } else if (owed.underWay === undefined) {
      owed.attempt = attempt;
    }
    return await this.#tryNow(thing, owed) as T;
  }

  /**
   * Tries to give back everything that is owed, and waits for attempts under way.
   *
   * @throws The error of an attempt after which its thing is still owed.
   */
  async settle(): Promise<void> {
    if (this.#owed.size === 0) return;
    const attempts = [...this.#owed].map(([thing, owed]) =>
      this.#tryNow(thing, owed)
    );
    for (const attempt of await Promise.allSettled(attempts)) {
      if (attempt.status === "rejected" && isOwedAfter(attempt.reason)) {
        throw attempt.reason;
      }
    }
  }

  async #tryNow(thing: string | object, owed: Owed): Promise<unknown> {
    try {
      if (owed.underWay !== undefined) return await owed.underWay;
    } catch (error) {
      if (!isOwedAfter(error)) throw error;
    }
    return await this.#try(thing, owed);
  }

  #try(thing: string | object, owed: Owed): Promise<unknown> {
    owed.underWay ??= this.#attempt(thing, owed)
      .finally(() => owed.underWay = undefined);
    return owed.underWay;
  }

  async #attempt(thing: string | object, owed: Owed): Promise<unknown> {
    if (owed.timer !== undefined) clearTimeout(owed.timer);
    try {
      const result = await owed.attempt();
      this.#owed.delete(thing);
      if (owed.failures > 0 && typeof thing === "object") {
        this.#results.set(thing, result);
      }
      return result;
    } catch (error) {
      if (isOwedAfter(error)) this.#tryLater(thing, owed);
      else this.#owed.delete(thing);
      throw error;
    }
  }

  #tryLater(thing: string | object, owed: Owed): void {
    const pauseMs = Math.min(PAUSE_MS_MIN * 2 ** owed.failures++, PAUSE_MS_MAX);
    owed.timer = setTimeout(() => {
      // The caller got the first error, and the next attempt is scheduled.
      this.#try(thing, owed).catch(() => {});
    }, pauseMs);
    Deno.unrefTimer(owed.timer as unknown as number);
  }
}

/**
 * Returns whether a thing is still owed after an error. Another error than the
 * store's says that the thing is no longer held, or that the store is closed. A
 * fault that does not pass leaves the thing to its lease.
 */
function isOwedAfter(error: unknown): boolean {
  if (error instanceof StoreError) return PASSING_FAULTS.has(error.fault);
  return !(error instanceof MessageBusError) || error.kind === "store";
}
