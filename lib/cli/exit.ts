/**
 * End of a short-lived process.
 *
 * `Deno.exit()` is faster than an empty event loop. But the runtime writes its
 * code cache only when the event loop runs empty, and without that cache each
 * start compiles the program again. So the event loop runs empty if the
 * installation asks for it, and in one of 32 calls, because an upgraded runtime
 * starts without a cache.
 *
 * @module
 */

/** Variable that makes a program write the runtime's code cache. */
export const POPULATE_CODE_CACHE = "MBUS_POPULATE_CODE_CACHE";

const POPULATE_ONE_IN = 32;

/**
 * Ends this process with an exit code.
 *
 * @param options `atOnce`: exit even without a code cache, because a pending
 *   operation keeps the event loop from running empty.
 */
export function endProcess(
  code: number,
  { atOnce = false }: { readonly atOnce?: boolean } = {},
): void {
  const populates = !atOnce && (
    Deno.env.get(POPULATE_CODE_CACHE) !== undefined ||
    Math.random() * POPULATE_ONE_IN < 1
  );
  if (!populates) Deno.exit(code);
  Deno.exitCode = code;
}
