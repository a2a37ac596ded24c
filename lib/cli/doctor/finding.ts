/**
 * What a check of `mbus doctor` has found.
 *
 * @module
 */

/** How something stands: `fail` means that the bus cannot be used as it is. */
export type FindingStatus = "ok" | "warn" | "fail";

/** One line of the report. */
export interface Finding {
  /** What was looked at, in one or two words. */
  readonly check: string;
  /** How it stands. */
  readonly status: FindingStatus;
  /** What was found. */
  readonly message: string;
  /** What to do about it. */
  readonly remedy?: string;
}

/** All is well. */
export function ok(check: string, message: string): Finding {
  return { check, status: "ok", message };
}

/** It works, but something should be done. */
export function warn(check: string, message: string, remedy: string): Finding {
  return { check, status: "warn", message, remedy };
}

/** The bus cannot be used until something is done. */
export function fail(check: string, message: string, remedy: string): Finding {
  return { check, status: "fail", message, remedy };
}

/** Returns the finding of an error, whose message ends with its remedy. */
export function failBy(check: string, error: unknown): Finding {
  const message = error instanceof Error ? error.message : String(error);
  const parts = message.match(/^(.+)(?:\. (?=[A-Z])|; )(.+?)\.?$/s);
  if (parts === null) return { check, status: "fail", message };
  const [, state, remedy] = parts;
  return fail(check, state, remedy[0].toLowerCase() + remedy.slice(1));
}
