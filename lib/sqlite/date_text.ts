/**
 * A time as SQLite writes it: spelling a date in here takes an eighth of a
 * millisecond the first time, which is all that a short process has.
 *
 * @module
 */

/** The text of a time that an expression tells, in milliseconds since 1970. */
export function isoDate(ms: string): string {
  return `strftime('%Y-%m-%dT%H:%M:%fZ', ${ms} / 1000.0, 'unixepoch')`;
}
