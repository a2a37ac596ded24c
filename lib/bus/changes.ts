/**
 * Wake-ups as a promise. Wake-ups between two waits are coalesced into one.
 *
 * @module
 */

/** Wake-ups as a promise. */
export class Changes {
  readonly #signal: AbortSignal | undefined;
  readonly #closing: AbortSignal;
  #woken = false;
  #waiting: PromiseWithResolvers<void> | undefined;

  /** Makes one that ends with `closing` (the bus) and `signal`. */
  constructor(closing: AbortSignal, signal?: AbortSignal) {
    this.#closing = closing;
    this.#signal = signal;
    closing.addEventListener("abort", this.wake);
    signal?.addEventListener("abort", this.wake);
  }

  /** Ends the present or the next wait. */
  readonly wake = (): void => {
    this.#woken = true;
    this.#waiting?.resolve();
  };

  /**
   * Waits for a wake-up since the last call; returns false once the bus is closed.
   *
   * @throws The signal's reason, once it is aborted.
   */
  async next(): Promise<boolean> {
    this.#signal?.throwIfAborted();
    if (!this.#woken && !this.#closing.aborted) {
      this.#waiting = Promise.withResolvers();
      await this.#waiting.promise;
      this.#waiting = undefined;
    }
    this.#woken = false;
    this.#signal?.throwIfAborted();
    return !this.#closing.aborted;
  }

  /** Removes its listeners from the signals. */
  close(): void {
    this.#closing.removeEventListener("abort", this.wake);
    this.#signal?.removeEventListener("abort", this.wake);
  }
}
