/**
 * Times in columns: `timestamptz` in those that other programs write, else
 * milliseconds since 1970.
 *
 * @module
 */

/** Returns the SQL for a `timestamptz` as an ISO 8601 time in UTC. */
export function isoTime(column: string): string {
  return `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;
}
