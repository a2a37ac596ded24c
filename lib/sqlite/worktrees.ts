/**
 * The sessions that work in a folder or worktree, in SQLite: their changes and
 * their branch.
 *
 * @module
 */

import { branchNews, type MovedSession } from "../coordination/branches.ts";
import { rangeBelow } from "../coordination/precedence.ts";
import type { BranchMove, FolderQuery, FolderTouch } from "../store.ts";
import { buryIfDead, JUDGED } from "./liveness.ts";
import type { Transaction } from "./transaction.ts";

/** The changes below a folder by other sessions that run, latest first. */
export function touchesBelow(
  tx: Transaction,
  { folder, session, sinceMs, limit }: FolderQuery,
): FolderTouch[] {
  const rows = tx.connection.sql(
    `SELECT t.path, t.touched_at, ${
      JUDGED.split(", ").map((column) => `s.${column}`).join(", ")
    }, s.llm_vendor
     FROM file_touches AS t JOIN session_registry AS s USING (session_id)
     WHERE t.path > ? AND t.path < ? AND t.touched_at >= ?
       AND t.session_id <> ? AND s.status IS NOT 'terminated'
     ORDER BY t.touched_at DESC, t.path LIMIT 0 + ?`,
  ).all(...rangeBelow(folder), sinceMs, session, limit);
  const dead = new Map<string, boolean>();
  return rows.filter((row) => {
    const id = String(row.session_id);
    const isDead = dead.get(id) ?? buryIfDead(tx, row);
    dead.set(id, isDead);
    return !isDead;
  }).map((row) => ({
    path: String(row.path),
    session: String(row.session_id),
    vendor: String(row.llm_vendor),
    touchedAtMs: Number(row.touched_at),
  }));
}

/** Notes the branch of a worktree, and tells sessions whose row had another. */
export function moveBranch(tx: Transaction, move: BranchMove): boolean {
  const { worktree, branch } = move;
  const rows = tx.connection.sql(
    `SELECT session_id, branch, project_id FROM session_registry
     WHERE worktree = ? AND branch IS NOT ? AND status IS NOT 'terminated'
     ORDER BY session_id`,
  ).all(worktree, branch);
  if (rows.length === 0) return false;
  tx.connection.sql(
    `UPDATE session_registry SET branch = ?2
     WHERE worktree = ?1 AND branch IS NOT ?2 AND status IS NOT 'terminated'`,
  ).run(worktree, branch);
  const moved = rows.map((row): MovedSession => ({
    id: String(row.session_id),
    was: row.branch === null ? undefined : String(row.branch),
    project: row.project_id === null ? undefined : String(row.project_id),
  }));
  for (const message of branchNews(move, moved)) tx.append(message);
  return true;
}
