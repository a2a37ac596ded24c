/**
 * Waiting for what must come, with an end for what does not.
 *
 * @module
 */

// Far above what anything takes: only a failing case waits this long. Well
// below a minute, so that nothing which comes in time was polled for.
const LATEST_MS = 20_000;

/**
 * Fails if something does not come in a time far above what it takes, and
 * below that of whatever would bring it otherwise.
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

/** Wake-ups to wait for; those that come while nobody waits are kept as one. */
export class WakeUp {
  #count = 0;
  #pending = Promise.withResolvers<void>();

  /** How many came. */
  get count(): number {
    return this.#count;
  }

  /** For the store to call. */
  readonly wake = (): void => {
    this.#count++;
    this.#pending.resolve();
  };

  /** Waits for one that came since the last call. */
  async next(what: string): Promise<void> {
    await within(`a wake-up for ${what}`, this.#pending.promise);
    this.#pending = Promise.withResolvers();
  }
}
