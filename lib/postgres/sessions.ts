/**
 * The session registry in PostgreSQL.
 *
 * Coming, changing between active and idle, and ending are announced on the
 * `heartbeat` channel in the same transaction. A mere sign of life is not: it
 * is one statement that waits for nobody but who writes the same row.
 *
 * Who gets which id stands in coordination/registry.ts.
 *
 * @module
 */

import {
  freeId,
  incarnationIds,
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
import { hostId, mayShareDisk } from "../host.ts";
import { keeperText } from "../keeper.ts";
import {
  type Session,
  type SessionChange,
  type SessionStart,
  STALE_AFTER_MS,
} from "../sessions.ts";
import type { FileScope, OthersFiles } from "../store.ts";
import { arrayText, type Queryable, type Row } from "./connection.ts";
import { storable } from "./text.ts";
import { isoTime } from "./times.ts";
import type { Transaction } from "./transaction.ts";

/** The columns of the registry's row under an alias, as `toSession` reads them. */
function columnsOf(alias: string): string {
  const registered = `coalesce(${alias}.registered_at, ${alias}.heartbeat_at)`;
  return `${
    [
      "session_id",
      "llm_vendor",
      "llm_model",
      "tty",
      "pid",
      "project_id",
      "task_id",
      "active_files",
      "status",
      "host",
      "process_start",
      "keeper",
      "worktree",
      "branch",
      "ended_at",
    ].map((column) => `${alias}.${column}`).join(", ")
  },
    ${isoTime(registered)} AS registered_at,
    ${isoTime(`${alias}.heartbeat_at`)} AS heartbeat_at`;
}

const FROM_SESSIONS = `SELECT ${columnsOf("s")} FROM session_registry AS s`;

/** All that stand under the ids of a session's incarnations, by id. */
export async function incarnationsOf(
  connection: Queryable,
  id: string,
): Promise<Map<string, Session>> {
  const rows = await connection.all(
    `${FROM_SESSIONS} WHERE s.session_id = ANY($1::text[])`,
    [arrayText([...incarnationIds(id)])],
  );
  return new Map(rows.map(toSession).map((session) => [session.id, session]));
}

/**
 * Registers a session, and announces that it came unless it was there.
 *
 * @param found The session's incarnations.
 */
export async function insertSession(
  tx: Transaction,
  start: SessionStart,
  found: ReadonlyMap<string, Session>,
): Promise<Session> {
  const id = freeId(start, (id) => found.get(id), tx.nowMs);
  const before = found.get(id);
  const row = await tx.connection.get(
    `INSERT INTO session_registry AS s
       (session_id, llm_vendor, llm_model, tty, pid, project_id, task_id,
        active_files, heartbeat_at, registered_at, status, host, process_start,
        keeper, worktree, branch, ended_at)
     VALUES ($1, $2, $3, $4, $5::bigint, $6, $7, '[]',
       to_timestamp($8::bigint / 1000.0), to_timestamp($8::bigint / 1000.0),
       'active', $9, $10, $11, $12, $13, NULL)
     ON CONFLICT (session_id) DO UPDATE SET
       llm_vendor = excluded.llm_vendor,
       llm_model = coalesce(excluded.llm_model, s.llm_model),
       tty = excluded.tty, pid = excluded.pid,
       project_id = excluded.project_id,
       task_id = coalesce(excluded.task_id, s.task_id),
       heartbeat_at = excluded.heartbeat_at, status = 'active',
       host = excluded.host, process_start = excluded.process_start,
       keeper = excluded.keeper,
       worktree = excluded.worktree, branch = excluded.branch,
       ended_at = NULL
     RETURNING ${columnsOf("s")}`,
    [
      id,
      start.vendor,
      storable(start.model),
      storable(start.tty),
      start.pid ?? null,
      storable(start.project),
      storable(start.task),
      tx.nowMs,
      hostId(),
      start.processStart ?? null,
      storable(keeperText(start.keeper)),
      storable(start.worktree),
      storable(start.branch),
    ],
  );
  const session = toSession(row!);
  const wasThere = before !== undefined && before.status !== "terminated" &&
    isSameProcess(before, start);
  if (!wasThere) await tx.append(newsOf(session, "came"));
  return session;
}

/** Changes what a session says of itself. */
export async function updateSession(
  tx: Transaction,
  id: string,
  change: SessionChange,
): Promise<Session> {
  const row = await tx.connection.get(
    `UPDATE session_registry AS s SET
       heartbeat_at = to_timestamp($1::bigint / 1000.0),
       status = CASE WHEN s.status = 'terminated' THEN s.status
         ELSE coalesce($2, s.status) END,
       llm_model = coalesce($3, s.llm_model),
       task_id = CASE WHEN $4::boolean THEN $5 ELSE s.task_id END,
       active_files = coalesce($6, s.active_files),
       branch = coalesce($7, s.branch)
     FROM (SELECT session_id, status FROM session_registry
       WHERE session_id = $8 FOR UPDATE) AS before
     WHERE s.session_id = before.session_id
     RETURNING ${columnsOf("s")}, before.status AS status_before`,
    [
      tx.nowMs,
      change.status ?? null,
      storable(change.model),
      change.task !== undefined,
      storable(change.task),
      change.activeFiles === undefined
        ? null
        : JSON.stringify(change.activeFiles),
      storable(change.branch),
      id,
    ],
  );
  if (row === undefined) {
    throw new UnknownSessionError(`update session "${id}"`, id);
  }
  const session = toSession(row);
  const { status: before } = toSession({ ...row, status: row.status_before });
  if (session.status !== before) {
    await tx.append(newsOf(session, session.status));
  }
  return session;
}

// Sessions that one step announces as stale at the most.
const STALE_TOLD_MAX = 20;
const STALE_NOTE = "@stale";

/**
 * Announces those that gave no sign of life for a while, each once until it
 * gives one: the note says of which silence that was. Foreign writers, who
 * never give any, are passed over.
 */
export async function announceStale(tx: Transaction): Promise<void> {
  const rows = await tx.connection.all(
    `${FROM_SESSIONS}
     WHERE s.heartbeat_at < to_timestamp($1::bigint / 1000.0)
       AND s.status IS DISTINCT FROM 'terminated' AND s.llm_vendor <> 'unknown'
       AND NOT EXISTS (SELECT 1 FROM session_notes AS n
         WHERE n.session_id = s.session_id AND n.key = '${STALE_NOTE}'
           AND n.value = ${isoTime("s.heartbeat_at")})
     LIMIT ${STALE_TOLD_MAX}`,
    [tx.nowMs - STALE_AFTER_MS],
  );
  for (const session of rows.map(toSession)) {
    // Whoever looks at it next buries it.
    if (lifeOf(session) === "dead") continue;
    await tx.append(newsOf(session, "stale"));
    await tx.connection.run(
      `INSERT INTO session_notes(session_id, key, value, changed_at)
       VALUES ($1, '${STALE_NOTE}', $2, $3)
       ON CONFLICT (session_id, key) DO UPDATE SET
         value = excluded.value, changed_at = excluded.changed_at`,
      [session.id, session.heartbeatAt, tx.nowMs],
    );
  }
}

/**
 * Marks a session as ended, if it has not ended yet, and announces it.
 *
 * @throws {UnknownSessionError} If there is no such session.
 */
export async function markEnded(
  tx: Transaction,
  id: string,
  event: string,
): Promise<void> {
  const row = await tx.connection.get(
    `UPDATE session_registry AS s SET status = 'terminated',
       ended_at = CASE WHEN before.status = 'terminated' THEN s.ended_at
         ELSE $2::bigint END,
       active_files = '[]'
     FROM (SELECT session_id, status FROM session_registry
       WHERE session_id = $1 FOR UPDATE) AS before
     WHERE s.session_id = before.session_id
     RETURNING ${columnsOf("s")}, before.status AS status_before`,
    [id, tx.nowMs],
  );
  if (row === undefined) {
    throw new UnknownSessionError(`end session "${id}"`, id);
  }
  if (row.status_before !== "terminated") {
    await tx.append(newsOf(toSession(row), event));
  }
}

/** The session with exactly this id. */
export async function findSession(
  connection: Queryable,
  id: string,
): Promise<Session | undefined> {
  const row = await connection.get(
    `${FROM_SESSIONS} WHERE s.session_id = $1`,
    [id],
  );
  return row === undefined ? undefined : toSession(row);
}

/**
 * The session that a text means: its id, a beginning of it that no other has,
 * or its short name. Those that run come before those that ended.
 *
 * @throws {UnknownSessionError} If it means none, or several.
 */
export async function resolveSession(
  connection: Queryable,
  act: string,
  text: string,
): Promise<Session> {
  const exact = await findSession(connection, text);
  if (exact !== undefined) return exact;
  const rows = await connection.all(
    `${FROM_SESSIONS} WHERE s.status IS DISTINCT FROM 'terminated'
       OR starts_with(s.session_id, $1)`,
    [text],
  );
  return meantBy(text, rows.map(toSession), act);
}

/** The sessions, those that registered first first. */
export async function listSessions(
  connection: Queryable,
  filter: { readonly project: string | null; readonly ended: boolean },
): Promise<Session[]> {
  const rows = await connection.all(
    `${FROM_SESSIONS}
     WHERE ($1::text IS NULL OR s.project_id IS NULL OR s.project_id = $1)
       AND ($2 OR s.status IS DISTINCT FROM 'terminated')
     ORDER BY coalesce(s.registered_at, s.heartbeat_at), s.seq`,
    [filter.project, filter.ended],
  );
  return rows.map(toSession);
}

/** Whether a file that a session of a row's host names may be on this disk. */
export function isOnDisk({ host }: Row): boolean {
  return mayShareDisk(host === null ? null : String(host));
}

// A prefix is a lock's literal beginning, case folded, so the folders are, too.
const HELD = `SELECT session_id, host, ${isoTime("locked_at")} AS locked_at,
    ${OTHERS_COLUMNS}
  FROM file_locks LEFT JOIN
    (SELECT session_id, host FROM session_registry) AS s USING (session_id)
  WHERE session_id <> $1 AND file_path NOT LIKE '@%'
    AND ($2::text IS NULL OR project_id IS NULL OR project_id = $2
      OR EXISTS (SELECT 1 FROM unnest($4::text[]) AS folder WHERE
        starts_with(coalesce(prefix, file_path) || '/', folder)
        OR kind <> 'file' AND starts_with(folder, rtrim(prefix, '/') || '/')))
  ORDER BY kind = 'file', token DESC LIMIT $3`;

const ACTIVE = `SELECT session_id, active_files, project_id, host
  FROM session_registry
  WHERE session_id <> $1 AND status IS DISTINCT FROM 'terminated'
    AND active_files NOT IN ('', '[]')
  ORDER BY ($2::text IS NULL OR project_id IS NULL OR project_id = $2) DESC,
    heartbeat_at DESC LIMIT $3`;

const STANDING = `SELECT
  EXISTS (SELECT 1 FROM file_locks WHERE session_id = $1) AS holder,
  NOT EXISTS (SELECT 1 FROM session_registry
    WHERE session_id <> $1 AND status IS DISTINCT FROM 'terminated') AS alone`;

/** The files of this disk that other sessions hold or show as active. */
export async function othersFiles(
  connection: Queryable,
  session: string,
  scope: FileScope,
  limit: number,
): Promise<OthersFiles> {
  const { project, folders } = scope;
  const below = arrayText(foldersBelow(folders));
  const [held, active, standing] = await Promise.all([
    connection.all(HELD, [session, project, limit, below]),
    connection.all(ACTIVE, [session, project, limit]),
    connection.get(STANDING, [session]),
  ]);
  const files = toOthersFiles(
    held.filter(isOnDisk),
    active.filter(isOnDisk),
    scope,
  );
  return {
    files: files.slice(0, limit),
    isAlone: standing?.alone === true,
    isHolder: standing?.holder === true,
  };
}
