/**
 * The store in one SQLite file: no daemon, no broker.
 *
 * Puts together what the files beside it do: the connection runs transactions,
 * records.ts runs rules in them, messages.ts reads and appends, and the wake-ups
 * ring bells after the commit.
 *
 * A **one-shot** process (an agent's hook) uses the same store with less in it. It
 * takes no writer lock, watches nothing, and may end without closing, which
 * is what a crash is to SQLite: what was committed stays, in the WAL. A process
 * that ends and finds the WAL long checkpoints it. Closing as the last connection
 * would do that every time, and wait for the disk.
 *
 * @module
 */

import { type Addressed, topicChannel } from "../model/topics.ts";
import { ring } from "../store/bell_files.ts";
import { parseCursor, START_CURSOR } from "../sql/message_rows.ts";
import { ClosedError, MessageBusError } from "../model/errors.ts";
import { publish } from "../rules/messages.ts";
import { assertActive } from "../rules/sessions.ts";
import type { Incarnation } from "../model/session.ts";
import type {
  ChannelStats,
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
import { bellsFor, deleteDeadBells } from "./bells.ts";
import {
  Connection,
  type ConnectionOptions,
  type Synchronous,
} from "./connection.ts";
import { answerTo, pendingFor } from "./deliveries.ts";
import {
  type Database,
  loadLibrary,
  requestedDriver,
  type SqliteDriver,
} from "./driver.ts";
import { faultOf } from "./faults.ts";
import { type BusLocation, locateBus } from "./location.ts";
import { Checkpointer, sizeOf } from "./checkpoint.ts";
import {
  endCursor,
  hasExpiredAfter,
  insertAlone,
  MessageReader,
} from "./messages.ts";
import { decide, look } from "./records.ts";
import { checkpointOnExit, tryOpenExisting } from "./fast_open.ts";
import { newPurgeRound, Transaction } from "./transaction.ts";
import type { Notify, WakeUps } from "./wake_ups.ts";

/** How to open a store in SQLite. */
export interface SqliteStoreOptions {
  /**
   * The bus folder.
   * @default {$MBUS_HOME, else the platform's state folder}
   */
  readonly home?: string;
  /** The SQLite library. */
  readonly driver?: SqliteDriver;
  /** Whether nothing may be written, although it could. */
  readonly readOnly?: boolean;
  /** How a commit reaches the disk. */
  readonly synchronous?: Synchronous;
  /** How readers are woken. */
  readonly notify: Notify;
  /**
   * Period of the safety poll, in milliseconds.
   * @default {250}
   */
  readonly pollIntervalMs?: number;
  /** Time that a write waits for other writers, in milliseconds. */
  readonly busyTimeoutMs: number;
  /** Time that all operations together wait for writers, in milliseconds. */
  readonly busyTotalMs?: number;
  /** The clock, in milliseconds since 1970. */
  readonly now: () => number;
  /** Is told once of what does not stop the store. */
  readonly warn: (message: string) => void;
}

/** How to open a store for a one-shot process. */
export interface OneShotOptions {
  /** Where it is. */
  readonly location: BusLocation;
  /** The bus there, if it is open already. */
  readonly db?: Database;
  /** Time that all operations together wait for writers, in milliseconds. */
  readonly busyTotalMs: number;
  /** The clock, in milliseconds since 1970. */
  readonly now: () => number;
  /** Is told of what does not stop the store. */
  readonly warn: (message: string) => void;
}

const POLL_INTERVAL_MS = 250;

// Free pages returned in a step: twice what the messages of a step fill, so that
// the file shrinks faster than it grows.
const STEP_PAGES_MAX = 200;

type Settings = Pick<
  SqliteStoreOptions,
  "notify" | "pollIntervalMs" | "now" | "warn"
>;

/** A bus in one SQLite file. */
export class SqliteStore implements Store {
  readonly capabilities: StoreCapabilities = {
    pushesWakeUps: true,
    atomicBatches: true,
    exactLossCounts: true,
    acceptsForeignRows: true,
  };
  readonly #connection: Connection;
  readonly #settings: Settings;
  readonly #messages: MessageReader;
  readonly #round = newPurgeRound();
  // Sessions that this store registered, and the process of each.
  readonly #incarnations = new Map<string, Incarnation>();
  // A one-shot process has none: it checkpoints as it ends.
  readonly #log: Checkpointer | undefined;
  #wakeUps: WakeUps | undefined;
  #closing: Promise<void> | undefined;

  private constructor(
    connection: Connection,
    settings: Settings,
    log: Checkpointer | undefined,
  ) {
    this.#connection = connection;
    this.#settings = settings;
    this.#messages = new MessageReader(connection);
    this.#log = log;
  }

  /**
   * Opens a bus, making it if it is new.
   *
   * @throws {StoreError} If it cannot be used; the `fault` says why.
   */
  static async open(options: SqliteStoreOptions): Promise<SqliteStore> {
    const location = locateBus(options.home);
    const library = await loadLibrary(requestedDriver(options.driver));
    const connectionOptions: ConnectionOptions = { ...options, library };
    const connection = Connection.open(location, connectionOptions);
    warnOfOldSqlite(connection, options.warn);
    const log = new Checkpointer(connection, options);
    return new SqliteStore(connection, options, log);
  }

  /**
   * Opens a bus for a one-shot process, making it if it is new.
   *
   * @throws {StoreError} If it cannot be used; the `fault` says why.
   */
  static openOneShot(options: OneShotOptions): SqliteStore {
    const { location, busyTotalMs, now, warn } = options;
    const { db = tryOpenExisting(location) } = options;
    const waiting = { busyTimeoutMs: busyTotalMs, busyTotalMs, brief: true };
    const connection = db === undefined
      ? Connection.open(location, waiting)
      : Connection.over(db, location, waiting);
    const settings = { notify: "auto", now, warn } as const;
    return new SqliteStore(connection, settings, undefined);
  }

  get location(): string {
    return this.#connection.location.databasePath;
  }

  now(): number {
    return this.#settings.now();
  }

  async append(
    messages: readonly NewMessage[],
    { atomic }: { readonly atomic: boolean },
  ): Promise<readonly AppendResult[]> {
    this.#assertOpen("publish");
    const isAlone = messages.length === 1 && messages[0].to === undefined &&
      messages[0].replyTo === undefined;
    const results = isAlone
      // It needs no transaction around it.
      ? [await this.#appendAlone(messages[0])]
      : await this.#write(
        "publish",
        (tx) =>
          atomic ? appendTogether(tx, messages) : appendEach(tx, messages),
      );
    this.#log?.appended(messages.length);
    return results;
  }

  async #appendAlone(message: NewMessage): Promise<AppendResult> {
    const { sender } = message;
    try {
      const { id } = await insertAlone(
        this.#connection,
        message,
        this.now(),
        this.#incarnations.get(sender),
        ({ bells }) => this.#committed([message], bells),
      );
      this.#log?.committed();
      return { id };
    } catch (error) {
      // The statement itself only says that the sender is missing.
      if (faultOf(error) === "constraint") {
        await this.look({
          act: "publish",
          guards: [],
          decide: (records, at) => assertActive(records, at, "publish", sender),
        });
      }
      throw error;
    }
  }

  read(
    filter: MessageFilter,
    cursor: string,
    limit: number,
  ): Page | Promise<Page> {
    this.#assertOpen("read messages");
    return this.#connection.read(
      "read messages",
      () => this.#page(filter, cursor, limit),
    );
  }

  #page(filter: MessageFilter, cursor: string, limit: number): Page {
    // One time for the whole look: a message that is alive at its start is
    // delivered.
    const nowMs = this.now();
    const { pending, replyTo, session, seesExpired } = filter;
    if (pending !== undefined || replyTo !== undefined) {
      const messages = pending !== undefined
        ? pendingFor(this.#connection, session!, cursor, limit, nowMs, pending)
        : answerTo(this.#connection, session!, replyTo!, nowMs);
      return { messages, cursor: messages.at(-1)?.id ?? cursor };
    }
    const page = this.#messages.read(filter, cursor, limit, nowMs);
    // After it: a message whose writer had to wait for longer than its TTL has
    // expired when it is committed, and that may be just now.
    return seesExpired && hasExpiredAfter(this.#connection, cursor, nowMs)
      ? { ...page, passedExpired: true }
      : page;
  }

  async endCursor(): Promise<string> {
    this.#assertOpen("read messages");
    return await this.#connection.read(
      "read messages",
      () => endCursor(this.#connection),
    );
  }

  parseCursor(text: string): string {
    return text === "start" ? START_CURSOR : parseCursor(text);
  }

  async look<T>({ act, decide: rule }: Rule<T>): Promise<Seen<T> | undefined> {
    this.#assertOpen(act);
    return await this.#connection.read(
      act,
      () => look(this.#transaction(true), rule),
    );
  }

  async update<T>({ act, guards, decide: rule }: Rule<T>): Promise<T> {
    const { result, registered } = await this.#write(
      act,
      (tx) => decide(tx, rule),
      // A lock operation skips checkpoints, because its caller is waiting.
      { skipsCheckpoint: guards.includes("locks") },
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
    const interest = "topic" in topic
      ? {
        channels: [topicChannel(topic.topic)],
        project: null,
        session: topic.session,
      }
      : topic;
    // A process that only writes does not load what watches.
    const { WakeUps } = await import("./wake_ups.ts");
    this.#wakeUps ??= new WakeUps(this.#connection, {
      ...this.#settings,
      pollIntervalMs: this.#settings.pollIntervalMs ?? POLL_INTERVAL_MS,
      write: (act, work) => this.#write(act, work),
    });
    return await this.#wakeUps.watch(interest, wake);
  }

  async maintain(): Promise<{ readonly more: boolean }> {
    await this.#write("purge", (tx) => {
      this.#round.bell = deleteDeadBells(tx, this.#round.bell);
      // A channel without a row keeps nothing.
      tx.connection.sql("DELETE FROM channel_tally WHERE kept <= 0").run();
      // Returns free pages to the file system.
      tx.connection.sql(`PRAGMA incremental_vacuum(${STEP_PAGES_MAX})`).all();
    });
    await this.#log?.trim();
    return { more: false };
  }

  async stats(): Promise<Stats> {
    this.#assertOpen("read statistics");
    return await this.#connection.read("read statistics", () => this.#stats());
  }

  async close(): Promise<void> {
    this.#closing ??= this.#close();
    await this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Does what is to be done before a one-shot process ends without closing. */
  leave(): void {
    const { db, location } = this.#connection;
    try {
      checkpointOnExit(db, location);
    } catch (error) {
      // The next process that ends does it.
      this.#settings.warn(`mbus: ${(error as Error).message}`);
    }
  }

  async #close(): Promise<void> {
    await this.#wakeUps?.close();
    await this.#log?.settled();
    this.#connection.close();
  }

  /** Runs one write transaction, and rings after the commit. */
  async #write<T>(
    act: string,
    work: (tx: Transaction) => T,
    { skipsCheckpoint = false }: { readonly skipsCheckpoint?: boolean } = {},
  ): Promise<T> {
    this.#assertOpen(act);
    let rings: readonly Addressed[] = [];
    let bells: ReadonlySet<string> = new Set();
    const result = await this.#connection.write(act, () => {
      const tx = this.#transaction(false);
      const result = work(tx);
      rings = tx.rings;
      // A bell that comes later reads what is committed here by itself.
      bells = bellsFor(this.#connection, rings);
      return result;
    }, () => this.#committed(rings, bells));
    if (!skipsCheckpoint) this.#log?.committed();
    return result;
  }

  #transaction(readOnly: boolean): Transaction {
    return new Transaction(
      this.#connection,
      this.now(),
      this.#incarnations,
      readOnly,
      this.#round,
    );
  }

  /** Wakes the readers of what was committed. */
  #committed(
    messages: readonly Addressed[],
    bells: ReadonlySet<string>,
  ): void {
    if (this.#wakeUps !== undefined) {
      return this.#wakeUps.committed(messages, bells);
    }
    try {
      ring(this.#connection.location.bellsFolder, bells);
    } catch (error) {
      // It is committed, and found by the safety poll of its readers.
      const { message } = error as Error;
      this.#settings.warn(`mbus: a bell cannot be rung (${message}).`);
    }
  }

  #assertOpen(act: string): void {
    // While it closes, its own last operations still go through.
    if (this.#connection.closed) throw new ClosedError(act);
  }

  #stats(): Stats {
    const count = (sql: string): number =>
      Number(this.#connection.sql(`SELECT count(*) AS n FROM ${sql}`).get()!.n);
    const channels = this.#connection.sql(
      `SELECT channel, count(*) AS n FROM inter_session_messages
       WHERE expires_at > ? GROUP BY channel ORDER BY n DESC, channel`,
    ).all(this.now()).map((row): ChannelStats => ({
      channel: String(row.channel),
      messages: Number(row.n),
    }));
    const { databasePath } = this.#connection.location;
    return {
      location: this.location,
      messages: channels.reduce((sum, { messages }) => sum + messages, 0),
      channels,
      sessions: count("session_registry WHERE status IS NOT 'terminated'"),
      durableNames: count("durable_names"),
      storeBytes: sizeOf(databasePath),
      walBytes: sizeOf(`${databasePath}-wal`),
    };
  }
}

/** Returns the path of a bus's database, for programs that open it themselves. */
export function messagingDbPath(home?: string): string {
  return locateBus(home).databasePath;
}

function appendTogether(
  tx: Transaction,
  messages: readonly NewMessage[],
): readonly Appended[] {
  return decide(tx, function* (records, at) {
    const appended: Appended[] = [];
    for (const message of messages) {
      appended.push(yield* publish(records, at, message));
    }
    return appended;
  }).result;
}

/** Appends each for itself; nearly always all of them will do. */
function appendEach(
  tx: Transaction,
  messages: readonly NewMessage[],
): readonly AppendResult[] {
  const all = tryAppend(tx, messages);
  return "error" in all
    ? messages.map((message) => {
      const one = tryAppend(tx, [message]);
      return "error" in one ? one : one.appended[0];
    })
    : all.appended;
}

/** Appends messages; returns the error if they themselves are at fault. */
function tryAppend(
  tx: Transaction,
  messages: readonly NewMessage[],
): { readonly appended: readonly Appended[] } | { readonly error: Error } {
  try {
    return { appended: tx.savepoint(() => appendTogether(tx, messages)) };
  } catch (error) {
    // What the disk or another writer refuses is not a message's own fault.
    if (error instanceof MessageBusError || faultOf(error) === "constraint") {
      return { error: error as Error };
    }
    throw error;
  }
}

function warnOfOldSqlite(
  connection: Connection,
  warn: (message: string) => void,
): void {
  if (!connection.sqliteHasWalResetBug) return;
  warn(
    `mbus: the "${connection.driver}" driver brings SQLite ` +
      `${connection.sqliteVersion}, which can corrupt a busy database (the ` +
      `WAL-reset bug, fixed in 3.51.3). Use the default driver.`,
  );
}
