/**
 * Publishing: messages appended by one statement, and the ring behind it.
 *
 * A session that a message is for is looked up before, as its name may be
 * given in short. What the server refuses for what is in it is refused for all
 * that is in the statement, so where each stands for itself they are then
 * appended one by one.
 *
 * @module
 */

import { MessageBusError } from "../errors.ts";
import type { Appended, AppendResult, NewMessage } from "../store.ts";
import type { Connection } from "./connection.ts";
import { isRefusal } from "./faults.ts";
import { resolveSession } from "./sessions.ts";
import { appendStatement, idsOf } from "./transaction.ts";
import type { WakeUps } from "./wake_ups.ts";

/** A message whose addressee was found. */
interface Ready {
  readonly message: NewMessage;
  readonly notRunning?: boolean;
}

/** Appends all, or throws and appends none. */
export async function appendTogether(
  connection: Connection,
  wakeUps: WakeUps,
  messages: readonly NewMessage[],
): Promise<readonly Appended[]> {
  const ready: Ready[] = [];
  for (const message of messages) {
    ready.push(await withAddressee(connection, message));
  }
  return await append(connection, wakeUps, ready);
}

/** Appends each message that can be. */
export async function appendApart(
  connection: Connection,
  wakeUps: WakeUps,
  messages: readonly NewMessage[],
): Promise<readonly AppendResult[]> {
  const looked = messages.some(({ to }) => to !== undefined)
    ? await Promise.all(
      messages.map((message) =>
        withAddressee(connection, message).catch((error: unknown) => {
          if (error instanceof MessageBusError && error.kind === "input") {
            return { error };
          }
          throw error;
        })
      ),
    )
    : messages.map((message): Ready => ({ message }));
  const ready = looked.filter((each) => "message" in each);
  const results = await appendEach(connection, wakeUps, ready);
  let next = 0;
  return looked.map((each) => "message" in each ? results[next++] : each);
}

async function appendEach(
  connection: Connection,
  wakeUps: WakeUps,
  ready: readonly Ready[],
): Promise<readonly AppendResult[]> {
  try {
    return await append(connection, wakeUps, ready);
  } catch (error) {
    if (!isRefused(error)) throw error;
    if (ready.length === 1) return [{ error: error as Error }];
    const results: AppendResult[] = [];
    for (const each of ready) {
      results.push(...await appendEach(connection, wakeUps, [each]));
    }
    return results;
  }
}

/** Whether a message is refused for what is in it. */
function isRefused(error: unknown): boolean {
  return isRefusal(error) ||
    error instanceof MessageBusError && error.kind === "input";
}

async function append(
  connection: Connection,
  wakeUps: WakeUps,
  ready: readonly Ready[],
): Promise<Appended[]> {
  if (ready.length === 0) return [];
  const messages = ready.map(({ message }) => message);
  let rung = false;
  const row = await connection.once(
    "publish",
    (key, again) =>
      appendStatement(
        messages,
        connection.schemaVersion,
        connection.clockShiftMs,
        key,
        again,
      ),
    (link, timeoutMs) => rung = wakeUps.ringBehind(messages, link, timeoutMs),
  );
  wakeUps.committed(messages, rung);
  return idsOf(row).map((id, i): Appended => {
    const { message: { to }, notRunning } = ready[i];
    return to === undefined ? { id } : { id, to, notRunning };
  });
}

async function withAddressee(
  connection: Connection,
  message: NewMessage,
): Promise<Ready> {
  if (message.to === undefined) return { message };
  const { id, status } = await connection.read(
    "publish",
    (at) => resolveSession(at, `send to "${message.to}"`, message.to!),
  );
  return {
    message: { ...message, to: id },
    notRunning: status === "terminated",
  };
}
