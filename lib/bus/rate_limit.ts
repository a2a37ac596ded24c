/**
 * Token bucket against runaway loops. It holds the tokens of ten seconds, and each
 * message takes one.
 *
 * @module
 */

import { RateLimitError } from "../model/errors.ts";

const BURST_SECONDS = 10;

/** Token bucket of one process. */
export class RateLimit {
  readonly #perSecond: number;
  #tokens: number;
  #filledAtMs = performance.now();

  /** Makes a full bucket. */
  constructor(perSecond: number) {
    this.#perSecond = perSecond;
    this.#tokens = perSecond * BURST_SECONDS;
  }

  /**
   * Takes `count` tokens, all or none.
   *
   * @throws {RateLimitError} If fewer tokens are left.
   */
  take(count: number): void {
    if (this.#tokens < count) this.#fill();
    if (this.#tokens < count) {
      const missing = count - this.#tokens;
      throw new RateLimitError(
        this.#perSecond,
        Math.ceil(missing * 1000 / this.#perSecond),
      );
    }
    this.#tokens -= count;
  }

  #fill(): void {
    const now = performance.now();
    const added = (now - this.#filledAtMs) * this.#perSecond / 1000;
    this.#tokens = Math.min(
      this.#tokens + added,
      this.#perSecond * BURST_SECONDS,
    );
    this.#filledAtMs = now;
  }
}
