/**
 * The rows of sessions, and the liveness of a session.
 *
 * @module
 */

import { processAlive } from "../process/host.ts";
import { parseKeeper } from "../process/keeper.ts";
import type { Life, ProcessIdentity } from "../model/process.ts";
import {
  ACTIVITY_STATES,
  type ActivityState,
  type Session,
  type SessionActivity,
  type SessionStatus,
} from "../model/session.ts";
import { processOf } from "../rules/life.ts";
import type { Columns } from "./columns.ts";

/** Returns whether a session's process lives; unknown on another host. */
export function lifeOf(session: Session): Life {
  const process = processOf(session);
  return process === undefined
    ? "unknown"
    : processAlive(process, process.host);
}

/** Returns the process of a row whose column `pid` is not null. */
export function processOfRow(row: Columns): ProcessIdentity {
  const keeper = parseKeeper(row.keeper);
  return {
    pid: Number(row.pid),
    startTime: String(row.process_start ?? ""),
    ...(keeper !== undefined && { keeper, isIdle: row.status === "idle" }),
  };
}

/** Returns the session of a row. */
export function toSession(row: Columns): Session {
  const text = (column: string): string | undefined => {
    const value = row[column];
    return typeof value === "string" && value !== "" ? value : undefined;
  };
  const endedAt = row.ended_at === null ? undefined : Number(row.ended_at);
  return omitUndefined({
    id: String(row.session_id),
    name: text("name"),
    nameIsChosen: Number(row.name_chosen) === 1 ? true : undefined,
    vendor: String(row.llm_vendor),
    model: text("llm_model"),
    tty: text("tty"),
    pid: row.pid === null ? undefined : Number(row.pid),
    host: text("host"),
    processStart: text("process_start"),
    keeper: parseKeeper(row.keeper),
    project: text("project_id"),
    worktree: text("worktree"),
    branch: text("branch"),
    task: text("task_id"),
    doing: text("doing"),
    activity: activityOf(
      text("activity"),
      text("activity_why"),
      row.activity_at,
    ),
    activeFiles: parseFiles(row.active_files),
    status: toStatus(row.status),
    registeredAt: String(row.registered_at),
    heartbeatAt: String(row.heartbeat_at),
    endedAt: endedAt === undefined
      ? undefined
      : new Date(endedAt).toISOString(),
  });
}

/** Returns the activity of columns; undefined if a program wrote other values. */
function activityOf(
  state: string | undefined,
  why: string | undefined,
  atMs: unknown,
): SessionActivity | undefined {
  if (atMs === null || !ACTIVITY_STATES.includes(state as ActivityState)) {
    return undefined;
  }
  return omitUndefined({
    state: state as ActivityState,
    why,
    since: new Date(Number(atMs)).toISOString(),
  });
}

function omitUndefined<T extends object>(value: T): T {
  return Object.fromEntries(
    Object.entries(value).filter(([, member]) => member !== undefined),
  ) as T;
}

function toStatus(value: unknown): SessionStatus {
  return value === "idle" || value === "terminated" ? value : "active";
}

/** Returns the paths of a JSON array; none if the text is not one. */
function parseFiles(value: unknown): readonly string[] {
  try {
    const files: unknown = JSON.parse(String(value));
    if (!Array.isArray(files)) return [];
    return files.filter((file) => typeof file === "string");
  } catch {
    return [];
  }
}
