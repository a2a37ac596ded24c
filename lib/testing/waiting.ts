/**
 * Waiting for expected events, with a timeout.
 *
 * @module
 */

// Only a failing case waits this long. Well below a minute, so that no event within
// the time comes from polling.
const LATEST_MS = 20_000;

/**
 * Throws if an event does not come in time. The time is far above the usual delay
 * and below the interval of polling.
 */
export async function within<T>(
  what: string,
  coming: Promise<T>,
  latestMs: number = LATEST_MS,
): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`Never came: ${what}`)),
      latestMs,
    );
  });
  try {
    return await Promise.race([coming, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Wake-ups as a promise; wake-ups between two waits are coalesced. */
export class WakeUp {
  #count = 0;
  #pending = Promise.withResolvers<void>();

  /** Number of wake-ups. */
  get count(): number {
    return this.#count;
  }

  /** Callback for the store. */
  readonly wake = (): void => {
    this.#count++;
    this.#pending.resolve();
  };

  /** Waits for a wake-up since the last call. */
  async next(what: string): Promise<void> {
    await within(`a wake-up for ${what}`, this.#pending.promise);
    this.#pending = Promise.withResolvers();
  }
}
