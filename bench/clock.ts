/**
 * A clock that processes of one machine share, and a pause.
 *
 * `performance.timeOrigin + performance.now()` agrees between processes to
 * about a microsecond. `process.hrtime` counts from the start of its process.
 *
 * @module
 */

/** Returns the time in milliseconds since 1970, with a fraction. */
export function sharedNowMs(): number {
  return performance.timeOrigin + performance.now();
}

/** Resolves after `ms` milliseconds. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
