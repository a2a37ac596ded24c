/**
 * Waiting for what must come, with an end for what does not.
 *
 * @module
 */

export { within } from "../lib/testing/waiting.ts";

// Far above what anything takes: only a failing test waits this long.
const LATEST_MS = 20_000;

/** Waits until something holds that nothing tells of. */
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
