/**
 * The `with-lock`s that a command runs within, the innermost first.
 *
 * `with-lock` holds its locks under a session of its own process, so that they
 * end with it however it ends. What it runs acts for whoever called it, and
 * must not be kept off by those locks: their sessions are handed on in
 * `MBUS_WITHIN`, by commas.
 *
 * @module
 */

/** The variable that hands them on. */
export const WITHIN_VARIABLE = "MBUS_WITHIN";

/** The sessions of the `with-lock`s that this command runs within. */
export function withinLocks(): readonly string[] {
  const text = Deno.env.get(WITHIN_VARIABLE) ?? "";
  return text.split(",").filter((id) => id !== "");
}
