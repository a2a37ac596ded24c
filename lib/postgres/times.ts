/**
 * Times as the columns have them: `timestamptz` where other programs write,
 * else milliseconds since 1970.
 *
 * @module
 */

import type { Queryable } from "./connection.ts";

/** The SQL for a `timestamptz` as an ISO 8601 time in UTC. */
export function isoTime(column: string): string {
  return `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;
}

/** The time by the server's clock, in milliseconds since 1970. */
export async function nowOf(connection: Queryable): Promise<number> {
  const row = await connection.get("SELECT now_ms($1) AS now_ms", [
    connection.clockShiftMs,
  ]);
  return Number(row!.now_ms);
}
