/**
 * The end of a session, apart from its locks: the record, the announcement, and
 * its tasks, which are open again.
 *
 * @module
 */

import { UnknownSessionError } from "../model/errors.ts";
import type { Session } from "../model/session.ts";
import type { NewMessage } from "../model/message.ts";
import { announcement } from "./announcement.ts";
import type { Records } from "./records.ts";
import type { Moment, Plan } from "./rule.ts";
import { reopenTasksOf } from "./task_changes.ts";

/** Marks a session as ended, if it has not ended yet, and reopens its tasks. */
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
    const ended: Session = {
      ...session,
      status: "terminated",
      activeFiles: [],
      endedAt: new Date(at.nowMs).toISOString(),
    };
    records.sessions.set(id, ended);
    records.say(sessionEvent(ended, event));
  }
  // Nothing stays with a session that has ended, even if it had ended before.
  yield* reopenTasksOf(records, at, id);
}

/** Returns the message about a session's coming, changing or going. */
export function sessionEvent(session: Session, event: string): NewMessage {
  return announcement("heartbeat", session.id, session.project, {
    event,
    session: session.id,
    vendor: session.vendor,
    model: session.model,
    task: session.task,
  });
}
