/**
 * The fast path of an edit's lock, for an active session with no other session near.
 * It renews the file's lease or takes its lock, and writes the session's heartbeat,
 * with a few statements.
 *
 * ```text
 *  session at work, its process ours ──▶ holds the file ──▶ renews its lease
 *                                    └─▶ holds a file beside it ──▶ takes the lock
 * ```
 *
 * - A file is stale if another session or agent changed it after the agent read it.
 *   The notes of that are those of `hooks/edits.ts`.
 * - A new lock takes its path set from a lock in the same folder. That has the same
 *   worktree, and spells the folder's name the same.
 * - The fast path wakes no process. So it takes no lock while a session waits for one
 *   or watches the locks.
 *
 * In any other case it changes nothing and returns false, and the caller takes the
 * slow path: the rule `guardEdit` (rules/edits.ts). A test compares both.
 *
 * @module
 */

import { prefixesAbove } from "../rules/prefixes.ts";
import { isoDate } from "./date_text.ts";
import type { Database, Row } from "./driver.ts";
import { SCHEMA_VERSION } from "./schema_version.ts";

/** An edit of one file. */
export interface FastEdit {
  /** The session's id. */
  readonly session: string;
  /** The vendor of the session. */
  readonly vendor: string;
  /** The agent of the session, or empty. */
  readonly agent: string;
  /** The file's real path. */
  readonly path: string;
  /** Lease duration of the lock, in milliseconds. */
  readonly leaseMs: number;
  /** Maximum number of locks of a session. */
  readonly locksMax: number;
  /** The time, in milliseconds since 1970. */
  readonly nowMs: number;
  /** Returns the session's active files after the edit; undefined if unchanged. */
  readonly activeFiles: (
    before: readonly string[],
  ) => readonly string[] | undefined;
  /** Returns whether a process is an ancestor of this one. */
  readonly isAncestor: (pid: number, start: string) => boolean;
  /** Returns the key of the file's name in its folder; undefined if unsure. */
  readonly keyOfName: () => string | undefined;
}

// The plus keeps SQLite to the path's index, because a session may hold many locks.
const FIND = `SELECT s.llm_vendor AS vendor, s.pid, s.process_start AS start,
    s.active_files AS files, s.project_id AS project, l.token, l.prefix
  FROM session_registry AS s LEFT JOIN file_locks AS l
    ON +l.session_id = s.session_id AND l.file_path = ?2
      AND l.agent_id = ?3 AND l.kind = 'file'
  WHERE s.session_id = ?1 AND s.status = 'active'
    AND s.activity = 'working'`;

// An expired lock may be older than the folder's repository.
const NEIGHBOUR = `SELECT extent, prefix, repo_extent, repo_prefix, worktree,
    project_id
  FROM file_locks
  WHERE session_id = ?1 AND kind = 'file' AND folds_case = 0
    AND expires_at > ?2 AND substr(file_path, 1, length(?3)) = ?3
    AND instr(substr(file_path, length(?3) + 1), '/') = 0
  LIMIT 1`;

// For the session ?1, the path ?2 and the agent ?5. The schema is compatible, and no row
// of another program is incomplete. No other session or agent has changed the file after
// the agent read it.
const READ_AT = `(SELECT json_extract(value, '$.atMs') FROM session_notes
  WHERE session_id = ?1 AND key = 'read:' || ?5 || ':' || ?2)`;
const IS_ORDINARY = `NOT EXISTS (SELECT 1 FROM file_locks WHERE prefix IS NULL)
    AND NOT EXISTS (SELECT 1 FROM file_touches
      WHERE path = ?2 AND session_id <> ?1 AND touched_at >= ${READ_AT})
    AND NOT EXISTS (SELECT 1 FROM session_notes
      WHERE session_id = ?1 AND key = 'changed:' || ?2
        AND json_extract(value, '$.agent') <> ?5
        AND json_extract(value, '$.atMs') >= ${READ_AT})
    AND (SELECT compatible_from FROM _schema_version) <= ${SCHEMA_VERSION}`;

// A lock may overlap the file if its prefix is the file's or one above it.
const RENEW = `UPDATE file_locks SET expires_at = max(expires_at, ?3)
  WHERE token = ?4 AND session_id = ?1
    AND NOT EXISTS (SELECT 1 FROM file_locks
      WHERE prefix IN (SELECT value FROM json_each(?6)) AND session_id <> ?1)
    AND ${IS_ORDINARY}`;

const NEXT_TOKEN =
  "UPDATE counters SET value = value + 1 WHERE name = 'fencing' RETURNING value";

// Also excludes other locks of the session itself.
const TAKE = `INSERT INTO file_locks
    (token, file_path, session_id, lock_type, locked_at, agent_id, kind, extent,
     prefix, repo_extent, repo_prefix, folds_case, worktree, project_id,
     expires_at)
  SELECT ?3, ?2, ?1, 'advisory', ${
  isoDate("?4")
}, ?5, 'file', ?6, ?7, ?8, ?9, 0, ?10, ?11, ?12
  WHERE NOT EXISTS (SELECT 1 FROM file_locks
      WHERE prefix IN (SELECT value FROM json_each(?13)))
    AND NOT EXISTS (SELECT 1 FROM file_locks
      WHERE repo_prefix IN (SELECT value FROM json_each(?14)))
    AND NOT EXISTS (SELECT 1 FROM lock_waiters WHERE token IS NULL)
    AND NOT EXISTS (SELECT 1 FROM bell_interests WHERE channel = '@locks')
    AND (SELECT count(*) FROM file_locks WHERE session_id = ?1) < ?15
    AND ${IS_ORDINARY}`;

const BEAT = `UPDATE session_registry
  SET heartbeat_at = ${isoDate("?1")}, active_files = coalesce(?2, active_files)
  WHERE session_id = ?3 AND status = 'active' AND pid IS ?4`;

/**
 * Takes or renews the lock of an edit on the fast path. Returns false, with nothing
 * changed, if the slow path must decide.
 *
 * @throws If the database is busy or fails.
 */
export function guardEditFast(db: Database, edit: FastEdit): boolean {
  const { session, path, nowMs } = edit;
  const row = db.prepare(FIND).get(session, path, edit.agent);
  if (row === undefined || row.vendor !== edit.vendor) return false;
  const before: unknown = JSON.parse(String(row.files));
  if (!Array.isArray(before)) return false;
  if (
    row.pid !== null && !edit.isAncestor(Number(row.pid), String(row.start))
  ) return false;
  const lock = row.token === null ? newLock(db, edit, row) : undefined;
  if (row.token === null && lock === undefined) return false;
  const files = edit.activeFiles(before);
  db.prepare("BEGIN IMMEDIATE").run();
  const isHeld = lock === undefined
    ? renew(db, edit, row)
    : take(db, edit, lock);
  const isDone = isHeld &&
    db.prepare(BEAT).run(
        nowMs,
        files === undefined ? null : JSON.stringify(files),
        session,
        row.pid,
      ).changes === 1;
  db.prepare(isDone ? "COMMIT" : "ROLLBACK").run();
  return isDone;
}

function renew(db: Database, edit: FastEdit, row: Row): boolean {
  return db.prepare(RENEW).run(
    edit.session,
    edit.path,
    edit.nowMs + edit.leaseMs,
    row.token,
    edit.agent,
    atOrAbove(String(row.prefix)),
  ).changes === 1;
}

/** The path set of a new lock, as text. */
interface NewLock {
  readonly extent: string;
  readonly prefix: string;
  readonly repository: string | null;
  readonly repositoryPrefix: string | null;
  readonly worktree: string | null;
  readonly project: string | null;
}

function take(db: Database, edit: FastEdit, lock: NewLock): boolean {
  const token = Number(db.prepare(NEXT_TOKEN).get()!.value);
  const { repositoryPrefix } = lock;
  return db.prepare(TAKE).run(
    edit.session,
    edit.path,
    token,
    edit.nowMs,
    edit.agent,
    lock.extent,
    lock.prefix,
    lock.repository,
    repositoryPrefix,
    lock.worktree,
    lock.project,
    edit.nowMs + edit.leaseMs,
    atOrAbove(lock.prefix),
    repositoryPrefix === null ? "[]" : atOrAbove(repositoryPrefix),
    edit.locksMax,
  ).changes === 1;
}

/** Returns the path set of the file: that of a neighbour, with the file's name. */
function newLock(
  db: Database,
  edit: FastEdit,
  session: Row,
): NewLock | undefined {
  const folder = edit.path.slice(0, edit.path.lastIndexOf("/") + 1);
  const row = db.prepare(NEIGHBOUR).get(edit.session, edit.nowMs, folder);
  const name = row === undefined ? undefined : edit.keyOfName();
  if (row === undefined || name === undefined) return undefined;
  const beside = (neighbour: unknown, name: string): string => {
    const text = String(neighbour);
    return text.slice(0, text.lastIndexOf("/") + 1) + name;
  };
  const folded = name.toLowerCase();
  const isShared = row.repo_extent !== null;
  return {
    extent: beside(row.extent, name),
    prefix: beside(row.prefix, folded),
    repository: isShared ? beside(row.repo_extent, name) : null,
    repositoryPrefix: isShared ? beside(row.repo_prefix, folded) : null,
    worktree: row.worktree as string | null,
    // A file outside of a repository is in the session's project.
    project: (row.worktree === null ? session.project : row.project_id) as
      | string
      | null,
  };
}

/** Returns a prefix and all prefixes above it, as JSON. */
function atOrAbove(prefix: string): string {
  return JSON.stringify([prefix, ...prefixesAbove(prefix)]);
}
