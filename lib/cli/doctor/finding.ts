/**
 * Findings of `mbus doctor`.
 *
 * @module
 */

/** Status of a finding; `fail` means that the bus is unusable. */
export type FindingStatus = "ok" | "warn" | "fail";

/** One line of the report. */
export interface Finding {
  /** Name of the check, in one or two words. */
  readonly check: string;
  /** Status of the finding. */
  readonly status: FindingStatus;
  /** Result of the check, for people. */
  readonly message: string;
  /** Remedy, in the imperative. */
  readonly remedy?: string;
}

/** Returns the finding of a check that passed. */
export function ok(check: string, message: string): Finding {
  return { check, status: "ok", message };
}

/** Returns the finding of a check with a problem that leaves the bus usable. */
export function warn(check: string, message: string, remedy: string): Finding {
  return { check, status: "warn", message, remedy };
}

/** Returns the finding of a check with a problem that makes the bus unusable. */
export function fail(check: string, message: string, remedy: string): Finding {
  return { check, status: "fail", message, remedy };
}

/**
 * Returns the finding of an error. Its remedy is the last sentence, or the part
 * after the last semicolon.
 */
export function failBy(check: string, error: unknown): Finding {
  const message = error instanceof Error ? error.message : String(error);
  const parts = /^(.+)(?:\. (?=[A-Z"])|; )(.+?)\.?$/s.exec(message);
  if (parts === null) return { check, status: "fail", message };
  const [, state, remedy] = parts;
  return fail(check, state, remedy[0].toLowerCase() + remedy.slice(1));
}

/** Returns the finding of a warning, which ends with its remedy. */
export function warnBy(check: string, message: string): Finding {
  return { ...failBy(check, message), status: "warn" };
}
