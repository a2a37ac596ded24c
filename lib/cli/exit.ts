/**
 * How a program ends that has to be quick.
 *
 * To exit at once is half a millisecond sooner than to run out. But the runtime
 * keeps the compiled code of a program only when it runs out, and without it
 * every start compiles anew, for two milliseconds. So it runs out where it is
 * told to, as by the installation, and now and then: an upgraded runtime begins
 * with nothing kept.
 *
 * @module
 */

/** The variable that makes a program run out. */
export const POPULATE_CODE_CACHE = "MBUS_POPULATE_CODE_CACHE";

const POPULATE_ONE_IN = 32;

/**
 * Ends this process, which has nothing more to do.
 *
 * @param options Whether it must exit `atOnce`, because something is pending
 *   that would keep it from running out.
 */
export function endProcess(
  code: number,
  { atOnce = false }: { readonly atOnce?: boolean } = {},
): void {
  const runsOut = !atOnce && (
    Deno.env.get(POPULATE_CODE_CACHE) !== undefined ||
    Math.random() * POPULATE_ONE_IN < 1
  );
  if (!runsOut) Deno.exit(code);
  Deno.exitCode = code;
}
