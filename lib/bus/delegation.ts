/**
 * The sessions on whose behalf a command acts, the innermost first.
 *
 * `with-lock` holds its locks under a session of its own process, so that they
 * end with that process. The command that it runs acts for the caller, and its
 * calls of `mbus` must not conflict with those locks. `MBUS_WITHIN` lists the
 * sessions that hold them, separated by commas.
 *
 * @module
 */

/** The variable that lists the delegating sessions. */
export const DELEGATORS_VARIABLE = "MBUS_WITHIN";

/** Returns the sessions on whose behalf this process acts. */
export function delegators(): readonly string[] {
  const text = Deno.env.get(DELEGATORS_VARIABLE) ?? "";
  return text.split(",").filter((id) => id !== "");
}
