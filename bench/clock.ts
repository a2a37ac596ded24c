/**
 * The clock that processes of one machine share, and the pause.
 *
 * `performance.timeOrigin + performance.now()` is comparable between processes
 * to a microsecond or so; `process.hrtime` is not: it counts from the start of
 * its process.
 *
 * @module
 */

/** Now, in milliseconds since 1970 with a fraction. */
export function sharedNowMs(): number {
  return performance.timeOrigin + performance.now();
}

/** Resolves after `ms`. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
