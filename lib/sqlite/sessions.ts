/**
 * The list of sessions in SQLite.
 *
 * @module
 */

import { toSession } from "../sql/session_rows.ts";
import type { Session } from "../model/session.ts";
import type { Connection } from "./connection.ts";
import { FROM_SESSIONS } from "./records.ts";

/**
 * Returns the sessions in the order of registration, without checking whether their
 * processes live.
 */
export function listSessions(
  connection: Pick<Connection, "sql">,
  filter: { readonly project: string | null; readonly ended: boolean },
): Session[] {
  return connection.sql(
    `${FROM_SESSIONS}
     WHERE (?1 IS NULL OR project_id IS NULL OR project_id = ?1)
       AND (?2 OR status IS NOT 'terminated')
     ORDER BY registered_at, rowid`,
  ).all(filter.project, filter.ended ? 1 : 0).map(toSession);
}
