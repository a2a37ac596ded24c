/**
 * The rows of locks and waiters.
 *
 * A named resource has the kind `file` in its row, because every schema knows that
 * kind. Its path begins with `@`, as no absolute path does.
 *
 * @module
 */

import { lockTarget } from "../path/lock_target.ts";
import {
  type Hold,
  isName,
  type LockKind,
  type LockRequest,
  type LockTarget,
  type LockType,
} from "../model/lock.ts";
import { nameOf } from "../model/session.ts";
import type { Columns } from "./columns.ts";

/** Returns the hold of a row. */
export function toHold(row: Columns, nowMs: number): Hold {
  const expiresMs = Number(row.expires_at);
  return {
    token: Number(row.token),
    kind: kindOf(row),
    path: String(row.file_path),
    type: row.lock_type as LockType,
    session: String(row.session_id),
    name: nameInRow(row),
    ...(row.agent_id !== "" && { agent: String(row.agent_id) }),
    vendor: String(row.llm_vendor),
    ...(row.task_id !== null && { task: String(row.task_id) }),
    ...(row.why !== null && { why: String(row.why) }),
    since: String(row.locked_at),
    expiresAt: new Date(expiresMs).toISOString(),
    overdue: expiresMs <= nowMs,
    count: Number(row.holds),
    ...(row.project_id !== null && { project: String(row.project_id) }),
    ...(row.worktree !== null && { worktree: String(row.worktree) }),
    pathSets: {
      disk: String(row.extent),
      ...(row.repo_extent !== null && { repository: String(row.repo_extent) }),
      foldsCase: row.folds_case === 1,
    },
  };
}

/** Returns the name of a session whose columns a row has. */
export function nameInRow(row: Columns): string {
  const name = row.session_name;
  return nameOf({
    id: String(row.session_id),
    vendor: String(row.llm_vendor),
    ...(typeof name === "string" && name !== "" && { name }),
  });
}

/** Returns the request of a waiter's row. */
export function toRequest(row: Columns): LockRequest {
  const pathSet = (text: unknown, prefix: unknown) =>
    text === null ? undefined : { text: String(text), prefix: String(prefix) };
  const target: LockTarget = {
    kind: kindOf(row),
    path: String(row.file_path),
    disk: pathSet(row.extent, row.prefix)!,
    repository: pathSet(row.repo_extent, row.repo_prefix),
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
    actingFor: JSON.parse(String(row.alongside)),
    upgrades: row.upgrades === null ? undefined : Number(row.upgrades),
  };
}

function kindOf(row: Columns): LockKind {
  return isName(String(row.file_path)) ? "name" : row.kind as LockKind;
}

/** Returns the values of a target's columns, from `kind` to `project_id`. */
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

/** Returns the target of a path that another program wrote into a row. */
export function foreignTarget(path: string): LockTarget {
  try {
    return lockTarget(path, "/");
  } catch (error) {
    // An invalid path has a path set that overlaps no lock.
    void error;
    const pathSet = { text: "/\u0001", prefix: "/\u0001" };
    return { kind: "file", path, disk: pathSet, foldsCase: false };
  }
}
