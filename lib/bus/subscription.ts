/**
 * Subscriptions: an iteration of messages after a cursor.
 *
 * ```text
 *   starting ──▶ reading ──▶ waiting ──▶ reading … ──▶ ended
 *               (a page)    (a wake-up)              (break, close, signal, error)
 * ```
 *
 * - **Pull, not push.** The next page is read after the last one is consumed. A
 *   slow reader holds at most one page in memory, and no message is dropped.
 * - **No wake-up is missed.** The watch starts before the first read, and a wake-up
 *   during a read causes another read.
 * - **Ephemeral**: begins now or at a given cursor, and delivers each message once.
 * - **Durable**: begins after the last acknowledged message of its name, and
 *   delivers each message at least once until it is acknowledged. One reader at a
 *   time leases the name and renews the lease. A reader that lost the lease gets an
 *   error at its next step.
 * - A durable reader reads a page again after a second. It may have been stopped
 *   meanwhile, and another reader may have acknowledged the messages.
 *
 * @module
 */

import type { Operations } from "./operations.ts";
import {
  ClosedError,
  InvalidInputError,
  MessageBusError,
} from "../model/errors.ts";
import type { KeysOf } from "../model/known_keys.ts";
import type { Watch, WatchMode } from "../store/store.ts";
import type { DurableReader } from "../model/durable.ts";
import type { Interest, Message, Page } from "../model/message.ts";

/** Options of subscribing. */
export interface SubscribeOptions {
  /**
   * Start: `now`, `start` (the oldest kept message), or a cursor after which to
   * begin. An existing durable name begins after its last acknowledged message.
   * @default {"now"}
   */
  readonly from?: string;
  /**
   * Durable name, whose cursor is stored. Messages come at least once until they
   * are acknowledged with {@linkcode Subscription.ack}. A name that is unused for
   * seven days is deleted.
   */
  readonly durable?: string;
  /**
   * Receives the number of newly lost messages of the durable name: TTL or cap
   * deleted them before they were acknowledged. The next reader does not receive
   * them again, unless this one is killed right then.
   */
  readonly onLost?: (count: number) => void;
  /**
   * Whether to read messages of every project, not only of the bus's own.
   * @default {false}
   */
  readonly allProjects?: boolean;
  /** Ends the subscription when aborted; a waiting `next` throws its reason. */
  readonly signal?: AbortSignal;
}

/** Keys of {@linkcode SubscribeOptions}. */
export const SUBSCRIBE_KEYS: KeysOf<SubscribeOptions> = {
  from: true,
  durable: true,
  onLost: true,
  allProjects: true,
  signal: true,
};

/** Callbacks of a subscription to its bus. */
export interface SubscriptionHooks {
  /** Called after the subscription has ended and released everything. */
  readonly onClose: (subscription: Subscription) => void;
}

// Spreads the cost of a read, and bounds memory.
const PAGE_MESSAGES = 256;

// Time for which a durable reader delivers a page without checking its lease; far
// shorter than the lease.
const PAGE_TRUSTED_MS = 1_000;

/** Pending call of `next`. */
type PendingNext = Pick<
  PromiseWithResolvers<IteratorResult<Message, undefined>>,
  "resolve" | "reject"
>;

/**
 * Removes and returns the first element. `pop` is faster than `shift` for the usual
 * single element.
 */
function takeFirst<T>(queue: T[]): T {
  return queue.length === 1 ? queue.pop()! : queue.shift()!;
}

/** Async iteration of messages. */
export class Subscription
  implements AsyncIterableIterator<Message>, AsyncDisposable {
  /** Resolves once later messages are certain to be delivered. */
  readonly ready: Promise<void>;
  readonly #operations: Operations;
  readonly #interest: Interest;
  readonly #options: SubscribeOptions;
  readonly #hooks: SubscriptionHooks;
  #isReady = false;
  #page: readonly Message[] = [];
  // Number of messages of the page that were delivered.
  #taken = 0;
  // Whether the page was read for the present call of `next`.
  #isFresh = false;
  #readAtMs = 0;
  #cursor = "";
  #delivered = "";
  #more = true;
  #woken = true;
  #isReading = false;
  // Pending calls of `next`, the earliest first.
  readonly #pending: PendingNext[] = [];
  #watch: Watch | undefined;
  #reader: DurableReader | undefined;
  #renewal: ReturnType<typeof setInterval> | undefined;
  // Acknowledgements and renewals under way; a release must not overtake them.
  readonly #advancing = new Set<Promise<DurableReader>>();
  #failure: { readonly error: unknown } | undefined;
  #isClosing = false;
  #closing: Promise<void> | undefined;

  /** Called by {@linkcode MessageBus.subscribe}. */
  constructor(
    operations: Operations,
    interest: Interest,
    options: SubscribeOptions,
    hooks: SubscriptionHooks,
  ) {
    this.#operations = operations;
    this.#interest = interest;
    this.#options = options;
    this.#hooks = hooks;
    // Deferred, because an immediate failure closes the subscription.
    this.ready = Promise.resolve().then(() => this.#start());
    // The iteration throws the error too, so `ready` may stay unhandled.
    this.ready.catch(() => {});
  }

  /** Cursor after the last delivered message. */
  get cursor(): string {
    return this.#delivered;
  }

  /** Kind of wake-up: by push or by polling. */
  get mode(): WatchMode {
    return this.#watch?.mode ?? "poll";
  }

  /**
   * Number of messages that the durable name has lost since it exists: TTL or cap
   * deleted them unacknowledged. 0 without a name.
   */
  get lost(): number {
    return this.#reader?.lost ?? 0;
  }

  /**
   * Returns the next message; waits for one if necessary.
   *
   * @throws {LeaseLostError} If another reader has leased the durable name.
   */
  next(): Promise<IteratorResult<Message, undefined>> {
    return new Promise((resolve, reject) => {
      this.#pending.push({ resolve, reject });
      this.#settle();
    });
  }

  /**
   * Acknowledges a message and all earlier ones, which are then not delivered again
   * under the durable name.
   *
   * @param message Delivered message, or its id.
   * @throws {InvalidInputError} If the subscription has no durable name.
   * @throws {LeaseLostError} If another reader has leased the name.
   */
  async ack(message: Message | string): Promise<void> {
    if (this.#options.durable === undefined) {
      throw new InvalidInputError(
        "durable",
        "Cannot acknowledge: this subscription has no durable name. " +
          'Subscribe with { durable: "…" }.',
      );
    }
    if (this.#isClosing) throw new ClosedError("acknowledge");
    const id = typeof message === "string"
      ? this.#operations.parseCursor(message)
      : message.id;
    await this.#advance(id);
  }

  /**
   * Ends the subscription, and with it each pending `next`. If the store fails, the
   * release of the durable name is repeated until it succeeds.
   */
  async close(): Promise<void> {
    this.#isClosing = true;
    this.#closing ??= this.#close().catch((error) => {
      this.#closing = undefined;
      throw error;
    });
    this.#settle();
    await this.#closing;
  }

  /** Ends the subscription, as `break` does. */
  async return(): Promise<IteratorResult<Message, undefined>> {
    await this.close();
    return { done: true, value: undefined };
  }

  /** Returns the subscription itself, which can be iterated once. */
  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Ends the subscription at the end of an `await using` block. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #start(): Promise<void> {
    const { signal, durable, from = "now" } = this.#options;
    if (this.#isClosing) return;
    if (signal?.aborted) {
      this.#abort();
      throw signal.reason;
    }
    signal?.addEventListener("abort", this.#abort);
    try {
      const begin = from === "now"
        ? await this.#operations.endCursor()
        : from === "start"
        ? this.#operations.startCursor
        : this.#operations.parseCursor(from);
      this.#watch = await this.#operations.watch(this.#interest, this.#wake);
      if (this.#isClosing) return;
      if (durable !== undefined) this.#cursor = await this.#lease(begin);
      else {
        // A cursor of another bus fails here, not at the first message.
        if (from !== "now") {
          await this.#operations.read(this.#interest, begin, 1);
        }
        this.#cursor = begin;
      }
      this.#delivered = this.#cursor;
      this.#isReady = true;
      this.#settle();
    } catch (error) {
      this.#fail(error);
      throw error;
    }
  }

  async #lease(begin: string): Promise<string> {
    const reader = await this.#operations.takeDurable(
      this.#options.durable!,
      this.#interest,
      begin,
    );
    this.#reader = reader;
    this.#reportLost(reader.lost);
    this.#renewal = setInterval(() => {
      this.#advance().catch((error) => {
        // A failing store does not end the lease; only another reader does,
        // and then a later renewal throws.
        const isTransient = error instanceof MessageBusError &&
          error.kind === "store";
        if (!isTransient) this.#fail(error);
      });
    }, reader.leaseMs / 3);
    return reader.cursor;
  }

  /** Renews the lease, and acknowledges up to a message if given. */
  async #advance(id?: string): Promise<void> {
    const advancing = this.ready.then(() =>
      this.#operations.advanceDurable(this.#reader!, id)
    );
    this.#advancing.add(advancing);
    try {
      const { lost } = await advancing;
      this.#reportLost(lost);
    } finally {
      this.#advancing.delete(advancing);
    }
  }

  /**
   * Settles pending calls of `next` as far as possible. Called after each change of
   * state; a page that the store returns synchronously settles them at once.
   */
  #settle(): void {
    while (this.#pending.length > 0 && !this.#isReading) {
      if (this.#failure !== undefined) {
        takeFirst(this.#pending).reject(this.#failure.error);
      } else if (this.#isClosing) {
        takeFirst(this.#pending).resolve({ done: true, value: undefined });
      } else if (!this.#isReady) {
        return;
      } else if (this.#taken < this.#page.length) {
        const value = this.#nextOfPage();
        if (value !== undefined) {
          takeFirst(this.#pending).resolve({ done: false, value });
        }
      } else if (this.#more || this.#woken) {
        this.#readPage();
      } else {
        return;
      }
    }
  }

  /** Takes the next message of the page; undefined if the page must be read again. */
  #nextOfPage(): Message | undefined {
    const message = this.#page[this.#taken];
    if (!this.#isFresh && this.#mayBeStale(message)) {
      this.#rewind();
      return undefined;
    }
    this.#isFresh = false;
    this.#delivered = message.id;
    // A delivered page is not kept in memory.
    if (++this.#taken === this.#page.length) this.#drop();
    return message;
  }

  /** Returns whether a message may have expired, or been acknowledged, since. */
  #mayBeStale(message: Message): boolean {
    return Date.parse(message.expiresAt) <= this.#operations.now() ||
      this.#reader !== undefined &&
        performance.now() - this.#readAtMs > PAGE_TRUSTED_MS;
  }

  /**
   * Drops the page, to read it again. The store then skips expired messages, counts
   * them for a durable name, and throws if the reader has lost its lease.
   */
  #rewind(): void {
    this.#drop();
    this.#cursor = this.#delivered;
    this.#more = true;
  }

  #drop(): void {
    this.#page = [];
    this.#taken = 0;
  }

  #readPage(): void {
    this.#woken = false;
    try {
      const reading = this.#reader === undefined
        ? this.#operations.read(this.#interest, this.#cursor, PAGE_MESSAGES)
        : this.#readDurablePage(this.#reader);
      if (reading instanceof Promise) this.#awaitPage(reading);
      else this.#usePage(reading);
    } catch (error) {
      this.#fail(error);
    }
  }

  async #awaitPage(reading: Promise<Page>): Promise<void> {
    this.#isReading = true;
    try {
      this.#usePage(await reading);
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#isReading = false;
      this.#settle();
    }
  }

  #usePage({ messages, cursor }: Page): void {
    this.#page = messages;
    this.#taken = 0;
    this.#isFresh = true;
    // Taken after the read, because a read may take longer than that time.
    if (this.#reader !== undefined) this.#readAtMs = performance.now();
    this.#cursor = cursor;
    this.#more = messages.length === PAGE_MESSAGES;
  }

  async #readDurablePage(reader: DurableReader): Promise<Page> {
    const page = await this.#operations.readDurable(
      reader,
      this.#interest,
      this.#cursor,
      PAGE_MESSAGES,
    );
    this.#reportLost(page.lost);
    return page;
  }

  #reportLost(lost: number): void {
    const reader = this.#reader!;
    const { told: before = 0 } = reader;
    const { onLost } = this.#options;
    // Results may overtake each other, and the count only grows.
    if (lost < reader.lost) return;
    const unreported = lost - before;
    const told = onLost === undefined ? before : lost;
    this.#reader = { ...reader, lost, told };
    if (unreported > 0) onLost?.(unreported);
  }

  readonly #wake = (): void => {
    this.#woken = true;
    this.#settle();
  };

  readonly #abort = (): void => {
    this.#fail(this.#options.signal!.reason);
  };

  /** Ends the subscription with an error for the pending or next `next`. */
  #fail(error: unknown): void {
    if (this.#isClosing) return;
    this.#failure ??= { error };
    this.#settle();
    this.close().catch(() => {
      // The iteration throws the first error, which led here.
    });
  }

  async #close(): Promise<void> {
    this.#options.signal?.removeEventListener("abort", this.#abort);
    // Waits for the start, so that a lease it takes is released too.
    await this.ready.catch(() => {});
    clearInterval(this.#renewal);
    this.#watch?.close();
    await Promise.allSettled(this.#advancing);
    try {
      if (this.#reader !== undefined) {
        await this.#operations.releaseDurable(this.#reader);
      }
    } finally {
      this.#hooks.onClose(this);
    }
  }
}
