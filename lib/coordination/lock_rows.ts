/**
 * The rows of locks and waiters.
 *
 * A named resource has the kind `file` in its row, as a name is one thing and
 * every schema knows that kind. Its path is told by the `@`: no absolute path
 * begins with it.
 *
 * @module
 */

import { foldPrefix } from "../glob.ts";
import { type Reach, tryReachOf } from "../lock_overlap.ts";
import {
  isName,
  type LockKind,
  type LockTarget,
  lockTarget,
} from "../lock_target.ts";
import type { Hold, LockRequest, LockType } from "../locks.ts";
import { isAtOrBelow } from "../path_text.ts";
import type { FileScope, LockQuery, OthersFile } from "../store.ts";
import type { Columns } from "./columns.ts";
import { parseFiles } from "./registry.ts";

/** What the row of a hold says. */
export function toHold(row: Columns, nowMs: number): Hold {
  const expiresMs = Number(row.expires_at);
  return {
    token: Number(row.token),
    kind: kindOf(row),
    path: String(row.file_path),
    type: row.lock_type as LockType,
    session: String(row.session_id),
    ...(row.agent_id !== "" && { agent: String(row.agent_id) }),
    vendor: String(row.llm_vendor),
    ...(row.task_id !== null && { task: String(row.task_id) }),
    ...(row.why !== null && { why: String(row.why) }),
    since: String(row.locked_at),
    expiresAt: new Date(expiresMs).toISOString(),
    overdue: expiresMs <= nowMs,
    holds: Number(row.holds),
    ...(row.project_id !== null && { project: String(row.project_id) }),
    ...(row.worktree !== null && { worktree: String(row.worktree) }),
    covers: {
      disk: String(row.extent),
      ...(row.repo_extent !== null && { repository: String(row.repo_extent) }),
      foldsCase: row.folds_case === 1,
    },
  };
}

/** What a waiter asked for, as its row says. */
export function toRequest(row: Columns): LockRequest {
  const extent = (text: unknown, prefix: unknown) =>
    text === null ? undefined : { text: String(text), prefix: String(prefix) };
  const target: LockTarget = {
    kind: kindOf(row),
    path: String(row.file_path),
    disk: extent(row.extent, row.prefix)!,
    repository: extent(row.repo_extent, row.repo_prefix),
    foldsCase: row.folds_case === 1,
    project: row.project_id === null ? undefined : String(row.project_id),
    worktree: row.worktree === null ? undefined : String(row.worktree),
  };
  return {
    session: String(row.session_id),
    agent: String(row.agent_id),
    target,
    type: row.lock_type as LockType,
    leaseMs: Number(row.lease_ms),
    why: row.why === null ? undefined : String(row.why),
    takeOver: false,
    wait: true,
    alongside: JSON.parse(String(row.alongside)),
    upgrades: row.upgrades === null ? undefined : Number(row.upgrades),
  };
}

/** Whether a hold is of the project that is asked for, or lies below. */
export function isListed(
  { project, below }: Pick<LockQuery, "project" | "below">,
  hold: Pick<Hold, "project" | "path" | "kind" | "worktree">,
): boolean {
  // A name lies where its worktree does.
  const place = hold.kind === "name" ? hold.worktree ?? "" : hold.path;
  return project === null || hold.project === undefined ||
    hold.project === project ||
    below !== undefined && isAtOrBelow(place, below);
}

/**
 * What a hold or waiter covers, as its row says; undefined if another program
 * wrote what is no path.
 */
export function reachOfRow(row: Columns): Reach | undefined {
  return tryReachOf({
    kind: kindOf(row),
    disk: String(row.extent),
    repository: textOf(row.repo_extent),
    foldsCase: row.folds_case === 1,
    worktree: textOf(row.worktree),
    project: textOf(row.project_id),
  });
}

function textOf(column: unknown): string | undefined {
  return column === null || column === undefined ? undefined : String(column);
}

function kindOf(row: Columns): LockKind {
  return isName(String(row.file_path)) ? "name" : row.kind as LockKind;
}

/** The columns kind to project_id of a target. */
export function targetValues(target: LockTarget): (string | number | null)[] {
  return [
    target.kind === "name" ? "file" : target.kind,
    target.disk.text,
    target.disk.prefix,
    target.repository?.text ?? null,
    target.repository?.prefix ?? null,
    target.foldsCase ? 1 : 0,
    target.worktree ?? null,
    target.project ?? null,
  ];
}

/** What the path means that another program wrote into a row. */
export function foreignTarget(path: string): LockTarget {
  try {
    return lockTarget(path, "/");
  } catch (error) {
    // Whatever was written there stands for itself and meets nothing.
    void error;
    const extent = { text: "/\u0001", prefix: "/\u0001" };
    return { kind: "file", path, disk: extent, foldsCase: false };
  }
}

/** The columns of a hold that {@linkcode toOthersFiles} reads, beside its session. */
export const OTHERS_COLUMNS =
  "file_path, kind, lock_type, expires_at, extent, folds_case, worktree, project_id";

/** Folders as that with which the folded prefix of all below them begins. */
export function foldersBelow(folders: readonly string[]): string[] {
  return folders.map((folder) => `${foldPrefix(folder).replace(/\/+$/, "")}/`);
}

/** The held files, then the active ones that their session does not hold. */
export function toOthersFiles(
  held: readonly Columns[],
  active: readonly Columns[],
  scope: FileScope,
): OthersFile[] {
  const files = held.map(toHeld);
  const isHeld = new Set(
    files.map(({ session, path }) => `${session} ${path}`),
  );
  for (const row of active) {
    const session = String(row.session_id);
    const project = row.project_id === null
      ? undefined
      : String(row.project_id);
    const isOfProject = scope.project === null || project === undefined ||
      project === scope.project;
    for (const path of parseFiles(row.active_files)) {
      const concerns = isOfProject ||
        scope.folders.some((folder) => isAtOrBelow(path, folder));
      if (!concerns || isHeld.has(`${session} ${path}`)) continue;
      files.push({
        path,
        session,
        kind: "file",
        disk: path,
        foldsCase: false,
        ...(project !== undefined && { project }),
      });
    }
  }
  return files;
}

function toHeld(row: Columns): OthersFile {
  return {
    path: String(row.file_path),
    session: String(row.session_id),
    kind: row.kind as LockKind,
    type: row.lock_type as LockType,
    since: String(row.locked_at),
    expiresAtMs: Number(row.expires_at),
    // A row of another program has none yet.
    disk: String(row.extent ?? row.file_path),
    foldsCase: row.folds_case === 1,
    ...(row.worktree !== null && { worktree: String(row.worktree) }),
    ...(row.project_id !== null && { project: String(row.project_id) }),
  };
}
