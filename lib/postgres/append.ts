/**
 * Publishing: one statement appends messages and then rings bells.
 *
 * The addressee of a message is resolved first, because its name may be short.
 * If the server rejects one message, or its sender has ended, the statement
 * fails for all messages in it. If the messages are independent, they are then
 * appended one by one. A committed message is published even if the bells cannot
 * be rung: the safety poll finds it.
 *
 * @module
 */

import { MessageBusError } from "../model/errors.ts";
import { resolveAddressee } from "../rules/messages.ts";
import { type Incarnation, nameOf, type Session } from "../model/session.ts";
import type { Appended, AppendResult, NewMessage } from "../model/message.ts";
import type { Connection } from "./connection.ts";
import { isDataError } from "./faults.ts";
import { look } from "./records.ts";
import { idsOf, publishStatement } from "./transaction.ts";
import type { WakeUps } from "./wake_ups.ts";

/** The sessions that the store has registered, each with its process. */
type Incarnations = ReadonlyMap<string, Incarnation>;

/** A message with a resolved addressee. */
interface Ready {
  readonly message: NewMessage;
  readonly toName?: string;
  readonly notRunning?: boolean;
}

/** Appends all messages, or throws and appends none. */
export async function appendTogether(
  connection: Connection,
  wakeUps: WakeUps,
  incarnations: Incarnations,
  messages: readonly NewMessage[],
): Promise<readonly Appended[]> {
  const ready: Ready[] = [];
  const addressees = new Addressees(connection);
  for (const message of messages) {
    ready.push(await addressees.resolve(message));
  }
  return await append(connection, wakeUps, incarnations, ready);
}

/** Appends each message that the rules and the server accept. */
export async function appendEach(
  connection: Connection,
  wakeUps: WakeUps,
  incarnations: Incarnations,
  messages: readonly NewMessage[],
): Promise<readonly AppendResult[]> {
  const addressees = new Addressees(connection);
  const looked = messages.some(({ to }) => to !== undefined)
    ? await Promise.all(
      messages.map((message) =>
        addressees.resolve(message).catch((error: unknown) => {
          if (error instanceof MessageBusError && error.kind !== "store") {
            return { error };
          }
          throw error;
        })
      ),
    )
    : messages.map((message): Ready => ({ message }));
  const ready = looked.filter((each) => "message" in each);
  const results = await appendOrSplit(connection, wakeUps, incarnations, ready);
  let next = 0;
  return looked.map((each) => "message" in each ? results[next++] : each);
}

async function appendOrSplit(
  connection: Connection,
  wakeUps: WakeUps,
  incarnations: Incarnations,
  ready: readonly Ready[],
): Promise<readonly AppendResult[]> {
  try {
    return await append(connection, wakeUps, incarnations, ready);
  } catch (error) {
    if (!isMessageError(error)) throw error;
    if (ready.length === 1) return [{ error: error as Error }];
    const results: AppendResult[] = [];
    for (const each of ready) {
      results.push(
        ...await appendOrSplit(connection, wakeUps, incarnations, [each]),
      );
    }
    return results;
  }
}

/** Returns whether the data or the sender of one message is the cause. */
function isMessageError(error: unknown): boolean {
  return isDataError(error) ||
    error instanceof MessageBusError && error.kind !== "store";
}

async function append(
  connection: Connection,
  wakeUps: WakeUps,
  incarnations: Incarnations,
  ready: readonly Ready[],
): Promise<Appended[]> {
  if (ready.length === 0) return [];
  const messages = ready.map(({ message }) => message);
  const bells = wakeUps.bellsFor(messages);
  const { row, isComplete } = await connection.commitOnce(
    "publish",
    (key, again) =>
      publishStatement(
        messages,
        connection.schemaVersion,
        connection.clockShiftMs,
        key,
        again,
        incarnations,
        bells,
      ),
  );
  wakeUps.committed(bells, { rung: isComplete });
  return idsOf(row).map((id, i): Appended => {
    const { message: { to }, toName, notRunning } = ready[i];
    return to === undefined ? { id } : { id, to, toName, notRunning };
  });
}

/** The addressees of some messages, each looked up once. */
class Addressees {
  readonly #connection: Connection;
  readonly #found = new Map<string, Promise<Session>>();

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** Returns a message with its resolved addressee. */
  async resolve(message: NewMessage): Promise<Ready> {
    const { to, sender, project } = message;
    if (to === undefined) return { message };
    const key = JSON.stringify([to, sender, project]);
    const found = this.#found.get(key) ?? this.#lookUp({ ...message, to });
    this.#found.set(key, found);
    const addressee = await found;
    return {
      message: { ...message, to: addressee.id },
      toName: nameOf(addressee),
      notRunning: addressee.status === "terminated",
    };
  }

  async #lookUp(
    message: NewMessage & { readonly to: string },
  ): Promise<Session> {
    return await this.#connection.read(
      "publish",
      async (at) =>
        (await look(
          at,
          (records) => resolveAddressee(records, message),
          new Map(),
          this.#connection.readOnly,
        ))!.result,
    );
  }
}
