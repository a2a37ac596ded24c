/**
 * The session registry's rules, whatever its rows look like.
 *
 * A row is one incarnation of a session at a time. Whoever registers under an
 * id that another living process has becomes `id~2`, `id~3` and so on; a row
 * whose process is dead or whose session ended is taken over, so that a
 * resumed session keeps its id.
 *
 * @module
 */

import { InvalidInputError, UnknownSessionError } from "../errors.ts";
import {
  hostId,
  type Life,
  processAlive,
  type ProcessIdentity,
} from "../host.ts";
import { parseKeeper } from "../keeper.ts";
import {
  type Session,
  type SessionStart,
  type SessionStatus,
  shortName,
  STALE_AFTER_MS,
} from "../sessions.ts";
import type { NewMessage } from "../store.ts";
import { announcement } from "./announcement.ts";
import type { Columns } from "./columns.ts";

const INCARNATIONS_MAX = 100;

/** The ids that the incarnations of a session have, in order. */
export function* incarnationIds(id: string): Generator<string, void, void> {
  yield id;
  for (let n = 2; n <= INCARNATIONS_MAX; n++) yield `${id}~${n}`;
}

/**
 * The id that a session may register under.
 *
 * @throws {InvalidInputError} If there are too many incarnations of it.
 */
export function freeId(
  start: SessionStart,
  find: (id: string) => Session | undefined,
  nowMs: number,
): string {
  for (const id of incarnationIds(start.id)) {
    const session = find(id);
    if (session === undefined || !isHeldByAnother(session, start, nowMs)) {
      return id;
    }
  }
  throw new InvalidInputError(
    "session",
    `Cannot register "${start.id}": ${INCARNATIONS_MAX} living processes have ` +
      `that id; choose another.`,
  );
}

function isHeldByAnother(
  session: Session,
  start: SessionStart,
  nowMs: number,
): boolean {
  if (
    session.status === "terminated" || session.pid === undefined ||
    isSameProcess(session, start) || isReplaced(session, start)
  ) return false;
  const life = lifeOf(session);
  // Who cannot be judged, as in a sandbox, lives by its signs of life.
  return life === "alive" || life === "unknown" &&
      Date.parse(session.heartbeatAt) > nowMs - STALE_AFTER_MS;
}

/** Whether the session's own process hands its id on to who registers. */
function isReplaced(
  { pid, processStart, host }: Session,
  { replaces }: SessionStart,
): boolean {
  return replaces !== undefined && pid === replaces.pid &&
    processStart === replaces.processStart && host === hostId();
}

/** Whether it is the session's own process that registers. */
export function isSameProcess(session: Session, start: SessionStart): boolean {
  return session.pid === start.pid && session.host === hostId() &&
    session.processStart === start.processStart;
}

/** Whether a session's process lives, as far as this host can tell. */
export function lifeOf(session: Session): Life {
  const process = processOfSession(session);
  return process === undefined
    ? "unknown"
    : processAlive(process, session.host ?? "");
}

/** The process by which a session is judged; undefined if it has none. */
export function processOfSession(
  { pid, processStart, keeper, status }: Pick<
    Session,
    "pid" | "processStart" | "keeper" | "status"
  >,
): ProcessIdentity | undefined {
  if (pid === undefined) return undefined;
  return {
    pid,
    startTime: processStart ?? "",
    ...(keeper !== undefined && { keeper, isIdle: status === "idle" }),
  };
}

/** The same of a row, whose column `pid` is not null. */
export function processOfRow(row: Columns): ProcessIdentity {
  const keeper = parseKeeper(row.keeper);
  return {
    pid: Number(row.pid),
    startTime: String(row.process_start ?? ""),
    ...(keeper !== undefined && { keeper, isIdle: row.status === "idle" }),
  };
}

/** Says what became of a session. */
export function newsOf(session: Session, event: string): NewMessage {
  return announcement("heartbeat", session.id, session.project, {
    event,
    session: session.id,
    vendor: session.vendor,
    model: session.model,
    task: session.task,
  });
}

/**
 * The session that a text means: its id, a beginning of it that no other has,
 * or its short name. Those that run come before those that ended.
 *
 * @param among All that run, and all whose id begins with the text.
 * @throws {UnknownSessionError} If it means none, or several.
 */
export function meantBy(
  text: string,
  among: readonly Session[],
  act: string,
): Session {
  const named = among.filter((session) =>
    session.id.startsWith(text) || shortName(session) === text
  );
  const running = named.filter(({ status }) => status !== "terminated");
  const meant = running.length > 0 ? running : named;
  if (text !== "" && meant.length === 1) return meant[0];
  throw new UnknownSessionError(act, text, meant.map(({ id }) => id));
}

/** What the row of a session says. */
export function toSession(row: Columns): Session {
  const text = (column: string): string | undefined => {
    const value = row[column];
    return typeof value === "string" && value !== "" ? value : undefined;
  };
  const endedAt = row.ended_at === null ? undefined : Number(row.ended_at);
  return omitUndefined({
    id: String(row.session_id),
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
    activeFiles: parseFiles(row.active_files),
    status: toStatus(row.status),
    registeredAt: String(row.registered_at),
    heartbeatAt: String(row.heartbeat_at),
    endedAt: endedAt === undefined
      ? undefined
      : new Date(endedAt).toISOString(),
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

/** The paths in a text that is an array of them; none if it is none. */
export function parseFiles(value: unknown): readonly string[] {
  try {
    const files: unknown = JSON.parse(String(value));
    if (!Array.isArray(files)) return [];
    return files.filter((file) => typeof file === "string");
  } catch {
    return [];
  }
}
