/**
 * The session registry in SQLite.
 *
 * Who gets which id stands in coordination/registry.ts.
 *
 * Coming, changing between active and idle, falling silent and ending are
 * announced on the `heartbeat` channel in the same transaction. A mere sign of
 * life is not: it is one small write that rings nobody.
 *
 * @module
 */

import {
  freeId,
  isSameProcess,
  lifeOf,
  meantBy,
  newsOf,
  toSession,
} from "../coordination/registry.ts";
import {
  foldersBelow,
  OTHERS_COLUMNS,
  toOthersFiles,
} from "../coordination/lock_rows.ts";
import { UnknownSessionError } from "../errors.ts";
import { hostId } from "../host.ts";
import { keeperText } from "../keeper.ts";
import {
  type Session,
  type SessionChange,
  type SessionStart,
  STALE_AFTER_MS,
} from "../sessions.ts";
import type { FileScope, OthersFiles } from "../store.ts";
import type { Connection } from "./connection.ts";
import type { Transaction } from "./transaction.ts";

/** Registers a session, and announces that it came unless it was there. */
export function insertSession(tx: Transaction, start: SessionStart): Session {
  const find = (id: string) => findSession(tx.connection, id);
  const id = freeId(start, find, tx.nowMs);
  const before = find(id);
  const nowIso = new Date(tx.nowMs).toISOString();
  tx.connection.sql(
    `INSERT INTO session_registry
       (session_id, llm_vendor, llm_model, tty, pid, project_id, task_id,
        active_files, heartbeat_at, registered_at, status, host, process_start,
        keeper, worktree, branch, ended_at)
     VALUES (?, ?, ?, ?, ?, ?, ?, '[]', ?, ?, 'active', ?, ?, ?, ?, ?, NULL)
     ON CONFLICT (session_id) DO UPDATE SET
       llm_vendor = excluded.llm_vendor,
       llm_model = coalesce(excluded.llm_model, llm_model),
       tty = excluded.tty, pid = excluded.pid,
       project_id = excluded.project_id,
       task_id = coalesce(excluded.task_id, task_id),
       heartbeat_at = excluded.heartbeat_at, status = 'active',
       host = excluded.host, process_start = excluded.process_start,
       keeper = excluded.keeper,
       worktree = excluded.worktree, branch = excluded.branch,
       ended_at = NULL`,
  ).run(
    id,
    start.vendor,
    start.model ?? null,
    start.tty ?? null,
    start.pid ?? null,
    start.project,
    start.task ?? null,
    nowIso,
    nowIso,
    hostId(),
    start.processStart ?? null,
    keeperText(start.keeper),
    start.worktree ?? null,
    start.branch ?? null,
  );
  const session = requireSession(tx.connection, `register "${id}"`, id);
  const wasThere = before !== undefined && before.status !== "terminated" &&
    isSameProcess(before, start);
  if (!wasThere) tx.append(newsOf(session, "came"));
  return session;
}

/**
 * Gives a session its sign of life, with what it says of itself. The common
 * case, in which it is at work and nothing is announced, is one statement.
 */
export function beat(tx: Transaction, id: string, change: SessionChange): void {
  const { status = "active", activeFiles, model, task, branch } = change;
  const isPlain = status === "active" && model === undefined &&
    task === undefined && branch === undefined;
  const plain = isPlain && tx.connection.sql(
        `UPDATE session_registry SET heartbeat_at = ?,
       active_files = coalesce(?, active_files)
     WHERE session_id = ? AND status = 'active'`,
      ).run(
        new Date(tx.nowMs).toISOString(),
        activeFiles === undefined ? null : JSON.stringify(activeFiles),
        id,
      ).changes === 1;
  if (!plain) updateSession(tx, id, change);
}

/** Changes what a session says of itself. */
export function updateSession(
  tx: Transaction,
  id: string,
  change: SessionChange,
): Session {
  const act = `update session "${id}"`;
  const before = requireSession(tx.connection, act, id);
  tx.connection.sql(
    `UPDATE session_registry SET
       heartbeat_at = ?1,
       status = CASE WHEN status = 'terminated' THEN status ELSE coalesce(?2, status) END,
       llm_model = coalesce(?3, llm_model),
       task_id = CASE WHEN ?4 THEN ?5 ELSE task_id END,
       active_files = coalesce(?6, active_files),
       branch = coalesce(?7, branch)
     WHERE session_id = ?8`,
  ).run(
    new Date(tx.nowMs).toISOString(),
    change.status ?? null,
    change.model ?? null,
    change.task === undefined ? 0 : 1,
    change.task ?? null,
    change.activeFiles === undefined
      ? null
      : JSON.stringify(change.activeFiles),
    change.branch ?? null,
    id,
  );
  const after = requireSession(tx.connection, act, id);
  if (after.status !== before.status) tx.append(newsOf(after, after.status));
  return after;
}

// Sessions that one step announces as stale at the most.
const STALE_TOLD_MAX = 20;

/**
 * Announces those that gave no sign of life for a while, each once until it
 * gives one: the note says of which silence that was. Foreign writers, who
 * never give any, are passed over.
 */
export function announceStale(tx: Transaction): void {
  const rows = tx.connection.sql(
    `SELECT ${COLUMNS} FROM session_registry AS s
     WHERE heartbeat_at < ? AND status IS NOT 'terminated'
       AND llm_vendor <> 'unknown'
       AND NOT EXISTS (SELECT 1 FROM session_notes AS n
         WHERE n.session_id = s.session_id AND n.key = '${STALE_NOTE}'
           AND n.value = s.heartbeat_at)
     LIMIT ${STALE_TOLD_MAX}`,
  ).all(new Date(tx.nowMs - STALE_AFTER_MS).toISOString());
  for (const session of rows.map(toSession)) {
    // Whoever looks at it next buries it.
    if (lifeOf(session) === "dead") continue;
    tx.append(newsOf(session, "stale"));
    tx.connection.sql(
      `INSERT OR REPLACE INTO session_notes(session_id, key, value, changed_at)
       VALUES (?, '${STALE_NOTE}', ?, ?)`,
    ).run(session.id, session.heartbeatAt, tx.nowMs);
  }
}

const STALE_NOTE = "@stale";

/**
 * Marks a session as ended, if it has not ended yet, and announces it; returns
 * whether it had not.
 */
export function markEnded(tx: Transaction, id: string, event: string): boolean {
  const session = requireSession(tx.connection, `end session "${id}"`, id);
  if (session.status === "terminated") return false;
  tx.connection.sql(
    `UPDATE session_registry SET status = 'terminated', ended_at = ?, active_files = '[]'
     WHERE session_id = ?`,
  ).run(tx.nowMs, id);
  tx.append(newsOf(session, event));
  return true;
}

// Foreign programs may have written anything: what does not fit its column is
// read as absent.
const COLUMNS = `session_id, llm_vendor, llm_model, tty,
  pid, project_id, task_id, active_files, heartbeat_at,
  coalesce(registered_at, heartbeat_at) AS registered_at, status,
  host, process_start, keeper, worktree, branch,
  CASE WHEN typeof(ended_at) = 'integer' AND ended_at BETWEEN 0 AND 8640000000000000
    THEN ended_at END AS ended_at`;

/** The session with exactly this id. */
export function findSession(
  connection: Connection,
  id: string,
): Session | undefined {
  const row = connection.sql(
    `SELECT ${COLUMNS} FROM session_registry WHERE session_id = ?`,
  ).get(id);
  return row === undefined ? undefined : toSession(row);
}

function requireSession(
  connection: Connection,
  act: string,
  id: string,
): Session {
  const session = findSession(connection, id);
  if (session === undefined) throw new UnknownSessionError(act, id);
  return session;
}

/**
 * The session that a text means: its id, a beginning of it that no other has,
 * or its short name. Those that run come before those that ended.
 *
 * @throws {UnknownSessionError} If it means none, or several.
 */
export function resolveSession(
  connection: Connection,
  act: string,
  text: string,
): Session {
  const exact = findSession(connection, text);
  if (exact !== undefined) return exact;
  const rows = connection.sql(
    `SELECT ${COLUMNS} FROM session_registry
     WHERE status IS NOT 'terminated' OR substr(session_id, 1, length(?1)) = ?1`,
  ).all(text);
  return meantBy(text, rows.map(toSession), act);
}

/** The sessions, those that registered first first. */
export function listSessions(
  connection: Pick<Connection, "sql">,
  filter: { readonly project: string | null; readonly ended: boolean },
): Session[] {
  const rows = connection.sql(
    `SELECT ${COLUMNS} FROM session_registry
     WHERE (?1 IS NULL OR project_id IS NULL OR project_id = ?1)
       AND (?2 OR status IS NOT 'terminated')
     ORDER BY registered_at, rowid`,
  ).all(filter.project, filter.ended ? 1 : 0);
  return rows.map(toSession);
}

// A prefix is a lock's literal beginning, case folded, so the folders are, too.
const held = (kinds: string) =>
  `SELECT session_id, locked_at, ${OTHERS_COLUMNS}
  FROM file_locks
  WHERE ${kinds} AND session_id <> ?1 AND file_path NOT LIKE '@%'
    AND (?2 IS NULL OR project_id IS NULL OR project_id = ?2
      OR EXISTS (SELECT 1 FROM json_each(?4) AS folder WHERE
        substr(coalesce(prefix, file_path) || '/', 1, length(folder.value))
          = folder.value
        OR kind <> 'file' AND substr(folder.value, 1,
          length(rtrim(prefix, '/')) + 1) = rtrim(prefix, '/') || '/'))
  ORDER BY token DESC LIMIT 0 + ?3`;

// In one statement all rows would have to be sorted.
const HELD = [held("kind <> 'file'"), held("kind = 'file'")];

const ACTIVE = `SELECT session_id, active_files, project_id
  FROM session_registry
  WHERE session_id <> ?1 AND status IS NOT 'terminated'
    AND active_files NOT IN ('', '[]')
  ORDER BY (?2 IS NULL OR project_id IS NULL OR project_id = ?2) DESC,
    heartbeat_at DESC LIMIT 0 + ?3`;

const STANDING = `SELECT
  EXISTS (SELECT 1 FROM file_locks WHERE session_id = ?1) AS holder,
  NOT EXISTS (SELECT 1 FROM session_registry
    WHERE session_id <> ?1 AND status IS NOT 'terminated') AS alone`;

/** The files that other sessions hold or show as active. */
export function othersFiles(
  connection: Connection,
  session: string,
  scope: FileScope,
  limit: number,
): OthersFiles {
  const { project, folders } = scope;
  const below = JSON.stringify(foldersBelow(folders));
  const held = HELD.flatMap((sql) =>
    connection.sql(sql).all(session, project, limit, below)
  );
  const active = connection.sql(ACTIVE).all(session, project, limit);
  const { alone, holder } = connection.sql(STANDING).get(session)!;
  return {
    files: toOthersFiles(held, active, scope).slice(0, limit),
    isAlone: alone === 1,
    isHolder: holder === 1,
  };
}
