/**
 * An edit's locks where there is next to nothing to do: the session is at work,
 * holds the file already, and nobody else is near. Then its lease grows and it
 * has given its sign of life: two statements.
 *
 * What the session has read since another changed it is not stale: the same note
 * is looked at as the whole way does (`agents/edits.ts`).
 *
 * It decides nothing by itself. Where anything is out of the ordinary it changes
 * nothing and says so, and the whole way (edit_guard.ts) is gone; a test holds
 * the two against each other.
 *
 * @module
 */

import type { Database } from "./driver.ts";
import { SCHEMA_VERSION } from "./schema_version.ts";

/** An edit of one file. */
export interface QuickEdit {
  /** The session's id. */
  readonly session: string;
  /** Its vendor. */
  readonly vendor: string;
  /** The agent of the session, or empty. */
  readonly agent: string;
  /** The file's real path. */
  readonly path: string;
  /** How long its lock holds unless renewed, in milliseconds. */
  readonly leaseMs: number;
  /** The time, in milliseconds since 1970. */
  readonly nowMs: number;
  /** Whether a process is one of those that started this one. */
  readonly startedUs: (pid: number, start: string) => boolean;
}

const FIND = `SELECT s.llm_vendor AS vendor, s.pid, s.process_start AS start,
    s.active_files AS files, l.token, l.prefix
  FROM session_registry AS s JOIN file_locks AS l ON l.session_id = s.session_id
  WHERE s.session_id = ?1 AND s.status = 'active'
    AND l.file_path = ?2 AND l.agent_id = ?3 AND l.kind = 'file'`;

// Whose prefix is the file's or one above it may overlap it: locks.ts.
const RENEW = `UPDATE file_locks SET expires_at = max(expires_at, ?1)
  WHERE token = ?2 AND session_id = ?3
    AND NOT EXISTS (SELECT 1 FROM file_locks
      WHERE prefix IN (SELECT value FROM json_each(?4)) AND session_id <> ?3)
    AND NOT EXISTS (SELECT 1 FROM file_locks WHERE prefix IS NULL)
    AND NOT EXISTS (SELECT 1 FROM file_touches
      WHERE path = ?5 AND session_id <> ?3 AND touched_at >=
        (SELECT json_extract(value, '$.atMs') FROM session_notes
         WHERE session_id = ?3 AND key = 'read:' || ?5))
    AND (SELECT compatible_from FROM _schema_version) <= ${SCHEMA_VERSION}`;

const BEAT = `UPDATE session_registry
  SET heartbeat_at = strftime('%Y-%m-%dT%H:%M:%fZ', ?1 / 1000.0, 'unixepoch')
  WHERE session_id = ?2 AND status = 'active' AND pid IS ?3`;

/** Renews the lock if that is all there is to do; returns whether it was. */
export function renewQuickly(db: Database, edit: QuickEdit): boolean {
  const { session, path, nowMs } = edit;
  const row = db.prepare(FIND).get(session, path, edit.agent);
  if (row === undefined || row.vendor !== edit.vendor) return false;
  if (!String(row.files).includes(JSON.stringify(path))) return false;
  if (
    row.pid !== null && !edit.startedUs(Number(row.pid), String(row.start))
  ) return false;
  db.prepare("BEGIN IMMEDIATE").run();
  const renewed = db.prepare(RENEW).run(
        nowMs + edit.leaseMs,
        row.token,
        session,
        JSON.stringify(prefixesOf(String(row.prefix))),
        path,
      ).changes === 1 &&
    db.prepare(BEAT).run(nowMs, session, row.pid).changes === 1;
  db.prepare(renewed ? "COMMIT" : "ROLLBACK").run();
  return renewed;
}

/** A prefix and all above it. */
function prefixesOf(prefix: string): string[] {
  const all = [prefix, "/"];
  for (let end = prefix.length; end > 0;) {
    end = prefix.lastIndexOf("/", end - 1);
    if (end > 0) all.push(prefix.slice(0, end));
  }
  return all;
}
