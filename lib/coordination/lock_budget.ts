/**
 * How many locks a session may have: a guard against runaway loops.
 *
 * Counting costs as much as there are, so it is not done for every lock: after
 * a count, half of what is left may be taken before the next one. A session
 * whose locks are all taken by one process, or by commands that take one each,
 * never has more than the limit.
 *
 * @module
 */

import { LimitError } from "../errors.ts";

/** What one process may still take before it counts again. */
export class LockBudget {
  readonly #locksMax: number;
  // By session: a process acts for one, or for its incarnations.
  readonly #left = new Map<string, number>();

  /** Makes one for a limit of `locksMax` locks a session. */
  constructor(locksMax: number) {
    this.#locksMax = locksMax;
  }

  /** Whether it is to be counted how many a session has before it takes some. */
  mustCount(session: string, toTake = 1): boolean {
    return (this.#left.get(session) ?? 0) < toTake;
  }

  /**
   * Takes one more, held or waited for.
   *
   * @param count Counts those that the session has; asked only where it must.
   * @throws {LimitError} If the session has as many as it may.
   */
  take(session: string, path: string, count: () => number): void {
    if (!this.mustCount(session)) {
      this.#left.set(session, this.#left.get(session)! - 1);
      return;
    }
    const free = this.#locksMax - count();
    if (free <= 0) {
      throw new LimitError(
        `lock "${path}"`,
        "locks",
        "locksMax",
        this.#locksMax,
      );
    }
    this.#left.set(session, Math.floor((free - 1) / 2));
  }
}
