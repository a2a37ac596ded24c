/**
 * Sessions: registering, changing, ending and reaping.
 *
 * A record is one incarnation of a session at a time. A process that registers
 * under an id that another living process has becomes `id~2`, `id~3` and so on. A
 * record whose process is dead, or whose session ended, is taken over, so that a
 * resumed session keeps its id.
 *
 * Only a process of this host can be checked, by pid and start time. Sessions of
 * other hosts live by their leases alone.
 *
 * Reaping is atomic: one decision ends the session, releases its locks and waits,
 * requeues its tasks, and announces its end.
 *
 * @module
 */

import {
  InvalidInputError,
  SessionEndedError,
  UnknownSessionError,
} from "../model/errors.ts";
import {
  DOING_MAX,
  type Incarnation,
  type Session,
  type SessionActivity,
  type SessionChange,
  type SessionStart,
  STALE_AFTER_MS,
} from "../model/session.ts";
import { isDead, isSameProcess, lifeOf, processOf } from "./life.ts";
import { LockTable } from "./lock_table.ts";
import { nameAtStart, takeName } from "./names.ts";
import { noteKey, type Records } from "./records.ts";
import type { Moment, Plan, SessionQuery } from "./rule.ts";
import { sessionEvent } from "./session_end.ts";

const INCARNATIONS_MAX = 100;

// Each check may read /proc while all writers wait.
const REAPED_MAX = 16;

// Largest number of sessions that one step announces as silent.
const SILENT_MAX = 20;

/** Key of the note about the announced silence. */
export const SILENCE_NOTE = "@stale";

/** Iterates over the ids of a session's incarnations, in order. */
export function* incarnationIds(id: string): Generator<string, void, void> {
  yield id;
  for (let n = 2; n <= INCARNATIONS_MAX; n++) yield `${id}~${n}`;
}

/**
 * Loads a session. Throws if it has ended, or runs in another process than the
 * one in which this store registered it.
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
    // A session that this store has not registered may join by its first act.
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

/** Loads a session that must be on the bus and {@linkcode assertActive active}. */
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

/** Registers a session, and announces it unless it was registered. */
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
    // The new incarnation does not inherit the holds of the dead one.
    yield* endSession(records, at, id, "died");
    break;
  }
  const id = freeId(records, at, start);
  const before = records.sessions.get(id);
  const now = new Date(at.nowMs).toISOString();
  const wasThere = before !== undefined && before.status !== "terminated" &&
    before.host === at.self.host && isSameProcess(before, start);
  const names = wasThere && before.name !== undefined
    ? { name: before.name, nameIsChosen: before.nameIsChosen }
    : yield* nameAtStart(records, at, id, start, before);
  const session = withoutUndefined<Session>({
    id,
    ...names,
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
    doing: wasThere ? before.doing : undefined,
    activity: activityAfter(
      wasThere ? before.activity : undefined,
      start.activity,
      at,
    ),
    activeFiles: before?.activeFiles ?? [],
    status: "active",
    registeredAt: before?.registeredAt ?? now,
    heartbeatAt: now,
  });
  records.sessions.set(id, session);
  records.register(session);
  if (!wasThere) records.say(sessionEvent(session, "came"));
  return session;
}

/** Returns the id that a session may register under. */
function freeId(records: Records, at: Moment, start: SessionStart): string {
  let free: string | undefined;
  for (const id of incarnationIds(start.id)) {
    const session = records.sessions.get(id);
    // A process keeps its own id, even if an earlier one is free.
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

/** Returns whether a session runs in the registering process. */
function isOwn(session: Session, at: Moment, start: SessionStart): boolean {
  return session.status !== "terminated" && session.pid !== undefined &&
    session.host === at.self.host && isSameProcess(session, start);
}

/** Returns whether another process that may live has the id. */
function isOthers(session: Session, at: Moment, start: SessionStart): boolean {
  if (
    session.status === "terminated" || session.pid === undefined ||
    isOwn(session, at, start) ||
    session.host === at.self.host && isReplaced(session, start)
  ) return false;
  const life = lifeOf(session, at);
  // A process that cannot be checked, as in a sandbox, lives by its heartbeat.
  return life === "alive" || life === "unknown" &&
      Date.parse(session.heartbeatAt) > at.nowMs - STALE_AFTER_MS;
}

/** Returns whether the session's process hands its id on to the new session. */
function isReplaced(session: Session, { replaces }: SessionStart): boolean {
  return replaces !== undefined && isSameProcess(session, replaces);
}

/**
 * Changes the statements of a session about itself, and its heartbeat.
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
  const { task = before.task, doing = before.doing } = change;
  assertDoing(id, doing);
  const session = withoutUndefined<Session>({
    ...before,
    heartbeatAt: new Date(at.nowMs).toISOString(),
    status: change.status ?? before.status,
    model: change.model ?? before.model,
    task: task ?? undefined,
    doing: doing ?? undefined,
    activity: activityAfter(before.activity, change.activity, at),
    activeFiles: change.activeFiles ?? before.activeFiles,
    branch: change.branch ?? before.branch,
  });
  records.sessions.set(id, session);
  if (session.status !== before.status) {
    records.say(sessionEvent(session, session.status));
  }
  return session;
}

/**
 * Gives a session a chosen name.
 *
 * @throws {InvalidInputError} If the name cannot be chosen.
 * @throws {NameTakenError} If another living session has it.
 */
export function* renameSession(
  records: Records,
  at: Moment,
  id: string,
  name: string,
): Plan<Session> {
  const act = `name session "${id}"`;
  const before = yield* requireActive(records, at, act, id);
  yield* takeName(records, at, before, name);
  const session: Session = {
    ...before,
    name,
    nameIsChosen: true,
    heartbeatAt: new Date(at.nowMs).toISOString(),
  };
  records.sessions.set(id, session);
  if (name !== before.name) records.say(sessionEvent(session, "renamed"));
  return session;
}

function assertDoing(id: string, doing: string | null | undefined): void {
  const length = [...doing ?? ""].length;
  if (length <= DOING_MAX) return;
  throw new InvalidInputError(
    "doing",
    `Cannot update session "${id}": its description has ${length} characters. ` +
      `Pass at most ${DOING_MAX}.`,
  );
}

/** Returns the changed activity, which keeps its time while it says the same. */
function activityAfter(
  before: SessionActivity | undefined,
  change: SessionChange["activity"],
  { nowMs }: Moment,
): SessionActivity | undefined {
  if (
    change === undefined ||
    change.state === before?.state && change.why === before.why
  ) return before;
  return withoutUndefined<SessionActivity>({
    ...change,
    since: new Date(nowMs).toISOString(),
  });
}

/** Ends a session unless it has ended, releases its holds and serves waiters. */
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

/** Returns the sessions that match a filter, and reaps dead ones. */
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

/** Returns the running incarnations of a session, and reaps dead ones. */
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

/** Reaps dead sessions among some; returns the `after` of the next call. */
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
 * Announces sessions without a recent heartbeat, each once per silence. Skips
 * sessions of other programs, which never send one.
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
    // A dead session is reaped instead.
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
