/**
 * Work that a signal ends in good order: it gives back what it took, and the
 * command ends with the signal's exit code.
 *
 * @module
 */

import { Stop } from "./stop.ts";

/**
 * What comes of `work`, or the exit code if it was stopped; without a timeout
 * only signals do that.
 */
export async function untilStopped<T>(
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T | number> {
  using stop = new Stop();
  try {
    return await work(stop.signal);
  } catch (error) {
    const { reason } = stop;
    if (error !== stop.signal.reason || typeof reason !== "object") throw error;
    return reason.exitCode;
  }
}
