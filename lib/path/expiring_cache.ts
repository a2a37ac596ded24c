/**
 * A cache whose entries all expire at the same time.
 *
 * A command asks the file system the same question many times and is answered
 * once. A process that runs for days still sees a folder become a repository.
 * Common expiry also bounds the cache to the keys of the last
 * {@linkcode ExpiringCacheOptions.ttlMs}.
 *
 * @module
 */

/** Options of an {@linkcode ExpiringCache}. */
export interface ExpiringCacheOptions {
  /**
   * Age of the first entry at which all entries expire, in milliseconds.
   *
   * @default {10000}
   */
  readonly ttlMs?: number;
}

/** Values by key, all dropped once the first of them is too old. */
export class ExpiringCache<Value> {
  readonly #values = new Map<string, Value>();
  readonly #ttlMs: number;
  #sinceMs = 0;

  /** Creates an empty cache. */
  constructor(options: ExpiringCacheOptions = {}) {
    this.#ttlMs = options.ttlMs ?? 10_000;
  }

  /** Returns the value of `key`; undefined if it is absent or expired. */
  get(key: string): Value | undefined {
    if (performance.now() - this.#sinceMs > this.#ttlMs) this.#values.clear();
    return this.#values.get(key);
  }

  /** Stores `value` under `key`. */
  set(key: string, value: Value): void {
    if (this.#values.size === 0) this.#sinceMs = performance.now();
    this.#values.set(key, value);
  }
}
