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

import { Changes } from "./changes.ts";
import type { SessionSelf } from "./sessions.ts";
import type { Message, Store } from "./store.ts";

/** How far a direct message is proven to have come. */
export type DeliveryState =
  | "queued"
  | "noticed"
  | "injected"
  | "acked"
  | "expired"
  | "undeliverable";

/** What became of a direct message. */
export interface Delivery {
  /** The message's id. */
  readonly id: string;
  /** The session that it is for. */
  readonly to: string;
  /** How far it has come. */
  readonly state: DeliveryState;
  /** Since when, as an ISO 8601 time in UTC. */
  readonly changedAt: string;
  /**
   * When the message ceases to be delivered, as an ISO 8601 time in UTC; absent
   * once it is deleted.
   */
  readonly expiresAt?: string;
}

/** How to read the inbox. */
export interface InboxOptions {
  /** Ends the waiting: who waits gets its reason. */
  readonly signal?: AbortSignal;
}

const PAGE_MESSAGES = 100;

/** Direct messages that are not acknowledged yet, and those that come. */
export class Inbox implements AsyncIterable<Message> {
  readonly #store: Store;
  readonly #self: SessionSelf;
  readonly #register: (act: string) => Promise<void>;
  readonly #options: InboxOptions;

  /** Made by the bus: call {@linkcode MessageBus.inbox}. */
  constructor(
    store: Store,
    self: SessionSelf,
    register: (act: string) => Promise<void>,
    options: InboxOptions,
  ) {
    this.#store = store;
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
    after: string = this.#store.startCursor,
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
    using _watch = await this.#store.watch(
      { channels: null, project: null, session: this.#self.id },
      changes.wake,
    );
    let after = this.#store.startCursor;
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
    return await this.#store.pendingFor(this.#self.id, after, PAGE_MESSAGES);
  }

  async #move(
    messages: readonly (Message | string)[],
    state: DeliveryState,
  ): Promise<void> {
    if (messages.length === 0) return;
    const ids = messages.map((message) =>
      typeof message === "string"
        ? this.#store.parseCursor(message)
        : message.id
    );
    await this.#register("read the inbox");
    await this.#store.moveDeliveries(this.#self.id, ids, state);
  }
}
