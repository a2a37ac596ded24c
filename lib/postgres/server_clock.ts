/**
 * The server's time, as this process knows it between two answers.
 *
 * The clocks of clients differ, so leases and TTLs are counted by the server's
 * alone, in the statements themselves. Only what must be known without asking
 * (whether a message that was read ahead has expired since) is taken from here:
 * from what the server said last, and the time that has passed, which no change
 * of the local clock touches.
 *
 * A clock that a test gives shifts the server's by as much as it differs from
 * the system's.
 *
 * @module
 */

/** The server's clock. */
export class ServerClock {
  readonly #now: () => number;
  // The server says it as a connection opens.
  #aheadMs = Date.now() - performance.now();

  /** Makes one, shifted by a clock of a test. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** By how much a test has shifted it, in milliseconds. */
  get shiftMs(): number {
    const now = this.#now;
    return now === Date.now ? 0 : Math.round(now() - Date.now());
  }

  /** The time, in milliseconds since 1970. */
  get nowMs(): number {
    return Math.floor(performance.now() + this.#aheadMs) + this.shiftMs;
  }

  /**
   * Takes note of what the server said just now.
   *
   * @param shiftMs The shift in it: a test may have moved its clock since.
   */
  learn(nowMs: unknown, shiftMs: number): void {
    this.#aheadMs = Number(nowMs) - shiftMs - performance.now();
  }
}
