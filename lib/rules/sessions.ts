/**
 * Sessions: registering, changing, ending, and finding the dead.
 *
 * A record is one incarnation of a session at a time. A process that registers
 * under an id that another living process has becomes `id~2`, `id~3` and so on. A
 * record whose process is dead, or whose session ended, is taken over, so that a
 * resumed session keeps its id.
 *
 * Only a process of this host can be judged, by pid and start time. Sessions of
 * other hosts live by their leases alone.
 *
 * Reaping is whole or not at all, in the decision that found the dead: the
 * session has ended, its locks are free, its tasks are open again, it waits for
 * nothing, and its end is announced.
 *
 * @module
 */

import {
  InvalidInputError,
  SessionEndedError,
  UnknownSessionError,
} from "../model/errors.ts";
import {
  type Incarnation,
  type Session,
  type SessionChange,
  type SessionStart,
  shortName,
  STALE_AFTER_MS,
} from "../model/session.ts";
import { isDead, isSameProcess, lifeOf, processOf } from "./life.ts";
import { LockTable } from "./lock_table.ts";
import { noteKey, type Records } from "./records.ts";
import type { Moment, Plan, SessionQuery } from "./rule.ts";
import { sessionEvent } from "./session_end.ts";

const INCARNATIONS_MAX = 100;

// Each look may read /proc, while all writers wait.
const REAPED_MAX = 16;

// Sessions announced as silent by one step.
const SILENT_MAX = 20;

/** Key of the note that keeps which silence was announced. */
export const SILENCE_NOTE = "@stale";

/** Iterates over the ids of a session's incarnations, in order. */
export function* incarnationIds(id: string): Generator<string, void, void> {
  yield id;
  for (let n = 2; n <= INCARNATIONS_MAX; n++) yield `${id}~${n}`;
}

/**
 * Loads a session, and asserts that it may act: it runs, in the process in which
 * this store registered it.
 *
 * @returns The session; undefined if it never was on the bus.
 * @throws {SessionEndedError} If it has ended, or another process has its id.
 */
export function* assertActive(
  records: Records,
  at: Moment,
  act: string,
  id: string,
): Plan<Session | undefined> {
  yield [{ kind: "session", id }];
  const session = records.sessions.get(id);
  const own = at.incarnations.get(id);
  if (session === undefined) {
    // A session that this store did not register may join by what it does.
    if (own === undefined) return undefined;
    throw new SessionEndedError(act, id);
  }
  if (session.status === "terminated") throw new SessionEndedError(act, id);
  if (
    own !== undefined && session.pid !== undefined &&
    !isSameProcess(own, session)
  ) throw new SessionEndedError(act, id, { takenOver: true });
  return session;
}

/** As {@linkcode assertActive}, for what only a session on the bus may do. */
export function* requireActive(
  records: Records,
  at: Moment,
  act: string,
  id: string,
): Plan<Session> {
  const session = yield* assertActive(records, at, act, id);
  if (session === undefined) throw new UnknownSessionError(act, id);
  return session;
}

/** Registers a session, and announces it unless it was there. */
export function* registerSession(
  records: Records,
  at: Moment,
  start: SessionStart,
): Plan<Session> {
  yield [{ kind: "incarnations", id: start.id }];
  for (const id of incarnationIds(start.id)) {
    const session = records.sessions.get(id);
    if (session === undefined || session.status === "terminated") break;
    if (!isDead(processOf(session), at)) continue;
    // The holds of the dead one were not this one's.
    yield* endSession(records, at, id, "died");
    break;
  }
  const id = freeId(records, at, start);
  const before = records.sessions.get(id);
  const now = new Date(at.nowMs).toISOString();
  const session = withoutUndefined<Session>({
    id,
    vendor: start.vendor,
    model: start.model ?? before?.model,
    tty: start.tty,
    pid: start.pid,
    host: at.self.host,
    processStart: start.processStart,
    keeper: start.keeper,
    project: start.project ?? undefined,
    worktree: start.worktree,
    branch: start.branch,
    task: start.task ?? before?.task,
    activeFiles: before?.activeFiles ?? [],
    status: "active",
    registeredAt: before?.registeredAt ?? now,
    heartbeatAt: now,
  });
  records.sessions.set(id, session);
  records.register(session);
  const wasThere = before !== undefined && before.status !== "terminated" &&
    before.host === at.self.host && isSameProcess(before, start);
  if (!wasThere) records.say(sessionEvent(session, "came"));
  return session;
}

/** Returns the id that a session may register under. */
function freeId(records: Records, at: Moment, start: SessionStart): string {
  let free: string | undefined;
  for (const id of incarnationIds(start.id)) {
    const session = records.sessions.get(id);
    // It keeps its own, even if an earlier one is free by now.
    if (session !== undefined && isOwn(session, at, start)) return id;
    if (session === undefined || !isOthers(session, at, start)) free ??= id;
  }
  if (free !== undefined) return free;
  throw new InvalidInputError(
    "session",
    `Cannot register "${start.id}": ${INCARNATIONS_MAX} living processes have ` +
      `that id. Choose another.`,
  );
}

/** Whether a session runs in the process that registers. */
function isOwn(session: Session, at: Moment, start: SessionStart): boolean {
  return session.status !== "terminated" && session.pid !== undefined &&
    session.host === at.self.host && isSameProcess(session, start);
}

/** Whether another process that may live has the id. */
function isOthers(session: Session, at: Moment, start: SessionStart): boolean {
  if (
    session.status === "terminated" || session.pid === undefined ||
    isOwn(session, at, start) ||
    session.host === at.self.host && isReplaced(session, start)
  ) return false;
  const life = lifeOf(session, at);
  // A process that cannot be judged, as in a sandbox, lives by its heartbeat.
  return life === "alive" || life === "unknown" &&
      Date.parse(session.heartbeatAt) > at.nowMs - STALE_AFTER_MS;
}

/** Whether the session's own process hands its id on to the new session. */
function isReplaced(session: Session, { replaces }: SessionStart): boolean {
  return replaces !== undefined && isSameProcess(session, replaces);
}

/**
 * Changes what a session says of itself, with its heartbeat.
 *
 * @throws {UnknownSessionError} If it is not on the bus.
 * @throws {SessionEndedError} If it has ended, or another process has its id.
 */
export function* updateSession(
  records: Records,
  at: Moment,
  id: string,
  change: SessionChange,
): Plan<Session> {
  const before = yield* requireActive(
    records,
    at,
    `update session "${id}"`,
    id,
  );
  const { task = before.task } = change;
  const session = withoutUndefined<Session>({
    ...before,
    heartbeatAt: new Date(at.nowMs).toISOString(),
    status: change.status ?? before.status,
    model: change.model ?? before.model,
    task: task ?? undefined,
    activeFiles: change.activeFiles ?? before.activeFiles,
    branch: change.branch ?? before.branch,
  });
  records.sessions.set(id, session);
  if (session.status !== before.status) {
    records.say(sessionEvent(session, session.status));
  }
  return session;
}

/** Ends a session, if it has not ended yet; frees what it holds, and grants it. */
export function* endSession(
  records: Records,
  at: Moment,
  id: string,
  event: "ended" | "died" = "ended",
  process?: Incarnation,
): Plan<void> {
  yield [{ kind: "session", id }];
  const session = records.sessions.get(id);
  if (
    process !== undefined &&
    (session === undefined || !isSameProcess(process, session))
  ) {
    return;
  }
  const table = new LockTable(records, at);
  yield* table.endSession(id, event);
  yield* table.grantWaiters();
}

/** Returns the sessions of a list, and reaps the dead among them. */
export function* listSessions(
  records: Records,
  at: Moment,
  filter: { readonly project: string | null; readonly ended: boolean },
): Plan<readonly Session[]> {
  yield [{ kind: "sessions", ...filter }];
  const listed = sessionsListed(records, "sessions");
  yield* reapAmong(records, at, listed);
  return listed.map(({ id }) => records.sessions.get(id)!)
    .filter(({ status }) => filter.ended || status !== "terminated");
}

/** Returns the incarnations of a session that run, and reaps the dead among them. */
export function* listIncarnations(
  records: Records,
  at: Moment,
  id: string,
): Plan<readonly Session[]> {
  yield [{ kind: "incarnations", id }];
  const now = () =>
    [...incarnationIds(id)].map((each) => records.sessions.get(each))
      .filter((session) => session !== undefined);
  yield* reapAmong(records, at, now());
  return now().filter(({ status }) => status !== "terminated");
}

function* reapAmong(
  records: Records,
  at: Moment,
  sessions: readonly Session[],
): Plan<void> {
  const table = new LockTable(records, at);
  for (const session of sessions) {
    if (session.status === "terminated" || !isDead(processOf(session), at)) {
      continue;
    }
    yield* table.endSession(session.id, "died");
  }
  yield* table.grantWaiters();
}

/** Reaps the dead among some sessions; returns the id after which to go on. */
export function* reapSome(
  records: Records,
  at: Moment,
  after: string,
): Plan<string> {
  yield [{ kind: "sessions-after", id: after, limit: REAPED_MAX }];
  const looked = sessionsListed(records, "sessions-after");
  yield* reapAmong(records, at, looked);
  return looked.length < REAPED_MAX ? "" : looked.at(-1)!.id;
}

/**
 * Announces sessions that gave no heartbeat for a while, each once per silence.
 * Foreign writers never give one, and are passed over.
 */
export function* announceSilent(records: Records, at: Moment): Plan<void> {
  const beforeMs = at.nowMs - STALE_AFTER_MS;
  yield [{ kind: "sessions-silent", beforeMs, limit: SILENT_MAX }];
  const silent = sessionsListed(records, "sessions-silent");
  yield silent.map(({ id }) => ({
    kind: "note",
    session: id,
    key: SILENCE_NOTE,
  }));
  for (const session of silent) {
    // A dead one is reaped by the next process that looks at it.
    if (lifeOf(session, at) === "dead") continue;
    records.say(sessionEvent(session, "stale"));
    records.notes.set(noteKey(session.id, SILENCE_NOTE), {
      session: session.id,
      key: SILENCE_NOTE,
      value: session.heartbeatAt,
      changedAtMs: at.nowMs,
    });
  }
}

/**
 * Returns the session that a text means: its id, a beginning of it that no other
 * has, or its short name. Running sessions come before ended ones.
 *
 * @throws {UnknownSessionError} If it means none, or several.
 */
export function* resolveSession(
  records: Records,
  act: string,
  text: string,
): Plan<Session> {
  yield [{ kind: "session", id: text }];
  const exact = records.sessions.get(text);
  if (exact !== undefined) return exact;
  yield [{ kind: "sessions-named", text }];
  const named = sessionsListed(records, "sessions-named").filter((session) =>
    session.id.startsWith(text) || shortName(session) === text
  );
  const running = named.filter(({ status }) => status !== "terminated");
  const meant = running.length > 0 ? running : named;
  if (text !== "" && meant.length === 1) return meant[0];
  throw new UnknownSessionError(act, text, meant.map(({ id }) => id));
}

function sessionsListed(
  records: Records,
  query: SessionQuery["kind"],
): Session[] {
  return records.listed(query).map((id) => records.sessions.get(id))
    .filter((session) => session !== undefined);
}

function withoutUndefined<T extends object>(
  value: { [Field in keyof T]: T[Field] | undefined },
): T {
  return Object.fromEntries(
    Object.entries(value).filter(([, member]) => member !== undefined),
  ) as T;
}
