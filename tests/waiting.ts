/**
 * Waits for conditions, with a timeout.
 *
 * @module
 */

export { within } from "../lib/testing/waiting.ts";

// Far above the time of any condition. Only a failing test waits this long.
const LATEST_MS = 20_000;

/**
 * Polls until a condition holds.
 *
 * @throws {Error} If it does not hold in time.
 */
export async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
): Promise<void> {
  const deadline = performance.now() + LATEST_MS;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`Never came: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
