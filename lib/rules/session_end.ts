/**
 * End of a session, apart from its locks: its record, the announcement, and its
 * requeued tasks.
 *
 * @module
 */

import { UnknownSessionError } from "../model/errors.ts";
import { nameOf, type Session } from "../model/session.ts";
import type { NewMessage } from "../model/message.ts";
import { announcement } from "./announcement.ts";
import type { Records } from "./records.ts";
import type { Moment, Plan } from "./rule.ts";
import { requeueTasksOf } from "./task_changes.ts";

/** Marks a session as ended unless it has ended, and requeues its tasks. */
export function* markEnded(
  records: Records,
  at: Moment,
  id: string,
  event: "ended" | "died",
): Plan<void> {
  yield [{ kind: "session", id }];
  const session = records.sessions.get(id);
  if (session === undefined) {
    throw new UnknownSessionError(`end session "${id}"`, id);
  }
  if (session.status !== "terminated") {
    const { activity: _activity, ...rest } = session;
    const ended: Session = {
      ...rest,
      status: "terminated",
      activeFiles: [],
      endedAt: new Date(at.nowMs).toISOString(),
    };
    records.sessions.set(id, ended);
    records.say(sessionEvent(ended, event));
  }
  // An ended session keeps no task, even if it had ended before.
  yield* requeueTasksOf(records, at, id);
}

/** Returns the message about a session's registration, change or end. */
export function sessionEvent(session: Session, event: string): NewMessage {
  return announcement("heartbeat", session.id, session.project, {
    event,
    session: session.id,
    name: nameOf(session),
    vendor: session.vendor,
    model: session.model,
    task: session.task,
  });
}
