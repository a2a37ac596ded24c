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
import type { Transaction } from "./transaction.ts";

/** What one process may still take before it counts again. */
export class LockBudget {
  readonly #locksMax: number;
  // By session: a process acts for one, or for its incarnations.
  readonly #left = new Map<string, number>();

  /** Makes one for a limit of `locksMax` locks a session. */
  constructor(locksMax: number) {
    this.#locksMax = locksMax;
  }

  /**
   * Takes one more, held or waited for.
   *
   * @throws {LimitError} If the session has as many as it may.
   */
  take(tx: Transaction, session: string, path: string): void {
    const left = this.#left.get(session) ?? 0;
    if (left > 0) {
      this.#left.set(session, left - 1);
      return;
    }
    const row = tx.connection.sql(
      `SELECT (SELECT count(*) FROM file_locks WHERE session_id = ?1)
         + (SELECT count(*) FROM lock_waiters WHERE session_id = ?1 AND token IS NULL)
         AS n`,
    ).get(session);
    const free = this.#locksMax - Number(row!.n);
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
