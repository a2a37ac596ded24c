/**
 * How many locks a session may have: a guard against runaway loops, exact
 * whichever of its processes take them.
 *
 * Counting costs as much as there are, so it is not done for every lock. A
 * token is greater than all before it: so what anybody has taken for a session
 * since this process last looked is found by its tokens, and added to what was
 * counted then. What was given back since is not taken off, so the sum is never
 * too small; only where it reaches the limit is counted anew.
 *
 * @module
 */

import { LimitError } from "../errors.ts";
import type { Transaction } from "./transaction.ts";

/** What a session has, at the most. */
interface Counted {
  /** The greatest token that was counted. */
  readonly upTo: number;
  /** The holds up to that token, or more. */
  readonly holds: number;
}

const NONE: Counted = { upTo: 0, holds: 0 };

/** What one process knows of how many locks sessions have. */
export class LockBudget {
  readonly #locksMax: number;
  // By session: a process acts for one, or for its incarnations.
  readonly #counted = new Map<string, Counted>();
  #transaction: Transaction | undefined;

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
    if (this.left(tx, session) > 0) return;
    throw new LimitError(`lock "${path}"`, "locks", "locksMax", this.#locksMax);
  }

  /** Returns how many more the session may take. */
  left(tx: Transaction, session: string): number {
    const free = this.#locksMax - waitsOf(tx, session);
    const before = this.#counted.get(session) ?? NONE;
    let counted = countAfter(tx, session, before);
    if (counted.holds >= free && before !== NONE) {
      counted = countAfter(tx, session, NONE);
    }
    // What this transaction has taken itself may yet be undone, and its tokens
    // be given to others.
    if (tx !== this.#transaction) {
      this.#transaction = tx;
      this.#counted.set(session, counted);
    }
    return free - counted.holds;
  }
}

/** Adds what was taken after what is `counted`. */
function countAfter(
  tx: Transaction,
  session: string,
  { upTo, holds }: Counted,
): Counted {
  const row = tx.connection.sql(
    `SELECT count(*) AS more, max(token) AS last FROM file_locks
     WHERE session_id = ? AND token > ?`,
  ).get(session, upTo);
  return {
    upTo: Number(row!.last ?? upTo),
    holds: holds + Number(row!.more),
  };
}

function waitsOf(tx: Transaction, session: string): number {
  const row = tx.connection.sql(
    `SELECT count(*) AS waits FROM lock_waiters
     WHERE session_id = ? AND token IS NULL`,
  ).get(session);
  return Number(row!.waits);
}
