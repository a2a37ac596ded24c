/**
 * Publishing: checks the sender, resolves the addressee, and acknowledges the
 * message that an answer refers to.
 *
 * @module
 */

import type { Appended, NewMessage } from "../model/message.ts";
import { move } from "./deliveries.ts";
import type { Records } from "./records.ts";
import type { Moment, Plan } from "./rule.ts";
import { assertActive, resolveSession } from "./sessions.ts";

/**
 * Publishes a message.
 *
 * @returns The result; its id is set by the commit.
 * @throws {SessionEndedError} If the sender has ended.
 * @throws {UnknownSessionError} If the addressee is not on the bus.
 */
export function* publish(
  records: Records,
  at: Moment,
  message: NewMessage,
): Plan<Appended> {
  const { sender, replyTo, to } = message;
  yield* assertActive(records, at, "publish", sender);
  if (replyTo !== undefined) {
    yield* move(records, at, sender, [replyTo], "acked");
  }
  if (to === undefined) return records.say(message);
  const addressee = yield* resolveSession(records, `send to "${to}"`, to);
  return records.say({ ...message, to: addressee.id }, {
    to: addressee.id,
    notRunning: addressee.status === "terminated",
  });
}
