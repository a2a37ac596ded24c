/**
 * The inbox: direct messages for one's own session, and what became of those
 * one has sent.
 *
 * ```text
 *  queued ─▶ noticed ─▶ injected ─▶ acked
 *     │         │
 *     └─────────┴─▶ expired, or undeliverable if the addressee has ended
 * ```
 *
 * A state is never later than what is proven: `noticed` says that the session's
 * program has read it, `injected` that it was put before the model, `acked` that
 * the session said so itself.
 *
 * @module
 */

import type { DeliveryState } from "../model/delivery.ts";
import type { Operations } from "./operations.ts";
import { Changes } from "./changes.ts";
import type { SessionSelf } from "./sessions.ts";
import type { Message } from "../model/message.ts";

/** How to read the inbox. */
export interface InboxOptions {
  /** Ends the waiting: who waits gets its reason. */
  readonly signal?: AbortSignal;
}

const PAGE_MESSAGES = 100;

/** Direct messages that are not acknowledged yet, and those that come. */
export class Inbox implements AsyncIterable<Message> {
  readonly #operations: Operations;
  readonly #self: SessionSelf;
  readonly #register: (act: string) => Promise<void>;
  readonly #options: InboxOptions;

  /** Made by the bus: call {@linkcode MessageBus.inbox}. */
  constructor(
    operations: Operations,
    self: SessionSelf,
    register: (act: string) => Promise<void>,
    options: InboxOptions,
  ) {
    this.#operations = operations;
    this.#register = register;
    this.#self = self;
    this.#options = options;
  }

  /**
   * Those that are there now, oldest first, at most 100; they count as noticed.
   *
   * @param after Only those after this message.
   */
  async pending(
    after: string = this.#operations.startCursor,
  ): Promise<readonly Message[]> {
    // Until it is registered, its id may be another's.
    await this.#register("read the inbox");
    const messages = await this.#peek(after);
    await this.#move(messages, "noticed");
    return messages;
  }

  /** Says that the session has dealt with a message. */
  async ack(message: Message | string): Promise<void> {
    await this.#move([message], "acked");
  }

  /** Says that a message was put before the model. */
  async injected(message: Message | string): Promise<void> {
    await this.#move([message], "injected");
  }

  /** Those that are there, then those that come, each once. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Message, void, void> {
    await this.#register("read the inbox");
    const changes = new Changes(this.#self.closing, this.#options.signal);
    using _watch = await this.#operations.watch(
      { channels: null, project: null, session: this.#self.id },
      changes.wake,
    );
    let after = this.#operations.startCursor;
    try {
      for (;;) {
        const messages = await this.#peek(after);
        for (const message of messages) {
          after = message.id;
          if (!await this.#notice(message)) return;
          yield message;
        }
        if (messages.length < PAGE_MESSAGES && !await changes.next()) return;
      }
    } finally {
      changes.close();
    }
  }

  /** Notices a message; false if the bus is closed, and its session over. */
  async #notice(message: Message): Promise<boolean> {
    try {
      await this.#move([message], "noticed");
      return true;
    } catch (error) {
      if (this.#self.closing.aborted) return false;
      throw error;
    }
  }

  async #peek(after: string): Promise<readonly Message[]> {
    return await this.#operations.pendingFor(
      this.#self.id,
      after,
      PAGE_MESSAGES,
    );
  }

  async #move(
    messages: readonly (Message | string)[],
    state: DeliveryState,
  ): Promise<void> {
    if (messages.length === 0) return;
    const ids = messages.map((message) =>
      typeof message === "string"
        ? this.#operations.parseCursor(message)
        : message.id
    );
    await this.#register("read the inbox");
    await this.#operations.moveDeliveries(this.#self.id, ids, state);
  }
}
