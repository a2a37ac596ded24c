/**
 * Inbox: direct messages for the bus's own session.
 *
 * ```text
 *  queued ─▶ noticed ─▶ injected ─▶ acked
 *     │         │
 *     └─────────┴─▶ expired, or undeliverable if the addressee has ended
 * ```
 *
 * A state is never later than what is proven. `noticed`: the session's program has
 * read the message. `injected`: the message was shown to the model. `acked`: the
 * session acknowledged it.
 *
 * @module
 */

import type { DeliveryState } from "../model/delivery.ts";
import type { KeysOf } from "../model/known_keys.ts";
import type { Operations } from "./operations.ts";
import { Changes } from "./changes.ts";
import type { SessionSelf } from "./sessions.ts";
import type { Message } from "../model/message.ts";

/** Options of the inbox. */
export interface InboxOptions {
  /** Ends the iteration, which then throws the signal's reason. */
  readonly signal?: AbortSignal;
}

/** Keys of {@linkcode InboxOptions}. */
export const INBOX_KEYS: KeysOf<InboxOptions> = { signal: true };

const PAGE_MESSAGES = 100;

/** Direct messages that are not acknowledged, and new ones as they come. */
export class Inbox implements AsyncIterable<Message> {
  readonly #operations: Operations;
  readonly #self: SessionSelf;
  readonly #register: (act: string) => Promise<void>;
  readonly #options: InboxOptions;

  /** Called by {@linkcode MessageBus.inbox}. */
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
   * Returns at most 100 unacknowledged messages, oldest first, and marks them as
   * noticed.
   *
   * @param after Id of a message; only messages after it are returned.
   */
  async pending(
    after: string = this.#operations.startCursor,
  ): Promise<readonly Message[]> {
    // Before registration, the id may belong to another session.
    await this.#register("read the inbox");
    const messages = await this.#peek(after);
    await this.#move(messages, "noticed");
    return messages;
  }

  /** Returns the number of messages that no model was shown and none acknowledged. */
  async count(): Promise<number> {
    // Before registration, the id may belong to another session.
    if (!this.#self.owned) return 0;
    return await this.#operations.untoldCount(this.#self.id);
  }

  /**
   * Claims messages for this process, at most `limit`, so that parallel readers of
   * one session handle different ones. Returns the claimed messages, in order.
   *
   * A claim ends with the acknowledgement or the process. If the process cannot be
   * checked, the claim ends after 30 s.
   *
   * @example
   * ```ts
   * import { openBus } from "@coditect/message-bus";
   * import assert from "node:assert/strict";
   *
   * await using bus = await openBus({ home: await Deno.makeTempDir(), session: "me" });
   * await bus.sessions.register();
   * await bus.publish("chat", "hello", { to: "me" });
   *
   * const inbox = bus.inbox();
   * const [message] = await inbox.claim(await inbox.pending(), 1);
   * assert.equal(message.payload, "hello");
   * await inbox.ack(message);
   * ```
   */
  async claim(
    messages: readonly Message[],
    limit: number = messages.length,
  ): Promise<readonly Message[]> {
    if (messages.length === 0) return [];
    await this.#register("read the inbox");
    const ids = messages.map(({ id }) => id);
    const claimed = new Set(
      await this.#operations.claimDeliveries(this.#self.id, ids, limit),
    );
    return messages.filter(({ id }) => claimed.has(id));
  }

  /** Acknowledges a message: the session has dealt with it. */
  async ack(message: Message | string): Promise<void> {
    await this.#move([message], "acked");
  }

  /** Marks a message as shown to the model. */
  async injected(message: Message | string): Promise<void> {
    await this.#move([message], "injected");
  }

  /** Iterates over unacknowledged messages, then new ones, each once. */
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

  /** Marks a message as noticed; returns false once the bus is closed. */
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
