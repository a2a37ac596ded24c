/**
 * Values that a shell completes, read by one statement each from an existing,
 * up-to-date database.
 *
 * A shell waits for them at each press of Tab, so no store is opened. Processes of
 * sessions are not checked. `tests/cli_completion_test.ts` compares the values with
 * those of the store.
 *
 * @module
 */

import { tryOpenExisting } from "./fast_open.ts";
import { locateBus } from "./location.ts";

const OF_PROJECT = "(project_id IS NULL OR project_id = ?)";

const STATEMENTS: Readonly<Record<string, string>> = {
  sessions: `SELECT coalesce(name, session_id), coalesce(task_id, llm_vendor)
    FROM session_registry
    WHERE ${OF_PROJECT} AND status IS NOT 'terminated'
    ORDER BY registered_at, rowid`,
  locks: `SELECT file_path, session_id FROM file_locks
    WHERE ${OF_PROJECT} ORDER BY token`,
  tasks: `SELECT task_id, title FROM tasks
    WHERE project_id = ? AND status IN ('open', 'claimed')
    ORDER BY priority DESC, seq`,
  channels: `SELECT channel, count(*) || ' messages'
    FROM inter_session_messages
    WHERE expires_at > ? GROUP BY channel ORDER BY count(*) DESC, channel`,
};

/**
 * Returns values of a kind with their descriptions; undefined if only the store
 * can read them.
 *
 * @param project Project of the working folder.
 */
export function tryStoredValues(
  kind: string,
  project: string,
): readonly (readonly [value: string, description: string])[] | undefined {
  const statement = STATEMENTS[kind];
  if (statement === undefined) return [];
  const db = tryOpenExisting(locateBus());
  if (db === undefined) return undefined;
  const parameter = kind === "channels" ? Date.now() : project;
  // The process ends at once, which closes the database without a checkpoint.
  return db.prepare(statement).values(parameter)
    .map(([value, description]) => [String(value), String(description)]);
}
