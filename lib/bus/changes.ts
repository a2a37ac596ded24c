/**
 * Wake-ups as something to wait for: those that come while nobody waits are
 * kept, several as one.
 *
 * @module
 */

/** Wake-ups as something to wait for. */
export class Changes {
  readonly #signal: AbortSignal | undefined;
  readonly #closing: AbortSignal;
  #woken = false;
  #waiting: PromiseWithResolvers<void> | undefined;

  /** Makes one that ends with the bus, by `closing`, and with `signal`. */
  constructor(closing: AbortSignal, signal?: AbortSignal) {
    this.#closing = closing;
    this.#signal = signal;
    closing.addEventListener("abort", this.wake);
    signal?.addEventListener("abort", this.wake);
  }

  /** There may be something new. */
  readonly wake = (): void => {
    this.#woken = true;
    this.#waiting?.resolve();
  };

  /**
   * Waits until there may be something new since the last call; false if the
   * bus was closed.
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

  /** Takes its listeners off the signals. */
  close(): void {
    this.#closing.removeEventListener("abort", this.wake);
    this.#signal?.removeEventListener("abort", this.wake);
  }
}
