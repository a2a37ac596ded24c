/**
 * Waiting for what must come, with an end for what does not.
 *
 * @module
 */

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

/**
 * Fails if something does not come in a time far above what it takes, and
 * below that of whatever would bring it otherwise.
 */
export async function within<T>(
  what: string,
  coming: Promise<T>,
  latestMs = LATEST_MS,
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
