/**
 * The store in PostgreSQL: one server for the sessions of many hosts.
 *
 * The connection runs statements and transactions, and records.ts runs rules in
 * them. messages.ts and append.ts read and append messages.
 *
 * A publish is one statement, which commits and then rings bells (schema.ts).
 * Other transactions ring after the answer to their commit.
 *
 * @module
 */

import { topicChannel } from "../model/topics.ts";
import { parseCursor, START_CURSOR } from "../sql/message_rows.ts";
import { ClosedError, MessageBusError } from "../model/errors.ts";
import { saidIn } from "../rules/doings.ts";
import { publish } from "../rules/messages.ts";
import type { Incarnation } from "../model/session.ts";
import type {
  ChannelStats,
  Guard,
  RecordTopic,
  Rule,
  Seen,
  Stats,
  Store,
  StoreCapabilities,
  Watch,
} from "../store/store.ts";
import type {
  Appended,
  AppendResult,
  Interest,
  MessageFilter,
  NewMessage,
  Page,
} from "../model/message.ts";
import { appendEach, appendTogether } from "./append.ts";
import { Connection, type Queryable, readOnlyError } from "./connection.ts";
import { answerTo, pendingFor, sentBy } from "./deliveries.ts";
import { endCursor, hasExpiredAfter, read } from "./messages.ts";
import { decide, look } from "./records.ts";
import { type PurgeRound, Transaction } from "./transaction.ts";
import { parseUrl } from "./url.ts";
import { type Notify, WakeUps } from "./wake_ups.ts";

/** Options of a store in PostgreSQL. */
export interface PostgresStoreOptions {
  /** The server and database: `postgres://…`. */
  readonly url: string;
  /** Whether writes are rejected. */
  readonly readOnly?: boolean;
  /** The way in which readers are woken. */
  readonly notify: Notify;
  /**
   * The interval of the safety poll, in milliseconds.
   * @default {2000}
   */
  readonly pollIntervalMs?: number;
  /** The time limit of an operation, in milliseconds; at least a second. */
  readonly busyTimeoutMs: number;
  /** The time limit of all operations together, in milliseconds from opening. */
  readonly busyTotalMs?: number;
  /** The clock; a test's clock shifts the server's. */
  readonly now: () => number;
  /** Called once with a problem that does not stop the store. */
  readonly warn: (message: string) => void;
}

const POLL_INTERVAL_MS = 2_000;

// Longer than the longest deadline, ten minutes, after which nothing is retried.
const KEY_KEPT_MS = 15 * 60 * 1000;
const STEP_KEYS_MAX = 1_000;

/** A bus in one schema of a PostgreSQL database. */
export class PostgresStore implements Store {
  readonly capabilities: StoreCapabilities = {
    pushesWakeUps: true,
    atomicBatches: true,
    exactLossCounts: true,
    acceptsForeignRows: true,
  };
  readonly #connection: Connection;
  readonly #wakeUps: WakeUps;
  readonly #round: PurgeRound = { channel: "" };
  // The sessions that this store registered, each with its process.
  readonly #incarnations = new Map<string, Incarnation>();
  readonly #writing = new Set<Promise<void>>();
  #closing: Promise<void> | undefined;

  private constructor(connection: Connection, options: PostgresStoreOptions) {
    this.#connection = connection;
    this.#wakeUps = new WakeUps(connection, {
      notify: options.notify,
      pollIntervalMs: options.pollIntervalMs ?? POLL_INTERVAL_MS,
      warn: options.warn,
    });
  }

  /**
   * Opens a bus, and creates it if it is missing.
   *
   * @throws {InvalidInputError} If the URL is not a `postgres://` URL.
   * @throws {StoreError} If the bus cannot be used; `fault` has the reason.
   */
  static async open(options: PostgresStoreOptions): Promise<PostgresStore> {
    const connection = await Connection.open(parseUrl(options.url), options);
    return new PostgresStore(connection, options);
  }

  get location(): string {
    return this.#connection.address.shown;
  }

  now(): number {
    return this.#connection.clock.nowMs;
  }

  async append(
    messages: readonly NewMessage[],
    options: { readonly atomic: boolean },
  ): Promise<readonly AppendResult[]> {
    this.#assertOpen("publish");
    this.#assertWritable("publish");
    if (messages.some(changesRecords)) {
      return await this.#appendByRule(messages, options);
    }
    const append = options.atomic ? appendTogether : appendEach;
    return await append(
      this.#connection,
      this.#wakeUps,
      this.#incarnations,
      messages,
    );
  }

  /** Appends messages some of which change records beside the log. */
  async #appendByRule(
    messages: readonly NewMessage[],
    { atomic }: { readonly atomic: boolean },
  ): Promise<readonly AppendResult[]> {
    const append = (some: readonly NewMessage[]) =>
      this.update({
        act: "publish",
        guards: [
          ...new Set(some.map(({ sender }): Guard => `session:${sender}`)),
        ],
        *decide(records, at) {
          const appended: Appended[] = [];
          for (const message of some) {
            appended.push(yield* publish(records, at, message));
          }
          return appended;
        },
      });
    if (atomic) return await append(messages);
    const results: AppendResult[] = [];
    for (const message of messages) {
      try {
        results.push(...await append([message]));
      } catch (error) {
        // An error of the server concerns all messages.
        if (!(error instanceof MessageBusError) || error.kind === "store") {
          throw error;
        }
        results.push({ error });
      }
    }
    return results;
  }

  async read(
    filter: MessageFilter,
    cursor: string,
    limit: number,
  ): Promise<Page> {
    const act = "read messages";
    this.#assertOpen(act);
    return await this.#connection.read(
      act,
      (at) => pageOf(at, filter, cursor, limit),
    );
  }

  async endCursor(): Promise<string> {
    this.#assertOpen("read messages");
    return await this.#connection.read("read messages", endCursor);
  }

  parseCursor(text: string): string {
    return text === "start" ? START_CURSOR : parseCursor(text);
  }

  async look<T>({ act, decide: rule }: Rule<T>): Promise<Seen<T> | undefined> {
    this.#assertOpen(act);
    return await this.#connection.read(
      act,
      (at) => look(at, rule, this.#incarnations, this.#connection.readOnly),
    );
  }

  async update<T>({ act, guards, decide: rule }: Rule<T>): Promise<T> {
    const { result, registered } = await this.#write(
      act,
      (tx) => decide(tx, rule),
      { coordinates: !guards.every(isOwn) },
    );
    for (const session of registered) {
      this.#incarnations.set(session.id, session);
    }
    return result;
  }

  async watch(
    topic: Interest | RecordTopic,
    wake: () => void,
  ): Promise<Watch> {
    this.#assertOpen("watch for messages");
    return await this.#wakeUps.watch(
      "topic" in topic
        ? {
          channels: [topicChannel(topic.topic)],
          project: null,
          session: topic.session,
        }
        : topic,
      wake,
    );
  }

  async maintain(): Promise<{ readonly more: boolean }> {
    await this.#write("purge", (tx) => {
      tx.send(
        `DELETE FROM idempotency_keys WHERE key IN (
           SELECT key FROM idempotency_keys WHERE done_at < $1 LIMIT $2)`,
        [tx.nowMs - KEY_KEPT_MS, STEP_KEYS_MAX],
      );
      return Promise.resolve();
    });
    return { more: false };
  }

  async stats(): Promise<Stats> {
    const act = "read statistics";
    this.#assertOpen(act);
    return await this.#connection.read(act, async (at) => {
      const rows = await at.all(
        `SELECT channel, count(*) AS n FROM inter_session_messages
         WHERE expires_at > now_ms($1) AND id > 0
         GROUP BY channel ORDER BY n DESC, channel`,
        [at.clockShiftMs],
      );
      const channels = rows.map((row): ChannelStats => ({
        channel: String(row.channel),
        messages: Number(row.n),
      }));
      const row = await at.get(
        `SELECT (SELECT count(*) FROM session_registry
             WHERE status IS DISTINCT FROM 'terminated') AS sessions,
           (SELECT count(*) FROM durable_names) AS names,
           (SELECT sum(pg_total_relation_size(oid)) FROM pg_class
             WHERE relnamespace = current_schema()::regnamespace
               AND relkind = 'r') AS bytes`,
      );
      return {
        location: this.location,
        messages: channels.reduce((sum, { messages }) => sum + messages, 0),
        channels,
        sessions: Number(row!.sessions),
        durableNames: Number(row!.names),
        storeBytes: Number(row!.bytes),
        // The server's WAL belongs to all its databases.
        walBytes: 0,
      };
    });
  }

  async close(): Promise<void> {
    this.#closing ??= this.#close();
    await this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    await this.#wakeUps.close();
    // For example, a waiter for a lock leaves the queue.
    await Promise.all(this.#writing);
    await this.#connection.close();
  }

  /** Runs one write transaction, and rings bells after the commit. */
  async #write<T>(
    act: string,
    work: (tx: Transaction) => Promise<T>,
    options: { readonly coordinates?: boolean } = {},
  ): Promise<T> {
    this.#assertOpen(act);
    this.#assertWritable(act);
    const writing = this.#transact(act, work, options);
    const ended = writing.then(() => {}, () => {});
    this.#writing.add(ended);
    try {
      return await writing;
    } finally {
      this.#writing.delete(ended);
    }
  }

  async #transact<T>(
    act: string,
    work: (tx: Transaction) => Promise<T>,
    options: { readonly coordinates?: boolean },
  ): Promise<T> {
    let tx: Transaction | undefined;
    const result = await this.#connection.write(
      act,
      async (at: Queryable, nowMs: number) => {
        tx = new Transaction(at, nowMs, this.#incarnations, this.#round);
        return await work(tx);
      },
      (key: string) => tx!.end(this.#connection.schemaVersion, key),
      options,
    );
    this.#wakeUps.committed(this.#wakeUps.bellsFor(tx?.rings ?? []));
    return result;
  }

  #assertOpen(act: string): void {
    // While the store closes, its own last operations still succeed.
    if (this.#connection.closed) throw new ClosedError(act);
  }

  #assertWritable(act: string): void {
    if (!this.#connection.readOnly) return;
    throw readOnlyError(act, this.#connection.address);
  }
}

/** Returns whether row locks suffice for a guard, without the coordination lock. */
function isOwn(guard: Guard): boolean {
  return guard.startsWith("session:") || guard.startsWith("durable:");
}

async function pageOf(
  at: Queryable,
  filter: MessageFilter,
  cursor: string,
  limit: number,
): Promise<Page> {
  const { pending, replyTo, session, seesExpired, sentBy: sender } = filter;
  if (sender !== undefined) {
    const messages = await sentBy(at, sender, cursor, limit);
    return { messages, cursor: messages.at(-1)?.id ?? cursor };
  }
  if (pending !== undefined || replyTo !== undefined) {
    const messages = pending !== undefined
      ? await pendingFor(at, session!, cursor, limit, pending)
      : await answerTo(at, session!, replyTo!);
    return { messages, cursor: messages.at(-1)?.id ?? cursor };
  }
  if (!seesExpired) return await read(at, filter, cursor, limit);
  const [page, passedExpired] = await Promise.all([
    read(at, filter, cursor, limit),
    hasExpiredAfter(at, cursor),
  ]);
  return { ...page, passedExpired };
}

/** Returns whether a message acknowledges another one, or tells its sender's work. */
function changesRecords(message: NewMessage): boolean {
  return message.replyTo !== undefined || saidIn(message) !== undefined;
}
