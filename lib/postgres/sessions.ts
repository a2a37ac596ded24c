/**
 * The session registry in PostgreSQL.
 *
 * @module
 */

import { UnknownSessionError } from "../errors.ts";
import type { Queryable } from "./connection.ts";

/** The session that a text means. */
export async function resolveSession(
  connection: Queryable,
  act: string,
  text: string,
): Promise<{ readonly id: string; readonly status: string }> {
  const row = await connection.get(
    "SELECT session_id, status FROM session_registry WHERE session_id = $1",
    [text],
  );
  if (row === undefined) throw new UnknownSessionError(act, text);
  return { id: String(row.session_id), status: String(row.status) };
}
