/**
 * An edit's lock where there is next to nothing to do: the session is at work, and
 * nobody else is near. Then the file's lease grows, or it gets its lock, and the
 * session has given its sign of life: a few statements.
 *
 * ```text
 *  session at work, its process ours ──▶ holds the file ──▶ its lease grows
 *                                    └─▶ holds its neighbour ──▶ takes it, too
 * ```
 *
 * - What an agent has read since another session or agent changed it is not
 *   stale: the notes are those of `hooks/edits.ts`.
 * - What a new lock covers is read off that of a file in the same folder, which
 *   the session holds: it lies in the same worktree, and the folder's name is
 *   spelled the same.
 * - Who waits for a lock, or watches what is locked, has to be told: not here.
 *
 * In any other case it changes nothing and returns false, and the caller takes the
 * slow path: the rule `guardEdit` (rules/edits.ts) decides. A test compares both.
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
  /** Its vendor. */
  readonly vendor: string;
  /** The agent of the session, or empty. */
  readonly agent: string;
  /** The file's real path. */
  readonly path: string;
  /** How long its lock holds unless renewed, in milliseconds. */
  readonly leaseMs: number;
  /** Locks the session may hold at a time. */
  readonly locksMax: number;
  /** The time, in milliseconds since 1970. */
  readonly nowMs: number;
  /** The session's active files after the edit; undefined if they stay. */
  readonly activeFiles: (
    before: readonly string[],
  ) => readonly string[] | undefined;
  /** Whether a process is one of those that started this one. */
  readonly isAncestor: (pid: number, start: string) => boolean;
  /** The file's name as what tells it apart in its folder; undefined if unsure. */
  readonly keyOfName: () => string | undefined;
}

// The plus keeps to the path's index: a session may hold a thousand locks.
const FIND = `SELECT s.llm_vendor AS vendor, s.pid, s.process_start AS start,
    s.active_files AS files, s.project_id AS project, l.token, l.prefix
  FROM session_registry AS s LEFT JOIN file_locks AS l
    ON +l.session_id = s.session_id AND l.file_path = ?2
      AND l.agent_id = ?3 AND l.kind = 'file'
  WHERE s.session_id = ?1 AND s.status = 'active'`;

// An expired one may be from before the folder became a repository.
const NEIGHBOUR = `SELECT extent, prefix, repo_extent, repo_prefix, worktree,
    project_id
  FROM file_locks
  WHERE session_id = ?1 AND kind = 'file' AND folds_case = 0
    AND expires_at > ?2 AND substr(file_path, 1, length(?3)) = ?3
    AND instr(substr(file_path, length(?3) + 1), '/') = 0
  LIMIT 1`;

// Of the session ?1 and the path ?2: nothing of other programs is to be adopted,
// and neither another session nor another agent of this one has changed the file
// since the agent ?5 has read it.
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

// Whose prefix is the file's or one above it may overlap it: locks.ts.
const RENEW = `UPDATE file_locks SET expires_at = max(expires_at, ?3)
  WHERE token = ?4 AND session_id = ?1
    AND NOT EXISTS (SELECT 1 FROM file_locks
      WHERE prefix IN (SELECT value FROM json_each(?6)) AND session_id <> ?1)
    AND ${IS_ORDINARY}`;

const NEXT_TOKEN =
  "UPDATE counters SET value = value + 1 WHERE name = 'fencing' RETURNING value";

// Whatever else the session itself holds there makes it out of the ordinary.
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
    AND NOT EXISTS (SELECT 1 FROM lock_waiters)
    AND NOT EXISTS (SELECT 1 FROM bell_interests WHERE channel = '@locks')
    AND (SELECT count(*) FROM file_locks WHERE session_id = ?1) < ?15
    AND ${IS_ORDINARY}`;

const BEAT = `UPDATE session_registry
  SET heartbeat_at = ${isoDate("?1")}, active_files = coalesce(?2, active_files)
  WHERE session_id = ?3 AND status = 'active' AND pid IS ?4`;

/** Takes or renews the lock if that is all there is to do; returns whether it was. */
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

/** What a new lock covers, as text. */
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

/** What a lock of the file covers: as its neighbour's does, by another name. */
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
    // What lies in no repository is of the session's project.
    project: (row.worktree === null ? session.project : row.project_id) as
      | string
      | null,
  };
}

/** A prefix and all above it, as JSON. */
function atOrAbove(prefix: string): string {
  return JSON.stringify([prefix, ...prefixesAbove(prefix)]);
}
