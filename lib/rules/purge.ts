/**
 * The purge: deletes expired records in bounded steps. Any publishing process
 * takes a step now and then.
 *
 * A message is deleted when its TTL has ended, or when its channel exceeds the cap
 * (the oldest first). The cap spares direct messages until they are acknowledged.
 * The same decision counts the losses of durable names, settles deliveries of direct
 * messages, and reports the unread ones to their senders.
 *
 * @module
 */

import type { Purged } from "../model/message.ts";
import type { Session } from "../model/session.ts";
import { DELIVERY_KEPT_MS, settleDeliveries } from "./deliveries.ts";
import { countLost, forgetUnused } from "./durables.ts";
import { lifeOf } from "./life.ts";
import { removeGoneWaiters } from "./locks.ts";
import { LASTING_NOTES, NOTE_KEPT_MS } from "./notes.ts";
import type { MessageHead, NoteRecord, Records } from "./records.ts";
import type { MessageQuery, Moment, Plan } from "./rule.ts";
import { announceSilent, reapSome, SILENCE_NOTE } from "./sessions.ts";
import { ENDED_TASK_KEPT_MS } from "./tasks.ts";

/** Largest number of messages that one step deletes. */
export const STEP_MESSAGES_MAX = 200;

const STEP_SESSIONS_MAX = 20;
const STEP_TASKS_MAX = 20;
const STEP_ROWS_MAX = 200;

/**
 * Time between whole steps of any process, in milliseconds. It bounds the wait
 * because short-lived publishers never publish enough for a step.
 */
export const PURGE_AFTER_MS = 10_000;

/** Time without a heartbeat after which a session is quiet, in milliseconds. */
export const QUIET_AFTER_MS = 10 * 60 * 1000;

/** How far a clock may be ahead until its purge takes living messages. */
export const CLOCK_AHEAD_MAX_MS = 2 * 24 * 60 * 60 * 1000;

/** Retention of a session's record after its end, in milliseconds. */
export const SESSION_KEPT_MS = 24 * 60 * 60 * 1000;

/** Retention of an ended session's record with a chosen name, in milliseconds. */
export const NAME_KEPT_MS = 7 * SESSION_KEPT_MS;

/** Returns whether a whole step is due. */
export function* isPurgeDue(records: Records, at: Moment): Plan<boolean> {
  yield [{ kind: "mark", name: "purged-at" }];
  const purgedAtMs = records.marks.get("purged-at") ?? 0;
  // Absolute, because the clock may have been set back.
  return Math.abs(at.nowMs - purgedAtMs) >= PURGE_AFTER_MS;
}

/**
 * Deletes expired messages, and messages over their channel's cap.
 *
 * This part of a step must keep up with publishing.
 */
export function* purgeMessages(
  records: Records,
  at: Moment,
  cap: number,
): Plan<Purged> {
  const livingAtMs = yield* quietSince(records, at);
  yield [{ kind: "messages-expired", livingAtMs, limit: STEP_MESSAGES_MAX }];
  const expired = messagesListed(records, "messages-expired");
  const limit = STEP_MESSAGES_MAX - expired.length;
  // Expired messages go first, because they do not count towards the cap.
  yield* drop(records, at, expired);
  if (limit > 0) yield [{ kind: "messages-over-cap", cap, limit }];
  const overCap = messagesListed(records, "messages-over-cap");
  yield* drop(records, at, overCap);
  return {
    expired: expired.length,
    overCap: overCap.length,
    sessions: 0,
    more: limit === 0 || records.hasMoreOverCap,
  };
}

/**
 * Returns the last heartbeats of other living sessions that are quiet for long.
 *
 * Such a session is idle, or this process's clock is ahead of its. Both look the
 * same. So a message that lived at its last heartbeat stays until the session goes on
 * or ends. An idle session keeps few messages in this way.
 */
function* quietSince(records: Records, at: Moment): Plan<readonly number[]> {
  yield [{
    kind: "sessions-quiet",
    afterMs: at.nowMs - CLOCK_AHEAD_MAX_MS,
    beforeMs: at.nowMs - QUIET_AFTER_MS,
    limit: STEP_SESSIONS_MAX,
  }];
  const times = records.listed("sessions-quiet")
    .map((id) => records.sessions.get(id))
    .filter((session) => session !== undefined)
    .filter((session) =>
      !at.incarnations.has(session.id) && lifeOf(session, at) !== "dead"
    )
    .map(({ heartbeatAt }) => Date.parse(heartbeatAt));
  return [...new Set(times)];
}

/** Deletes expired messages after a cursor; returns their number. */
export function* purgeExpiredAfter(
  records: Records,
  at: Moment,
  after: string,
): Plan<number> {
  yield [{
    kind: "messages-expired",
    after,
    livingAtMs: [],
    limit: STEP_MESSAGES_MAX,
  }];
  const removed = messagesListed(records, "messages-expired");
  yield* drop(records, at, removed);
  return removed.length;
}

function messagesListed(
  records: Records,
  query: MessageQuery["kind"],
): MessageHead[] {
  return records.listed(query).map((id) => records.messages.get(id))
    .filter((message) => message !== undefined);
}

function* drop(
  records: Records,
  at: Moment,
  removed: readonly MessageHead[],
): Plan<void> {
  if (removed.length === 0) return;
  yield* countLost(records, removed);
  const direct = removed.filter(({ to }) => to !== null);
  yield* settleDeliveries(records, at, direct);
  for (const { id } of removed) records.messages.delete(id);
}

/**
 * Takes a whole step.
 *
 * @param after Id of the session after which to look for dead ones.
 * @returns The result, and the `after` of the next step.
 */
export function* purge(
  records: Records,
  at: Moment,
  cap: number,
  after: string,
): Plan<Purged & { readonly after: string }> {
  const purged = yield* purgeMessages(records, at, cap);
  const sessions = yield* dropSessions(records, at);
  const next = yield* reapSome(records, at, after);
  yield* announceSilent(records, at);
  yield* removeGoneWaiters(records, at);
  yield* dropDeliveries(records, at);
  yield* dropTasks(records, at);
  yield* forgetUnused(records, at);
  yield* dropNotes(records, at);
  yield [{ kind: "mark", name: "purged-at" }];
  records.marks.set("purged-at", at.nowMs);
  return {
    ...purged,
    sessions,
    more: purged.more || sessions === STEP_SESSIONS_MAX,
    after: next,
  };
}

function* dropSessions(records: Records, at: Moment): Plan<number> {
  const beforeMs = at.nowMs - SESSION_KEPT_MS;
  yield [{
    kind: "sessions-over",
    beforeMs,
    namedBeforeMs: at.nowMs - NAME_KEPT_MS,
    limit: STEP_SESSIONS_MAX,
  }];
  const over = records.listed("sessions-over");
  for (const id of over) records.sessions.delete(id);
  return over.length;
}

function* dropDeliveries(records: Records, at: Moment): Plan<void> {
  const beforeMs = at.nowMs - DELIVERY_KEPT_MS;
  yield [{ kind: "deliveries-settled", beforeMs, limit: STEP_ROWS_MAX }];
  for (const message of records.listed("deliveries-settled")) {
    records.deliveries.delete(message);
  }
}

function* dropTasks(records: Records, at: Moment): Plan<void> {
  const beforeMs = at.nowMs - ENDED_TASK_KEPT_MS;
  yield [{ kind: "tasks-ended", beforeMs, limit: STEP_TASKS_MAX }];
  for (const key of records.listed("tasks-ended")) records.tasks.delete(key);
}

/** Deletes notes, except those of running sessions that still hold. */
function* dropUnchanged(
  records: Records,
  at: Moment,
  keys: readonly string[],
): Plan<void> {
  const notes = keys.map((key) => ({ key, note: records.notes.get(key)! }));
  const lasting = notes.filter(({ note }) =>
    note.key === SILENCE_NOTE || LASTING_NOTES.includes(note.key)
  );
  yield lasting.map(({ note }) => ({ kind: "session", id: note.session }));
  for (const { key, note } of notes) {
    if (stillHolds(records.sessions.get(note.session), note)) {
      records.notes.set(key, { ...note, changedAtMs: at.nowMs });
    } else records.notes.delete(key);
  }
}

/** Returns whether a note lasts, or is of a silence that continues. */
function stillHolds(
  session: Session | undefined,
  { key, value }: NoteRecord,
): boolean {
  if (session === undefined || session.status === "terminated") return false;
  return LASTING_NOTES.includes(key) ||
    key === SILENCE_NOTE && session.heartbeatAt === value;
}

function* dropNotes(records: Records, at: Moment): Plan<void> {
  const beforeMs = at.nowMs - NOTE_KEPT_MS;
  yield [
    { kind: "notes-unchanged", sinceMs: beforeMs, limit: STEP_ROWS_MAX },
    { kind: "touches-old", beforeMs, limit: STEP_ROWS_MAX },
  ];
  yield* dropUnchanged(records, at, records.listed("notes-unchanged"));
  for (const key of records.listed("touches-old")) records.touches.delete(key);
}
