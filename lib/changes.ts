/**
 * Wake-ups as something to wait for: those that come while nobody waits are
 * kept, several as one.
 *
 * @module
 */

/** Wake-ups as something to wait for. */
export class Changes {
  readonly #signal: AbortSignal | undefined;
  #woken = false;
  #waiting: PromiseWithResolvers<void> | undefined;

  /** Makes one that also ends with `signal`. */
  constructor(signal?: AbortSignal) {
    this.#signal = signal;
    signal?.addEventListener("abort", this.wake);
  }

  /** There may be something new. */
  readonly wake = (): void => {
    this.#woken = true;
    this.#waiting?.resolve();
  };

  /** Waits until there may be something new since the last call. */
  async next(): Promise<void> {
    this.#signal?.throwIfAborted();
    if (!this.#woken) {
      this.#waiting = Promise.withResolvers();
      await this.#waiting.promise;
      this.#waiting = undefined;
    }
    this.#woken = false;
    this.#signal?.throwIfAborted();
  }

  /** Takes its listener off the signal. */
  close(): void {
    this.#signal?.removeEventListener("abort", this.wake);
  }
}
