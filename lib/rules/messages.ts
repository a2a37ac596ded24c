/**
 * Publishing: checks the sender, resolves the addressee, and acknowledges the
 * message that an answer refers to.
 *
 * @module
 */

import { InboxFullError } from "../model/errors.ts";
import type { Appended, NewMessage } from "../model/message.ts";
import { move } from "./deliveries.ts";
import { saidIn } from "./doings.ts";
import type { Records } from "./records.ts";
import type { Moment, Plan } from "./rule.ts";
import { nameOf, type Session } from "../model/session.ts";
import { resolveSession } from "./names.ts";
import { assertActive } from "./sessions.ts";

/** Largest number of unacknowledged direct messages of a session. */
export const INBOX_MESSAGES_MAX = 20_000;

/**
 * Returns the addressee of a direct message, named by any text that names it.
 *
 * @throws {UnknownSessionError} If no session or several sessions match.
 * @throws {InboxFullError} If the session has too many unacknowledged messages.
 */
export function* resolveAddressee(
  records: Records,
  { to, project, sender }: NewMessage & { readonly to: string },
): Plan<Session> {
  const session = yield* resolveSession(records, `write to "${to}"`, to, {
    project,
    self: sender,
  });
  const { id } = session;
  const pending = "unacknowledged";
  for (const exact of [false, true]) {
    yield [{ kind: "inbox-count", session: id, pending, exact }];
    const count = records.inboxCount(id, pending);
    if (count < INBOX_MESSAGES_MAX) return session;
  }
  throw new InboxFullError(id, INBOX_MESSAGES_MAX);
}

/**
 * Publishes a message. A `status` on the channel `state` is what its sender does.
 *
 * @returns The result; its id is set by the commit.
 * @throws {SessionEndedError} If the sender has ended.
 * @throws {UnknownSessionError} If the addressee is not on the bus.
 * @throws {InboxFullError} If the addressee has too many unacknowledged messages.
 */
export function* publish(
  records: Records,
  at: Moment,
  message: NewMessage,
): Plan<Appended> {
  const { sender, replyTo, to } = message;
  const session = yield* assertActive(records, at, "publish", sender);
  const doing = saidIn(message);
  if (session !== undefined && doing !== undefined && doing !== session.doing) {
    records.sessions.set(sender, { ...session, doing });
  }
  if (replyTo !== undefined) {
    yield* move(records, at, sender, [replyTo], "acked");
  }
  if (to === undefined) return records.say(message);
  const addressee = yield* resolveAddressee(records, { ...message, to });
  return records.say({ ...message, to: addressee.id }, {
    to: addressee.id,
    toName: nameOf(addressee),
    notRunning: addressee.status === "terminated",
  });
}
