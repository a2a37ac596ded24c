/**
 * The bus, as `openBus()` returns it.
 *
 * The bus turns calls into operations of a store, whichever store it is. Its own
 * invariants:
 *
 * - **An invalid message is never stored.** A message is checked completely before
 *   anything is written.
 * - **Publishes of one tick share a transaction**, in the order of the calls. An
 *   error rejects only the promise of its own message. Publishes during a
 *   transaction wait for the next one.
 * - **The session is registered before it first publishes.** Closing the bus ends
 *   it if its process is this one.
 * - **Closing ends everything**: first pending publishes are committed, then
 *   subscriptions end, then the store is closed.
 *
 * @module
 */

import {
  type Publication,
  PUBLICATION_KEYS,
  PUBLISH_KEYS,
  type Published,
  type PublishOptions,
} from "../model/publication.ts";
import { GivingBack } from "./giving_back.ts";
import { isMoved, type Operations } from "./operations.ts";
import { ReplyWait } from "./reply_wait.ts";
import { Batch, type BatchResult } from "./batch.ts";
import { Changes } from "./changes.ts";
import { assertChannel, ttlOf } from "../model/channels.ts";
import {
  ClosedError,
  InvalidInputError,
  SessionEndedError,
} from "../model/errors.ts";
import type { SentMessage } from "./operations.ts";
import { Inbox, INBOX_KEYS, type InboxOptions } from "./inbox.ts";
import type { Delivery } from "../model/delivery.ts";
import { encodePayload, type Json } from "../model/json.ts";
import { EVERYONE } from "../rules/names.ts";
import { assertKnownKeys, type KeysOf } from "../model/known_keys.ts";
import { ASK_CHANNEL, ASK_TIMEOUT_MS } from "../model/question.ts";
import { Locks, markReleased } from "./locks.ts";
import {
  assertName,
  assertNoNul,
  projectNameOf,
  type ResolvedOptions,
} from "./options.ts";
import { RateLimit } from "./rate_limit.ts";
import { Sessions, type SessionSelf } from "./sessions.ts";
import type { SessionStart } from "../model/session.ts";
import type { Stats, StoreCapabilities } from "../store/store.ts";
import type {
  AppendResult,
  Interest,
  Message,
  NewMessage,
  Page,
  Purged,
} from "../model/message.ts";
import {
  SUBSCRIBE_KEYS,
  type SubscribeOptions,
  Subscription,
} from "./subscription.ts";
import { Tasks } from "./tasks.ts";

/** Options of asking a session. */
export interface AskOptions {
  /**
   * Time to wait for the answer, in milliseconds.
   * @default {300000}
   */
  readonly timeoutMs?: number;
  /**
   * Channel of the question.
   * @default {"ask"}
   */
  readonly channel?: string;
  /**
   * Whether to acknowledge the answer. A program that must not lose it acknowledges
   * it later, with `bus.inbox().ack(answer)`.
   * @default {true}
   */
  readonly acknowledge?: boolean;
  /** Ends the waiting: it rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** Channel of conversations. */
const CHAT = "chat";

const ASK_KEYS: KeysOf<AskOptions> = {
  timeoutMs: true,
  channel: true,
  acknowledge: true,
  signal: true,
};

/** Options of listing sent messages. */
export interface SentOptions {
  /**
   * Maximum number of messages, 1 to 10,000.
   * @default {100}
   */
  readonly limit?: number;
}

const SENT_KEYS: KeysOf<SentOptions> = { limit: true };

/** Options of polling. */
export interface PollOptions {
  /**
   * Cursor after which to read: a message's id or a page's cursor.
   * @default {before the oldest kept message}
   */
  readonly after?: string;
  /**
   * Maximum number of messages, 1 to 10,000.
   * @default {100}
   */
  readonly limit?: number;
  /**
   * Whether to read messages of every project, not only of the bus's own.
   * @default {false}
   */
  readonly allProjects?: boolean;
}

const POLL_KEYS: KeysOf<PollOptions> = {
  after: true,
  limit: true,
  allProjects: true,
};

const REPLY_KEYS: KeysOf<Omit<PublishOptions, "to" | "replyTo">> = {
  ttlSeconds: true,
  project: true,
};

const SIGNAL_KEYS: KeysOf<{ signal?: AbortSignal }> = { signal: true };

const CHANNELS_MAX = 100;

// Longest delay of a timer; a longer one fires at once.
const TIMER_MS_MAX = 2 ** 31 - 1;

const PAGE_MESSAGES_MAX = 10_000;
const PUBLISH_MANY_MAX = 10_000;

// Bounds a flush, so that no transaction holds the write lock for long.
const FLUSH_MESSAGES_MAX = 1_000;

interface Pending {
  readonly message: NewMessage;
  readonly resolve: (published: Published) => void;
  readonly reject: (error: unknown) => void;
}

/** Work with a transaction of its own, in order among the publishes. */
interface OwnTransaction {
  readonly run: () => Promise<void>;
}

/** Bus, as one session uses it. */
export class MessageBus implements AsyncDisposable {
  /** Sessions on the bus, and the bus's own session. */
  readonly sessions: Sessions;
  /** Locks on paths and named resources. */
  readonly locks: Locks;
  /** Tasks and claims. */
  readonly tasks: Tasks;
  readonly #operations: Operations;
  readonly #self: SessionSelf;
  readonly #options: ResolvedOptions;
  readonly #rateLimit: RateLimit;
  readonly #subscriptions = new Set<Subscription>();
  readonly #ended = new AbortController();
  readonly #givingBack = new GivingBack();
  readonly #closeOnAbort = (): void => {
    this.close().catch(({ message }) => this.#options.warn(`mbus: ${message}`));
  };
  readonly #pending: (Pending | OwnTransaction)[] = [];
  #flushing: Promise<void> | undefined;
  #registering: Promise<unknown> | undefined;
  #heartbeat: ReturnType<typeof setInterval> | undefined;
  #isClosing = false;
  #isClosed = false;

  /**
   * Called by {@linkcode openBus}. With `registered` the session is on the bus
   * already: the bus joins it and leaves its row unchanged.
   */
  constructor(
    operations: Operations,
    start: SessionStart,
    options: ResolvedOptions,
    registered = false,
  ) {
    this.#operations = operations;
    this.#self = {
      id: start.id,
      owned: registered,
      ended: false,
      process: start,
      start,
      closing: this.#ended.signal,
      taking: new Set(),
    };
    this.#options = options;
    this.#rateLimit = new RateLimit(options.publishesPerSecondMax);
    this.sessions = new Sessions(
      operations,
      this.#self,
      () => this.#startHeartbeat(),
    );
    const register = (act: string) => this.#register(act);
    this.locks = new Locks(operations, this.#self, register);
    this.tasks = new Tasks(operations, this.#self, register);
    options.signal?.addEventListener("abort", this.#closeOnAbort);
  }

  /** Id of the bus's own session. */
  get session(): string {
    return this.#self.id;
  }

  /** Name of the bus's own session; absent before registration. */
  get name(): string | undefined {
    return this.#self.name;
  }

  /** Project of the bus's session; `null` for every project. */
  get project(): string | null {
    return this.#self.start.project;
  }

  /** File or server of the store, without credentials. */
  get location(): string {
    return this.#operations.location;
  }

  /** Capabilities of the store. */
  get capabilities(): StoreCapabilities {
    return this.#operations.capabilities;
  }

  /**
   * Publishes a message on a channel. Resolves after the commit, from when on the
   * message survives the death of this process.
   *
   * @param channel Name of the channel.
   * @param payload Any JSON value, by default up to 64 KiB.
   * @throws {InvalidInputError} If channel, payload or TTL is invalid.
   * @throws {RateLimitError} If this process publishes too fast.
   * @throws {BusyError} If other writers hold the store beyond the busy timeout.
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
      // An error thrown here rejects the promise.
      this.#assertOpen("publish");
      assertKnownKeys(`publish on "${channel}"`, options, PUBLISH_KEYS);
      const message = this.#toMessage(channel, payload, options);
      this.#rateLimit.take(1);
      this.#enqueue({ message, resolve, reject });
    });
  }

  /**
   * Publishes several messages in one transaction, all or none.
   *
   * @throws {InvalidInputError} If one message is invalid; then none is stored.
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
    this.#assertOpen("publish");
    if (publications.length === 0) return [];
    if (publications.length > PUBLISH_MANY_MAX) {
      throw new InvalidInputError(
        "publications",
        `Cannot publish ${publications.length} messages at once: the limit is ` +
          `${PUBLISH_MANY_MAX}. Publish them in parts.`,
      );
    }
    const messages = publications.map((publication) => {
      assertKnownKeys("publish several", publication, PUBLICATION_KEYS);
      const { channel, payload } = publication;
      return this.#toMessage(channel, payload, publication);
    });
    this.#rateLimit.take(messages.length);
    return await this.#inOrder(async () => {
      await this.#register("publish");
      const appended = await this.#operations.append(this.#signed(messages), {
        atomic: true,
      });
      return appended.map(toPublished);
    });
  }

  /**
   * Returns kept messages of some channels after a cursor, oldest first.
   *
   * @param channels One channel, several, or `null` for all.
   * @throws {InvalidInputError} If a channel or the cursor is invalid, or the cursor
   * lies beyond the last message.
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
    this.#assertOpen("poll");
    assertKnownKeys("poll", options, POLL_KEYS);
    const { after, limit = 100 } = options;
    assertLimit("poll", limit);
    return await this.#operations.read(
      this.#interest(channels, options.allProjects),
      after === undefined
        ? this.#operations.startCursor
        : this.#operations.parseCursor(after),
      limit,
    );
  }

  /**
   * Iterates over messages of some channels as they come. By default it begins
   * with the next message; `options` set another start or a durable name. Ends
   * with `break`, its `close`, its `signal` or the bus.
   *
   * @param channels One channel, several, or `null` for all.
   * @throws {InvalidInputError} If a channel, the cursor or the name is invalid, or
   * the cursor lies beyond the last message.
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
    this.#assertOpen("subscribe");
    assertKnownKeys("subscribe", options, SUBSCRIBE_KEYS);
    assertName("durable", options.durable);
    const subscription = new Subscription(
      this.#operations,
      this.#interest(channels, options.allProjects),
      options,
      { onClose: (ended) => this.#subscriptions.delete(ended) },
    );
    this.#subscriptions.add(subscription);
    return subscription;
  }

  /**
   * Returns the inbox of the bus's session: its unacknowledged direct messages,
   * and new ones as they come.
   *
   * @example
   * ```ts
   * import { openBus } from "@coditect/message-bus";
   * import assert from "node:assert/strict";
   *
   * const home = await Deno.makeTempDir();
   * await using bus = await openBus({ home, session: "me" });
   * await using peer = await openBus({ home, session: "peer" });
   * await bus.sessions.register();
   *
   * const { id } = await peer.publish("chat", "hello", { to: "me" });
   * for await (const message of bus.inbox()) {
   *   assert.equal(message.payload, "hello");
   *   await bus.inbox().ack(message);
   *   break;
   * }
   * assert.equal((await peer.delivery(id))?.state, "acked");
   * ```
   */
  inbox(options: InboxOptions = {}): Inbox {
    this.#assertOpen("read the inbox");
    assertKnownKeys("read the inbox", options, INBOX_KEYS);
    return new Inbox(
      this.#operations,
      this.#self,
      (act) => this.#register(act),
      options,
    );
  }

  /**
   * Returns the delivery of a direct message: its proven progress. Undefined if
   * the id is not of a direct message, or its delivery is no longer kept.
   */
  async delivery(id: string): Promise<Delivery | undefined> {
    this.#assertOpen("look up a delivery");
    return await this.#operations.delivery(this.#operations.parseCursor(id));
  }

  /**
   * Returns the latest direct messages of the bus's session, latest first, each with
   * its delivery.
   *
   * @throws {InvalidInputError} If the limit is out of range.
   *
   * @example
   * ```ts
   * import { openBus } from "@coditect/message-bus";
   * import assert from "node:assert/strict";
   *
   * const home = await Deno.makeTempDir();
   * await using bus = await openBus({ home, session: "me" });
   * await using peer = await openBus({ home, session: "peer" });
   * await peer.sessions.register();
   * await bus.publish("chat", "hello", { to: "peer" });
   * const [sent] = await bus.sent();
   * assert.deepEqual([sent.to, sent.state], ["peer", "queued"]);
   * ```
   */
  async sent(options: SentOptions = {}): Promise<readonly SentMessage[]> {
    const act = "list sent messages";
    this.#assertOpen(act);
    assertKnownKeys(act, options, SENT_KEYS);
    const { limit = 100 } = options;
    assertLimit(act, limit);
    return this.#self.owned
      ? await this.#operations.sentBy(this.#self.id, limit)
      : [];
  }

  /** Iterates over the delivery of a direct message, now and at each change. */
  async *watchDelivery(
    id: string,
    options: { readonly signal?: AbortSignal } = {},
  ): AsyncGenerator<Delivery, void, void> {
    this.#assertOpen("watch a delivery");
    assertKnownKeys("watch a delivery", options, SIGNAL_KEYS);
    const changes = new Changes(this.#self.closing, options.signal);
    using _watch = await this.#operations.watchChanges(
      "deliveries",
      this.#self.id,
      changes.wake,
    );
    let last: Delivery | undefined;
    let expiry: ReturnType<typeof setTimeout> | undefined;
    try {
      for (;;) {
        const delivery = await this.delivery(id);
        if (delivery === undefined) return;
        if (delivery.state !== last?.state) yield delivery;
        last = delivery;
        if (["acked", "expired", "undeliverable"].includes(delivery.state)) {
          return;
        }
        // No bell rings at the expiry.
        clearTimeout(expiry);
        expiry = this.#atExpiry(delivery, changes.wake);
        if (!await changes.next()) return;
      }
    } finally {
      clearTimeout(expiry);
      changes.close();
    }
  }

  #atExpiry(
    { expiresAt }: Delivery,
    wake: () => void,
  ): ReturnType<typeof setTimeout> | undefined {
    if (expiresAt === undefined) return undefined;
    const leftMs = Date.parse(expiresAt) - this.#options.now();
    // A longer timer would fire at once.
    return leftMs > TIMER_MS_MAX
      ? undefined
      : setTimeout(wake, Math.max(0, leftMs) + 1);
  }

  /**
   * Writes to one session, or to all sessions of the project on the channel `chat`.
   *
   * @param to Session: its name, a unique beginning of it, its id, or a vendor with
   * one living session in the project; `all` for all sessions.
   * @throws {UnknownSessionError} If no session or several sessions match.
   *
   * @example
   * ```ts
   * import { openBus } from "@coditect/message-bus";
   * import assert from "node:assert/strict";
   *
   * const home = await Deno.makeTempDir();
   * await using bus = await openBus({ home });
   * await using peer = await openBus({ home, name: "backend" });
   * await peer.sessions.register();
   * const { toName } = await bus.tell("back", "the tests are green");
   * assert.equal(toName, "backend");
   * ```
   */
  async tell(
    to: string,
    payload: Json,
    options: Omit<PublishOptions, "to" | "replyTo"> = {},
  ): Promise<Published> {
    assertKnownKeys(`write to "${to}"`, options, REPLY_KEYS);
    return await this.publish(
      CHAT,
      payload,
      to === EVERYONE ? options : { ...options, to },
    );
  }

  /**
   * Asks a session, and waits for its reply.
   *
   * @param to Session: its name, a unique beginning of it, its id, or a vendor with
   * one living session in the project.
   * @throws {UnknownSessionError} If the session is not on the bus.
   * @throws {AskTimeoutError} If the session does not answer in time.
   * @throws {AskUnansweredError} If the session has ended, or ends before it
   * answers.
   *
   * @example
   * ```ts
   * import { openBus } from "@coditect/message-bus";
   * import assert from "node:assert/strict";
   *
   * const home = await Deno.makeTempDir();
   * await using bus = await openBus({ home, session: "me" });
   * await using peer = await openBus({ home, session: "peer" });
   * await peer.sessions.register();
   *
   * const answering = (async () => {
   *   for await (const question of peer.inbox()) {
   *     await peer.reply(question, "fine");
   *     break;
   *   }
   * })();
   * const answer = await bus.ask("peer", "how is it going?");
   * assert.equal(answer.payload, "fine");
   * await answering;
   * ```
   */
  async ask(
    to: string,
    payload: Json,
    options: AskOptions = {},
  ): Promise<Message> {
    assertKnownKeys(`ask "${to}"`, options, ASK_KEYS);
    if (to === EVERYONE) {
      throw new InvalidInputError(
        "to",
        "Cannot ask all: only one session can answer. Ask one session, or write " +
          'to all with "mbus tell all TEXT".',
      );
    }
    const { timeoutMs = ASK_TIMEOUT_MS, channel = ASK_CHANNEL, signal } =
      options;
    const { acknowledge = true } = options;
    const startedAt = performance.now();
    await this.#register(`ask "${to}"`);
    const wait = new ReplyWait(this.#operations, this.#self, signal);
    try {
      await wait.watch();
      const question = await this.publish(channel, payload, { to });
      const answer = await wait.replyTo(question, startedAt, timeoutMs);
      if (acknowledge) await this.inbox().ack(answer);
      return answer;
    } finally {
      wait.close();
    }
  }

  /**
   * Answers a direct message and acknowledges it, both or neither.
   *
   * @param message Message of the inbox.
   */
  async reply(
    message: Pick<Message, "id" | "sender" | "channel">,
    payload: Json,
    options: Omit<PublishOptions, "to" | "replyTo"> = {},
  ): Promise<Published> {
    assertKnownKeys(`reply to message ${message.id}`, options, REPLY_KEYS);
    return await this.publish(message.channel, payload, {
      ...options,
      to: message.sender,
      replyTo: message.id,
    });
  }

  /**
   * Performs several operations in one transaction, all or none.
   *
   * @param build Records the operations; it must not be asynchronous.
   * @throws {InvalidInputError} If `build` returns a value, or the store has no
   * atomic batches.
   * @throws {NotHeldError} If a lock or claim is no longer held; then no operation
   * has an effect.
   *
   * @example
   * ```ts
   * import { openBus } from "@coditect/message-bus";
   * import assert from "node:assert/strict";
   *
   * await using bus = await openBus({ home: await Deno.makeTempDir() });
   * const lock = await bus.locks.acquire("a.ts", { type: "exclusive" });
   * await bus.tasks.post({ id: "T-1", title: "write a.ts" });
   * const claim = await bus.tasks.claim("T-1");
   *
   * const { tasks } = await bus.batch((b) => {
   *   b.release(lock);
   *   b.complete(claim);
   *   b.publish("state", { status: "idle" });
   * });
   * assert.equal(tasks[0].status, "done");
   * ```
   */
  async batch(build: (batch: Batch) => void): Promise<BatchResult> {
    this.#assertOpen("run a batch");
    if (!this.#operations.capabilities.atomicBatches) {
      throw new InvalidInputError(
        "batch",
        "Cannot run a batch: this store has no atomic batches. Run the " +
          "operations one by one.",
      );
    }
    const batch = new Batch(
      this.#self,
      (...message) => this.#toMessage(...message),
    );
    const returned: unknown = build(batch);
    if (returned !== undefined) {
      // Its later errors concern no caller.
      if (returned instanceof Promise) returned.catch(() => {});
      throw new InvalidInputError(
        "build",
        "Cannot run a batch: its builder returned a value, as an async function " +
          "does. Only record in it, and await before or after.",
      );
    }
    const messages = batch.operations.filter(({ kind }) => kind === "append");
    this.#rateLimit.take(messages.length);
    const results = await this.#inOrder(async () => {
      await this.#register("run a batch");
      return await this.#operations.batch(batch.operationsOf(this.session));
    });
    batch.released.forEach(markReleased);
    return {
      published: results.flatMap((result) =>
        result.kind === "append" ? [result.appended] : []
      ),
      tasks: results.flatMap((result) => "task" in result ? [result.task] : []),
    };
  }

  /**
   * Deletes everything expired at once. A bus does this by itself in small steps.
   */
  async purge(): Promise<Purged> {
    this.#assertOpen("purge");
    let [expired, overCap, sessions] = [0, 0, 0];
    for (;;) {
      const step = await this.#operations.purge();
      expired += step.expired;
      overCap += step.overCap;
      sessions += step.sessions;
      if (!step.more) return { expired, overCap, sessions, more: false };
      // Lets other writers in between the steps.
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }

  /** Returns numbers of rows and sizes of the bus. */
  async stats(): Promise<Stats> {
    this.#assertOpen("read statistics");
    return await this.#operations.stats();
  }

  /**
   * Closes the bus: commits pending publishes, ends subscriptions and waits, and
   * ends the session with its locks and tasks. If the store fails, closing is
   * repeated until it succeeds, and a further call tries at once.
   *
   * @throws {BusyError} If other writers hold the store beyond the busy timeout.
   */
  async close(): Promise<void> {
    this.#isClosing = true;
    if (this.#isClosed) return;
    await this.#givingBack.giveBack(this, () => this.#close());
  }

  /** Closes the bus at the end of an `await using` block. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    this.#options.signal?.removeEventListener("abort", this.#closeOnAbort);
    // Only if needed, because the first call loads the runtime's timers.
    if (this.#heartbeat !== undefined) clearInterval(this.#heartbeat);
    try {
      await this.#flushing;
      this.#ended.abort();
      await Promise.all([...this.#subscriptions].map((each) => each.close()));
      const self = this.#self;
      while (self.taking.size > 0) await Promise.allSettled(self.taking);
      if (self.owned && self.start.pid === Deno.pid) {
        await this.#operations.endSession(self.id, self.process);
      }
    } catch (error) {
      // With a moved database there is nothing left to release.
      if (!isMoved(error)) throw error;
    }
    await this.#operations.close();
    this.#isClosed = true;
  }

  #assertOpen(act: string): void {
    if (this.#isClosing) throw new ClosedError(act);
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
          `Cannot read ${names.length} channels: the number is out of range. ` +
            `Pass 1 to ${CHANNELS_MAX}, or null for all.`,
        );
      }
      names.forEach(assertChannel);
    }
    const self = this.#self;
    return {
      channels: names === null ? null : [...new Set(names)],
      project: allProjects ? null : this.project,
      // Before registration, the id may belong to another session.
      get session(): string | null {
        return self.owned ? self.id : null;
      },
    };
  }

  #toMessage(
    channel: string,
    payload: Json,
    options: PublishOptions,
  ): NewMessage {
    assertNoNul("project", options.project);
    assertChannel(channel);
    return {
      sender: this.#self.id,
      channel,
      payloadText: encodePayload(
        channel,
        payload,
        this.#options.payloadBytesMax,
      ),
      ttlSeconds: ttlOf(channel, options.ttlSeconds, {
        isDirect: options.to !== undefined,
      }),
      project: projectNameOf(options.project, this.project),
      to: options.to,
      replyTo: options.replyTo === undefined
        ? undefined
        : this.#toMessageId(options.replyTo),
    };
  }

  #toMessageId(text: string): string {
    const id = this.#operations.parseCursor(text);
    if (id !== this.#operations.startCursor) return id;
    throw new InvalidInputError(
      "replyTo",
      `Cannot reply to message ${id}: it is before all messages. Pass the id ` +
        `of a message.`,
    );
  }

  #enqueue(pending: Pending | OwnTransaction): void {
    this.#pending.push(pending);
    // All publishes of this tick come before the first step of the flush.
    this.#flushing ??= Promise.resolve().then(() => this.#flush());
  }

  /** Runs `work` after all earlier publishes, and before all later ones. */
  #inOrder<T>(work: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#enqueue({ run: () => work().then(resolve, reject) });
    });
  }

  async #flush(): Promise<void> {
    while (this.#pending.length > 0) {
      const first = this.#pending[0];
      if ("run" in first) {
        this.#pending.shift();
        await first.run();
      } else await this.#publishTogether(this.#takePublishes());
    }
    this.#flushing = undefined;
  }

  /** Takes pending publishes for one transaction. */
  #takePublishes(): Pending[] {
    const end = this.#pending.findIndex((pending, i) =>
      "run" in pending || i === FLUSH_MESSAGES_MAX
    );
    return this.#pending.splice(
      0,
      end === -1 ? this.#pending.length : end,
    ) as Pending[];
  }

  async #publishTogether(batch: readonly Pending[]): Promise<void> {
    try {
      if (!this.#self.owned) await this.#register("publish");
      const messages = this.#signed(batch.map(({ message }) => message));
      const appended = await this.#operations.append(messages, {
        atomic: false,
      });
      batch.forEach(({ resolve, reject }, i) => {
        const result = appended[i];
        if ("error" in result) reject(result.error);
        else resolve(result);
      });
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  }

  /** Returns the messages with the present id of the session as sender. */
  #signed(messages: readonly NewMessage[]): readonly NewMessage[] {
    const sender = this.#self.id;
    return messages.map((message) =>
      message.sender === sender ? message : { ...message, sender }
    );
  }

  /** Registers the session unless it is registered. */
  async #register(act: string): Promise<void> {
    if (this.#self.owned) return;
    if (this.#self.ended) throw new SessionEndedError(act, this.session);
    this.#registering ??= this.sessions.register()
      .finally(() => this.#registering = undefined);
    await this.#registering;
  }

  #startHeartbeat(): void {
    // A session of another process gets its heartbeats from its own acts.
    if (this.#self.start.pid !== Deno.pid || this.#isClosing) {
      return;
    }
    this.#heartbeat ??= setInterval(() => {
      this.sessions.heartbeat().catch((error) => {
        if (this.#isClosing) return;
        // Direct messages to the id are no longer for this process.
        if (error instanceof SessionEndedError) {
          this.#self.owned = false;
          this.#self.ended = true;
        }
        this.#options.warn(`mbus: ${error.message}`);
      });
    }, this.#options.heartbeatIntervalMs);
    Deno.unrefTimer(this.#heartbeat as unknown as number);
  }
}

function assertLimit(act: string, limit: number): void {
  if (Number.isInteger(limit) && limit >= 1 && limit <= PAGE_MESSAGES_MAX) {
    return;
  }
  throw new InvalidInputError(
    "limit",
    `Cannot ${act}: the limit ${limit} is out of range. Pass 1 to ` +
      `${PAGE_MESSAGES_MAX}.`,
  );
}

function toPublished(result: AppendResult): Published {
  if ("error" in result) throw result.error;
  return result;
}
