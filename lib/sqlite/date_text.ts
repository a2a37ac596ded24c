/**
 * Times as text, written by SQLite. A hook saves the first use of `Date` in
 * JavaScript, which is slow.
 *
 * @module
 */

/** Returns the SQL for the ISO text of an expression in milliseconds since 1970. */
export function isoDate(ms: string): string {
  return `strftime('%Y-%m-%dT%H:%M:%fZ', ${ms} / 1000.0, 'unixepoch')`;
}
