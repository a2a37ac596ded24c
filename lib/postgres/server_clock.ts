/**
 * An estimate of the server's time between two answers.
 *
 * Clients' clocks differ, so statements count leases and TTLs by the server's
 * clock. The estimate serves decisions without a query, such as whether a message
 * that was read ahead has expired. It is the server's last time plus the
 * monotonic time since then.
 *
 * A test's clock shifts the server's by its difference from the system's.
 *
 * @module
 */

/** An estimate of the server's clock. */
export class ServerClock {
  readonly #now: () => number;
  // Updated when a connection opens.
  #aheadMs = Date.now() - performance.now();

  /** Creates a clock, shifted by a test's `now`. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** The shift of a test's clock, in milliseconds. */
  get shiftMs(): number {
    const now = this.#now;
    return now === Date.now ? 0 : Math.round(now() - Date.now());
  }

  /** The estimated time, in milliseconds since 1970. */
  get nowMs(): number {
    return Math.floor(performance.now() + this.#aheadMs) + this.shiftMs;
  }

  /**
   * Sets the clock to a time that the server has just returned.
   *
   * @param shiftMs The shift in that time, because a test may move its clock.
   */
  update(nowMs: unknown, shiftMs: number): void {
    this.#aheadMs = Number(nowMs) - shiftMs - performance.now();
  }
}
