/**
 * The bus: what people hold.
 *
 * It turns calls into operations of a store and knows nothing of where the
 * rows live. What it keeps true itself:
 *
 * - **Nothing is stored of what is refused.** A message is checked whole
 *   before anything is written.
 * - **Publishes of one tick share a transaction**, in the order of the calls,
 *   each for itself: one that is refused rejects only its own promise. While
 *   a transaction is under way the next ones gather behind it.
 * - **The session is registered before it first publishes**, and ended when
 *   the bus is closed if its process is this one.
 * - **Closing ends everything**: what was published goes out first, then
 *   subscriptions end, then the store gives its resources back.
 *
 * @module
 */

import { checkChannel, ttlOf } from "./channels.ts";
import { ClosedError, InvalidInputError } from "./errors.ts";
import { encodePayload, type Json } from "./json.ts";
import { refuseUnlessName, type ResolvedOptions } from "./options.ts";
import { RateLimit } from "./rate_limit.ts";
import { Sessions, type SessionSelf, type SessionStart } from "./sessions.ts";
import type {
  Appended,
  Interest,
  NewMessage,
  Page,
  Purged,
  Stats,
  Store,
  StoreCapabilities,
} from "./store.ts";
import { type SubscribeOptions, Subscription } from "./subscription.ts";

/** How to publish a message. */
export interface PublishOptions {
  /**
   * How long the message is delivered, in seconds, above 0, at most 30 days.
   * @default {the channel's: `state` 60, `file_conflict` 300, `task_broadcast` 600, `heartbeat` 30, others 300}
   */
  readonly ttlSeconds?: number;
  /**
   * What the message belongs to; `null` for every project.
   * @default {the bus's project}
   */
  readonly project?: string | null;
}

/** One message of several to publish. */
export interface Publication extends PublishOptions {
  /** The channel. */
  readonly channel: string;
  /** The payload: any JSON value. */
  readonly payload: Json;
}

/** What became of a message that was published. */
export interface Published {
  /** Its id, and the cursor of "after this one". */
  readonly id: string;
}

/** Which messages to poll. */
export interface PollOptions {
  /**
   * Only what comes after this cursor: a message's id or a page's cursor.
   * @default {from the oldest that is kept}
   */
  readonly after?: string;
  /**
   * How many messages at the most, 1 to 10,000.
   * @default {100}
   */
  readonly limit?: number;
  /**
   * Whether messages of every project are read, not only one's own.
   * @default {false}
   */
  readonly allProjects?: boolean;
}

const CHANNELS_MAX = 100;
const PAGE_MESSAGES_MAX = 10_000;
const PUBLISH_MANY_MAX = 10_000;

// What one flush takes, so that no transaction holds the write lock for long.
const FLUSH_MESSAGES_MAX = 1_000;

interface Pending {
  readonly message: NewMessage;
  readonly resolve: (published: Published) => void;
  readonly reject: (error: unknown) => void;
}

/** A bus, as one session holds it. */
export class MessageBus implements AsyncDisposable {
  /** Who is on the bus, and what the bus's own session says of itself. */
  readonly sessions: Sessions;
  readonly #store: Store;
  readonly #self: SessionSelf;
  readonly #options: ResolvedOptions;
  readonly #rateLimit: RateLimit;
  readonly #subscriptions = new Set<Subscription>();
  readonly #closeOnAbort = (): void => void this.close();
  #pending: Pending[] = [];
  #flushing: Promise<void> | undefined;
  #registering: Promise<unknown> | undefined;
  #heartbeat: ReturnType<typeof setInterval> | undefined;
  #closing: Promise<void> | undefined;

  /**
   * Made by {@linkcode openBus}. With `registered` the session is on the bus
   * already: it is only joined, and its row is left as it is.
   */
  constructor(
    store: Store,
    start: SessionStart,
    options: ResolvedOptions,
    registered = false,
  ) {
    this.#store = store;
    this.#self = { id: start.id, owned: registered, start };
    this.#options = options;
    this.#rateLimit = new RateLimit(options.publishesPerSecondMax);
    this.sessions = new Sessions(store, this.#self);
    options.signal?.addEventListener("abort", this.#closeOnAbort);
  }

  /** The id of the bus's own session. */
  get session(): string {
    return this.#self.id;
  }

  /** What the bus's session works on; `null` for every project. */
  get project(): string | null {
    return this.#self.start.project;
  }

  /** Where the rows live, without credentials. */
  get location(): string {
    return this.#store.location;
  }

  /** What the store beneath can do. */
  get capabilities(): StoreCapabilities {
    return this.#store.capabilities;
  }

  /**
   * Publishes a message on a channel. Resolves once it is committed: it then
   * survives the death of this process.
   *
   * @param channel The channel's name.
   * @param payload Any JSON value, up to 64 KiB unless configured otherwise.
   * @throws {InvalidInputError} If channel, payload or TTL will not do.
   * @throws {RateLimitError} If this process publishes too fast.
   * @throws {BusyError} If other writers held the store for too long.
   *
   * @example
   * ```ts
   * import { openBus } from "@coditect/message-bus";
   * import assert from "node:assert/strict";
   *
   * await using bus = await openBus({ home: await Deno.makeTempDir() });
   * const { id } = await bus.publish("state", { status: "working" });
   * const { messages } = await bus.poll("state");
   * assert.equal(messages[0].id, id);
   * ```
   */
  publish(
    channel: string,
    payload: Json,
    options: PublishOptions = {},
  ): Promise<Published> {
    return new Promise((resolve, reject) => {
      // What throws in here rejects the promise.
      this.#refuseClosed("publish");
      const message = this.#toMessage(channel, payload, options);
      this.#rateLimit.take(1);
      this.#pending.push({ message, resolve, reject });
      if (this.#flushing === undefined) this.#startFlushing();
    });
  }

  /**
   * Publishes several messages in one transaction, all or none.
   *
   * @throws {InvalidInputError} If one will not do; then none is stored.
   *
   * @example
   * ```ts
   * import { openBus } from "@coditect/message-bus";
   * import assert from "node:assert/strict";
   *
   * await using bus = await openBus({ home: await Deno.makeTempDir() });
   * const published = await bus.publishMany([
   *   { channel: "state", payload: "reading" },
   *   { channel: "build.results", payload: { passed: 12 }, ttlSeconds: 3600 },
   * ]);
   * assert.equal(published.length, 2);
   * ```
   */
  async publishMany(
    publications: readonly Publication[],
  ): Promise<readonly Published[]> {
    this.#refuseClosed("publish");
    if (publications.length === 0) return [];
    if (publications.length > PUBLISH_MANY_MAX) {
      throw new InvalidInputError(
        "publications",
        `Cannot publish ${publications.length} messages at once: the most is ` +
          `${PUBLISH_MANY_MAX}; publish them in parts.`,
      );
    }
    const messages = publications.map((publication) =>
      this.#toMessage(publication.channel, publication.payload, publication)
    );
    this.#rateLimit.take(messages.length);
    await this.#register();
    // What was published before comes before.
    await this.#flushing;
    const appended = await this.#store.append(this.#signed(messages), {
      atomic: true,
    });
    return appended.map(toPublished);
  }

  /**
   * The kept messages of some channels after a cursor, oldest first.
   *
   * @param channels One channel, several, or `null` for all.
   * @throws {InvalidInputError} If a channel or the cursor is none.
   *
   * @example
   * ```ts
   * import { openBus } from "@coditect/message-bus";
   * import assert from "node:assert/strict";
   *
   * await using bus = await openBus({ home: await Deno.makeTempDir() });
   * await bus.publish("state", "one");
   * const first = await bus.poll("state");
   * await bus.publish("state", "two");
   * const second = await bus.poll("state", { after: first.cursor });
   * assert.deepEqual(second.messages.map((message) => message.payload), ["two"]);
   * ```
   */
  async poll(
    channels: string | readonly string[] | null,
    options: PollOptions = {},
  ): Promise<Page> {
    this.#refuseClosed("poll");
    const { after, limit = 100 } = options;
    if (!Number.isInteger(limit) || limit < 1 || limit > PAGE_MESSAGES_MAX) {
      throw new InvalidInputError(
        "limit",
        `Cannot poll ${limit} messages: pass 1 to ${PAGE_MESSAGES_MAX}.`,
      );
    }
    return await this.#store.read(
      this.#interest(channels, options.allProjects),
      after === undefined
        ? this.#store.startCursor
        : this.#store.parseCursor(after),
      limit,
    );
  }

  /**
   * The messages of some channels from now on, one by one as they come; from
   * elsewhere, or under a durable name, as the options say. Ends with `break`,
   * its `close`, its `signal` or the bus.
   *
   * @param channels One channel, several, or `null` for all.
   * @throws {InvalidInputError} If a channel, the cursor or the name is none.
   *
   * @example
   * ```ts
   * import { openBus } from "@coditect/message-bus";
   * import assert from "node:assert/strict";
   *
   * await using bus = await openBus({ home: await Deno.makeTempDir() });
   * const states = bus.subscribe("state");
   * await states.ready;
   * await bus.publish("state", { status: "working" });
   * for await (const message of states) {
   *   assert.deepEqual(message.payload, { status: "working" });
   *   break;
   * }
   * ```
   */
  subscribe(
    channels: string | readonly string[] | null,
    options: SubscribeOptions = {},
  ): Subscription {
    this.#refuseClosed("subscribe");
    refuseUnlessName("durable", options.durable);
    const subscription = new Subscription(
      this.#store,
      this.#interest(channels, options.allProjects),
      options,
      {
        now: this.#options.now,
        onClose: (ended) => this.#subscriptions.delete(ended),
      },
    );
    this.#subscriptions.add(subscription);
    return subscription;
  }

  /**
   * Deletes what is over: a bus does this by itself, a little at a time. Here
   * it is done to the end.
   */
  async purge(): Promise<Purged> {
    this.#refuseClosed("purge");
    let [expired, overCap, sessions] = [0, 0, 0];
    for (;;) {
      const step = await this.#store.purge();
      expired += step.expired;
      overCap += step.overCap;
      sessions += step.sessions;
      if (!step.more) return { expired, overCap, sessions, more: false };
      // Between the steps others may write.
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }

  /** How much the bus holds. */
  async stats(): Promise<Stats> {
    this.#refuseClosed("read statistics");
    return await this.#store.stats();
  }

  /** Ends everything; closing twice is fine. */
  async close(): Promise<void> {
    this.#closing ??= this.#close();
    await this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    this.#options.signal?.removeEventListener("abort", this.#closeOnAbort);
    clearInterval(this.#heartbeat);
    try {
      await this.#flushing;
      await Promise.all([...this.#subscriptions].map((each) => each.close()));
      if (this.#self.owned && this.#self.start.pid === Deno.pid) {
        await this.#store.endSession(this.#self.id);
      }
    } finally {
      await this.#store.close();
    }
  }

  #refuseClosed(act: string): void {
    if (this.#closing !== undefined) throw new ClosedError(act);
  }

  #interest(
    channels: string | readonly string[] | null,
    allProjects = false,
  ): Interest {
    const names = typeof channels === "string" ? [channels] : channels;
    if (names !== null) {
      if (names.length === 0 || names.length > CHANNELS_MAX) {
        throw new InvalidInputError(
          "channels",
          `Cannot read ${names.length} channels: name 1 to ${CHANNELS_MAX}, ` +
            `or pass null for all.`,
        );
      }
      names.forEach(checkChannel);
    }
    return {
      channels: names === null ? null : [...new Set(names)],
      project: allProjects ? null : this.project,
      session: this.#self.id,
    };
  }

  #toMessage(
    channel: string,
    payload: Json,
    options: PublishOptions,
  ): NewMessage {
    return {
      sender: this.#self.id,
      channel: checkChannel(channel),
      payloadText: encodePayload(
        channel,
        payload,
        this.#options.payloadBytesMax,
      ),
      ttlSeconds: ttlOf(channel, options.ttlSeconds),
      project: options.project === undefined ? this.project : options.project,
    };
  }

  #startFlushing(): void {
    // All publishes of this tick come before the first step of the flush.
    this.#flushing = Promise.resolve().then(() => this.#flush());
  }

  async #flush(): Promise<void> {
    while (this.#pending.length > 0) {
      const batch = this.#pending.splice(0, FLUSH_MESSAGES_MAX);
      try {
        if (!this.#self.owned) await this.#register();
        const messages = this.#signed(batch.map(({ message }) => message));
        const appended = await this.#store.append(messages, { atomic: false });
        batch.forEach(({ resolve, reject }, i) => {
          const result = appended[i];
          if ("error" in result) reject(result.error);
          else resolve({ id: result.id });
        });
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.#flushing = undefined;
  }

  /** The messages under the id that the session has by now. */
  #signed(messages: readonly NewMessage[]): readonly NewMessage[] {
    const sender = this.#self.id;
    return messages.map((message) =>
      message.sender === sender ? message : { ...message, sender }
    );
  }

  async #register(): Promise<void> {
    if (this.#self.owned) return;
    this.#registering ??= this.sessions.register()
      .then(() => this.#startHeartbeat())
      .finally(() => this.#registering = undefined);
    await this.#registering;
  }

  #startHeartbeat(): void {
    // A session of another process says by what it does that it lives.
    if (this.#self.start.pid !== Deno.pid || this.#closing !== undefined) {
      return;
    }
    this.#heartbeat ??= setInterval(() => {
      this.sessions.heartbeat().catch((error) => {
        if (this.#closing === undefined) {
          this.#options.warn(`mbus: ${error.message}`);
        }
      });
    }, this.#options.heartbeatIntervalMs);
    Deno.unrefTimer(this.#heartbeat as unknown as number);
  }
}

function toPublished(appended: Appended): Published {
  if ("error" in appended) throw appended.error;
  return { id: appended.id };
}
