/**
 * Names of sessions for output, by their ids.
 *
 * @module
 */

import type { MessageBus } from "../bus/bus.ts";
import type { Message } from "../model/message.ts";
import type { Task } from "../model/task.ts";
import { nameOf } from "../model/session.ts";

/** Message with the names of its sessions, for JSON output. */
export interface NamedMessage extends Message {
  /** Name of the sender. */
  readonly name: string;
  /** Name of the recipient; absent for all sessions. */
  readonly toName?: string;
}

/** Names of sessions, which are read again for an unknown id. */
export class SessionNames {
  readonly #bus: MessageBus;
  readonly #isLong: boolean;
  readonly #names = new Map<string, string>();

  /** Makes the names of a bus; with `isLong`, the ids are shown instead. */
  constructor(bus: MessageBus, isLong: boolean) {
    this.#bus = bus;
    this.#isLong = isLong;
  }

  /** Reads the names of sessions, unless all are known. */
  async learn(ids: Iterable<string | undefined>): Promise<void> {
    const unknown = [...ids].filter((id) =>
      id !== undefined && !this.#names.has(id)
    ) as string[];
    if (unknown.length === 0) return;
    // An id without a session is not looked up again.
    for (const id of unknown) this.#names.set(id, id);
    await this.learnAll();
  }

  /** Reads the names of all sessions. */
  async learnAll(): Promise<void> {
    const all = await this.#bus.sessions.list({
      allProjects: true,
      ended: true,
    });
    for (const session of all) this.#names.set(session.id, nameOf(session));
  }

  /** Reads the names of the sessions of messages. */
  async learnFrom(messages: readonly Message[]): Promise<void> {
    await this.learn(messages.flatMap(({ sender, to }) => [sender, to]));
  }

  /** Returns the name of a session that was read, else its id. */
  nameOf(id: string): string {
    return this.#names.get(id) ?? id;
  }

  /** Returns the text for a session: its name, or its id if ids are wanted. */
  shown(id: string): string {
    return this.#isLong ? id : this.nameOf(id);
  }

  /** Returns a task with the name of its holder, if it has one. */
  namedTask(task: Task): Task & { readonly name?: string } {
    const { session } = task;
    if (session === undefined) return task;
    return { ...task, name: this.nameOf(session) };
  }

  /** Returns a message with the names of its sessions. */
  named(message: Message): NamedMessage {
    const { to } = message;
    return {
      ...message,
      name: this.nameOf(message.sender),
      ...(to !== undefined && { toName: this.nameOf(to) }),
    };
  }
}
