/**
 * The sessions that work in a folder or worktree, in PostgreSQL: their changes
 * and their branch, on this host's disk only.
 *
 * @module
 */

import { branchNews, type MovedSession } from "../coordination/branches.ts";
import { rangeBelow } from "../coordination/precedence.ts";
import type { BranchMove, FolderQuery, FolderTouch } from "../store.ts";
import { arrayText, type Queryable, type Row } from "./connection.ts";
import { buryDead, deadAmong } from "./liveness.ts";
import type { Look } from "./locks.ts";
import { isOnDisk } from "./sessions.ts";
import { storable } from "./text.ts";
import type { Transaction } from "./transaction.ts";

/** The changes below a folder by other sessions that run, latest first. */
export async function touchesBelow(
  connection: Queryable,
  query: FolderQuery,
): Promise<Look<readonly FolderTouch[]>> {
  const rows = await touchRows(connection, query);
  const dead = await deadAmong(connection, sessionsOf(rows));
  return {
    found: rows.filter((row) => !dead.includes(String(row.session_id)))
      .map((row) => ({
        path: String(row.path),
        session: String(row.session_id),
        vendor: String(row.llm_vendor),
        touchedAtMs: Number(row.touched_at),
      })),
    stale: dead.length > 0,
  };
}

/** Ends the sessions with changes below a folder whose process is dead. */
export async function endDeadBelow(
  tx: Transaction,
  query: FolderQuery,
): Promise<void> {
  await buryDead(tx, sessionsOf(await touchRows(tx.connection, query)));
}

async function touchRows(
  connection: Queryable,
  { folder, session, sinceMs, limit }: FolderQuery,
): Promise<Row[]> {
  const rows = await connection.all(
    `SELECT t.path, t.session_id, t.touched_at, s.llm_vendor, s.host
     FROM file_touches AS t JOIN session_registry AS s USING (session_id)
     WHERE t.path > $1 AND t.path < $2 AND t.touched_at >= $3
       AND t.session_id <> $4 AND s.status IS DISTINCT FROM 'terminated'
     ORDER BY t.touched_at DESC, t.path LIMIT $5`,
    [...rangeBelow(folder).map(storable), Math.ceil(sinceMs), session, limit],
  );
  return rows.filter(isOnDisk);
}

function sessionsOf(rows: readonly Row[]): string[] {
  return [...new Set(rows.map((row) => String(row.session_id)))];
}

/** Notes the branch of a worktree, and tells sessions whose row had another. */
export async function moveBranch(
  tx: Transaction,
  move: BranchMove,
): Promise<boolean> {
  const { worktree, branch } = move;
  const rows = (await tx.connection.all(
    `SELECT session_id, branch, project_id, host FROM session_registry
     WHERE worktree = $1 AND branch IS DISTINCT FROM $2
       AND status IS DISTINCT FROM 'terminated'
     ORDER BY session_id FOR UPDATE`,
    [storable(worktree), storable(branch)],
  )).filter(isOnDisk);
  if (rows.length === 0) return false;
  await tx.connection.run(
    `UPDATE session_registry SET branch = $2
     WHERE session_id = ANY($1::text[])`,
    [arrayText(sessionsOf(rows)), storable(branch)],
  );
  const moved = rows.map((row): MovedSession => ({
    id: String(row.session_id),
    was: row.branch === null ? undefined : String(row.branch),
    project: row.project_id === null ? undefined : String(row.project_id),
  }));
  for (const message of branchNews(move, moved)) await tx.append(message);
  return true;
}
