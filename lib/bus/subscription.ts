/**
 * Subscriptions: messages one by one, from a cursor on.
 *
 * ```text
 *   starting ──▶ reading ──▶ waiting ──▶ reading … ──▶ ended
 *               (a page)    (a wake-up)              (break, close, signal, error)
 * ```
 *
 * - **Pull, not push.** A page is read when the last one was taken, so a slow
 *   reader holds at most a page in memory and nothing is dropped: it simply
 *   reads later.
 * - **No wake-up is missed**: the watch stands before the first read, and a
 *   wake-up that comes during a read makes it read once more.
 * - **Ephemeral**: it begins now, or at a given cursor, and each message comes
 *   once. **Durable**: it begins where its name was acknowledged, and each
 *   message comes at least once, until it is acknowledged. One reader at a
 *   time has the name, by a lease that is renewed while the subscription
 *   stands; one that lost it is told by the error of its next step. What it
 *   read ahead more than a second ago it reads again first: it may have been
 *   stopped since, and another reader have acknowledged it.
 *
 * @module
 */

import type { Operations } from "./operations.ts";
import {
  ClosedError,
  InvalidInputError,
  MessageBusError,
} from "../model/errors.ts";
import type { Watch, WatchMode } from "../store/store.ts";
import type { DurableReader } from "../model/durable.ts";
import type { Interest, Message, Page } from "../model/message.ts";

/** How to subscribe. */
export interface SubscribeOptions {
  /**
   * Where to begin: `now`, `start` (the oldest that is kept), or after a
   * cursor. A durable name that exists begins where it was acknowledged.
   * @default {"now"}
   */
  readonly from?: string;
  /**
   * The name to read under. Its cursor is stored: messages come at least once
   * until they are acknowledged with {@linkcode Subscription.ack}. A name that
   * is unused for seven days is forgotten.
   */
  readonly durable?: string;
  /**
   * Is told how many further messages the durable name has lost: TTL or cap
   * took them before they were acknowledged. What one reader was told of, the
   * next one is not told again, unless the first was killed right then.
   */
  readonly onLost?: (count: number) => void;
  /**
   * Whether messages of every project are read, not only one's own.
   * @default {false}
   */
  readonly allProjects?: boolean;
  /** Ends the subscription when aborted: who waits gets its reason. */
  readonly signal?: AbortSignal;
}

/** What a subscription needs of the bus that made it. */
export interface SubscriptionHooks {
  /** Is told when it has ended and given everything back. */
  readonly onClose: (subscription: Subscription) => void;
}

// Enough to spread the cost of a read, few enough to hold in memory.
const PAGE_MESSAGES = 256;

// How long a durable reader hands on what it read ahead without looking whether
// it still has the name: far less than it takes to lose it.
const PAGE_TRUSTED_MS = 1_000;

/** Who asked for a message, and is to be answered. */
type Asking = Pick<
  PromiseWithResolvers<IteratorResult<Message, undefined>>,
  "resolve" | "reject"
>;

/**
 * Takes the first one. Nearly always it is the only one, and `shift` would call the
 * runtime for it.
 */
function takeFirst<T>(queue: T[]): T {
  return queue.length === 1 ? queue.pop()! : queue.shift()!;
}

/** Messages one by one, as an async iteration. */
export class Subscription
  implements AsyncIterableIterator<Message>, AsyncDisposable {
  /** Resolves when it stands: what is published later is delivered. */
  readonly ready: Promise<void>;
  readonly #operations: Operations;
  readonly #interest: Interest;
  readonly #options: SubscribeOptions;
  readonly #hooks: SubscriptionHooks;
  #stands = false;
  #page: readonly Message[] = [];
  // How many of the page were taken.
  #taken = 0;
  // Whether the page was read for who asks right now.
  #isFresh = false;
  #readAtMs = 0;
  #cursor = "";
  #delivered = "";
  #more = true;
  #woken = true;
  #isReading = false;
  // Those who asked for a message and have no answer yet, the first one first.
  readonly #asking: Asking[] = [];
  #watch: Watch | undefined;
  #reader: DurableReader | undefined;
  #renewal: ReturnType<typeof setInterval> | undefined;
  #failure: { readonly error: unknown } | undefined;
  #closing: Promise<void> | undefined;

  /** Made by {@linkcode MessageBus.subscribe}. */
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
    // Not before it is made: what fails at once closes it.
    this.ready = Promise.resolve().then(() => this.#start());
    // Whoever iterates is told; whoever only looks at `ready` is told there.
    this.ready.catch(() => {});
  }

  /** The cursor after the last message delivered. */
  get cursor(): string {
    return this.#delivered;
  }

  /** How it is woken: pushed to, or by polling. */
  get mode(): WatchMode {
    return this.#watch?.mode ?? "poll";
  }

  /**
   * Messages that TTL or cap took from the durable name before they were
   * acknowledged, since the name exists; 0 without a name.
   */
  get lost(): number {
    return this.#reader?.lost ?? 0;
  }

  /**
   * The next message; waits until there is one.
   *
   * @throws {LeaseLostError} If another reader took the durable name over.
   */
  next(): Promise<IteratorResult<Message, undefined>> {
    return new Promise((resolve, reject) => {
      this.#asking.push({ resolve, reject });
      this.#answer();
    });
  }

  /**
   * Acknowledges a message and all before it: they will not come again under
   * the durable name.
   *
   * @param message A delivered message, or its id.
   * @throws {InvalidInputError} If the subscription has no durable name.
   * @throws {LeaseLostError} If another reader took the name over.
   */
  async ack(message: Message | string): Promise<void> {
    if (this.#options.durable === undefined) {
      throw new InvalidInputError(
        "durable",
        "Cannot acknowledge: this subscription has no durable name; " +
          'subscribe with { durable: "…" }.',
      );
    }
    if (this.#closing !== undefined) throw new ClosedError("acknowledge");
    await this.ready;
    const id = typeof message === "string"
      ? this.#operations.parseCursor(message)
      : message.id;
    const { lost } = await this.#operations.advanceDurable(this.#reader!, id);
    this.#tellLost(lost);
  }

  /** Ends it; who waits for a message gets the end. Closing twice is fine. */
  async close(): Promise<void> {
    this.#closing ??= this.#close();
    this.#answer();
    await this.#closing;
  }

  /** Ends it, as `break` does. */
  async return(): Promise<IteratorResult<Message, undefined>> {
    await this.close();
    return { done: true, value: undefined };
  }

  /** Itself: it is iterated once. */
  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Ends it, at the end of an `await using` block. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #start(): Promise<void> {
    const { signal, durable, from = "now" } = this.#options;
    if (this.#closing !== undefined) return;
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
      if (this.#closing !== undefined) return;
      if (durable !== undefined) this.#cursor = await this.#take(begin);
      else {
        // One that is another bus's is refused now, not at the first message.
        if (from !== "now") {
          await this.#operations.read(this.#interest, begin, 1);
        }
        this.#cursor = begin;
      }
      this.#delivered = this.#cursor;
      this.#stands = true;
      this.#answer();
    } catch (error) {
      this.#fail(error);
      throw error;
    }
  }

  async #take(begin: string): Promise<string> {
    const reader = await this.#operations.takeDurable(
      this.#options.durable!,
      this.#interest,
      begin,
    );
    this.#reader = reader;
    this.#tellLost(reader.lost);
    this.#renewal = setInterval(() => {
      this.#operations.advanceDurable(this.#reader!)
        .then(({ lost }) => this.#tellLost(lost))
        .catch((error) => {
          // A store that is busy or fails for now takes no lease away: another
          // reader does, and the next renewal tells of it.
          const passes = error instanceof MessageBusError &&
            error.kind === "store";
          if (!passes) this.#fail(error);
        });
    }, reader.leaseMs / 3);
    return reader.cursor;
  }

  /**
   * Answers those who asked, as far as there is something to say. Called whenever
   * there may be; what can be read at once is answered at once.
   */
  #answer(): void {
    while (this.#asking.length > 0 && !this.#isReading) {
      if (this.#failure !== undefined) {
        takeFirst(this.#asking).reject(this.#failure.error);
      } else if (this.#closing !== undefined) {
        takeFirst(this.#asking).resolve({ done: true, value: undefined });
      } else if (!this.#stands) {
        return;
      } else if (this.#taken < this.#page.length) {
        const value = this.#nextOfPage();
        if (value !== undefined) {
          takeFirst(this.#asking).resolve({ done: false, value });
        }
      } else if (this.#more || this.#woken) {
        this.#readPage();
      } else {
        return;
      }
    }
  }

  /** The next message of the page; undefined where it is to be read again. */
  #nextOfPage(): Message | undefined {
    const message = this.#page[this.#taken];
    if (!this.#isFresh && this.#isDoubtful(message)) {
      this.#rewind();
      return undefined;
    }
    this.#isFresh = false;
    this.#delivered = message.id;
    // What was delivered is not kept while one waits for more.
    if (++this.#taken === this.#page.length) this.#drop();
    return message;
  }

  /** Whether it may have expired, or been acknowledged, since it was read. */
  #isDoubtful(message: Message): boolean {
    return Date.parse(message.expiresAt) <= this.#operations.now() ||
      this.#reader !== undefined &&
        performance.now() - this.#readAtMs > PAGE_TRUSTED_MS;
  }

  /**
   * Drops the page that was read ahead, to read it again. The store leaves out
   * what has expired since, counts it for a durable name, and refuses a reader
   * that lost its name.
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
      else this.#turnTo(reading);
    } catch (error) {
      this.#fail(error);
    }
  }

  async #awaitPage(reading: Promise<Page>): Promise<void> {
    this.#isReading = true;
    try {
      this.#turnTo(await reading);
    } catch (error) {
      this.#fail(error);
    } finally {
      this.#isReading = false;
      this.#answer();
    }
  }

  #turnTo({ messages, cursor }: Page): void {
    this.#page = messages;
    this.#taken = 0;
    this.#isFresh = true;
    // After it, or who needs longer than that for a page got nowhere.
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
    this.#tellLost(page.lost);
    return page;
  }

  #tellLost(lost: number): void {
    const reader = this.#reader!;
    const { told: before = 0 } = reader;
    const { onLost } = this.#options;
    // Answers may overtake each other; the count only grows.
    if (lost < reader.lost) return;
    const untold = lost - before;
    const told = onLost === undefined ? before : lost;
    this.#reader = { ...reader, lost, told };
    if (untold > 0) onLost?.(untold);
  }

  readonly #wake = (): void => {
    this.#woken = true;
    this.#answer();
  };

  readonly #abort = (): void => {
    this.#fail(this.#options.signal!.reason);
  };

  /** Ends it with an error for who waits, or asks next. */
  #fail(error: unknown): void {
    if (this.#closing !== undefined) return;
    this.#failure ??= { error };
    this.#answer();
    this.close().catch(() => {
      // Who iterates gets the first error, which led here.
    });
  }

  async #close(): Promise<void> {
    this.#options.signal?.removeEventListener("abort", this.#abort);
    // What it is about to take is given back, too.
    await this.ready.catch(() => {});
    clearInterval(this.#renewal);
    this.#watch?.close();
    try {
      if (this.#reader !== undefined) {
        await this.#operations.releaseDurable(this.#reader);
      }
    } finally {
      this.#hooks.onClose(this);
    }
  }
}
