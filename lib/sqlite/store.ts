/**
 * The store in one SQLite file, without a daemon or a broker.
 *
 * The connection runs transactions, records.ts runs rules in them, messages.ts reads
 * and appends, and wake_ups.ts touches bells after the commit.
 *
 * A **one-shot** process, such as an agent's hook, takes no writer lock, watches
 * nothing, and may exit without closing the store. To SQLite that is a crash: all
 * commits stay, in the WAL. The process checkpoints a large WAL before it exits.
 * Closing as the last connection would checkpoint each time, and wait for the disk.
 *
 * @module
 */

import { type Addressed, topicChannel } from "../model/topics.ts";
import { ring } from "../store/bell_files.ts";
import { parseCursor, START_CURSOR } from "../sql/message_rows.ts";
import { ClosedError, MessageBusError } from "../model/errors.ts";
import { saidIn } from "../rules/doings.ts";
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
import { answerTo, pendingFor, sentBy } from "./deliveries.ts";
import {
  type Database,
  loadLibrary,
  requestedDriver,
  type SqliteDriver,
} from "./driver.ts";
import { faultOf } from "./faults.ts";
import { networkFileSystemWarning } from "./file_system.ts";
import {
  type BusLocation,
  ignoredStateHomeWarning,
  locateBus,
} from "./location.ts";
import { Checkpointer, fileSize } from "./checkpoint.ts";
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

/** Options for opening a store in SQLite. */
export interface SqliteStoreOptions {
  /**
   * The bus folder.
   * @default {$MBUS_HOME, or the platform's state folder}
   */
  readonly home?: string;
  /** The SQLite library. */
  readonly driver?: SqliteDriver;
  /** Whether to open for reading although writing is permitted. */
  readonly readOnly?: boolean;
  /** The durability of a commit. */
  readonly synchronous?: Synchronous;
  /** Whether readers are woken by a file watch or by polls. */
  readonly notify: Notify;
  /**
   * Period of the safety poll, in milliseconds.
   * @default {250}
   */
  readonly pollIntervalMs?: number;
  /** Maximum time that one write waits for other writers, in milliseconds. */
  readonly busyTimeoutMs: number;
  /**
   * Maximum time that all operations together wait for writers, in milliseconds.
   * @default {Infinity}
   */
  readonly busyTotalMs?: number;
  /** The clock, in milliseconds since 1970. */
  readonly now: () => number;
  /** Called once for each failure that does not stop the store. */
  readonly warn: (message: string) => void;
}

/** Options for opening a store in a one-shot process. */
export interface OneShotOptions {
  /** The paths of the bus. */
  readonly location: BusLocation;
  /** The database, if it is already open. */
  readonly db?: Database;
  /** Maximum time that all operations together wait for writers, in milliseconds. */
  readonly busyTotalMs: number;
  /** The clock, in milliseconds since 1970. */
  readonly now: () => number;
  /** Called with each failure that does not stop the store. */
  readonly warn: (message: string) => void;
}

const POLL_INTERVAL_MS = 250;

// Free pages that a step of a purge returns. Twice the pages of its messages, so that the
// file shrinks faster than it grows.
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
  // The sessions that this store has registered, each with its process.
  readonly #incarnations = new Map<string, Incarnation>();
  // Undefined for a one-shot process, which checkpoints before it exits.
  readonly #checkpointer: Checkpointer | undefined;
  #wakeUps: WakeUps | undefined;
  #closing: Promise<void> | undefined;

  private constructor(
    connection: Connection,
    settings: Settings,
    checkpointer: Checkpointer | undefined,
  ) {
    this.#connection = connection;
    this.#settings = settings;
    this.#messages = new MessageReader(connection);
    this.#checkpointer = checkpointer;
  }

  /**
   * Opens a bus, and makes it if there is none.
   *
   * @throws {StoreError} If the database cannot be used; the `fault` says why.
   * @throws {BusyError} If other processes have locked the file until the timeout.
   */
  static async open(options: SqliteStoreOptions): Promise<SqliteStore> {
    const location = locateBus(options.home);
    const library = await loadLibrary(requestedDriver(options.driver));
    const connectionOptions: ConnectionOptions = { ...options, library };
    const connection = Connection.open(location, connectionOptions);
    warnOfOldSqlite(connection, options.warn);
    warnOfPlace(location, options.warn);
    const checkpointer = new Checkpointer(connection, options);
    return new SqliteStore(connection, options, checkpointer);
  }

  /**
   * Opens a bus for a one-shot process, and makes it if there is none.
   *
   * @throws {StoreError} If the database cannot be used; the `fault` says why.
   * @throws {BusyError} If other processes have locked the file until the timeout.
   */
  static openOneShot(options: OneShotOptions): SqliteStore {
    const { location, busyTotalMs, now, warn } = options;
    const { db = tryOpenExisting(location) } = options;
    const waiting = {
      busyTimeoutMs: busyTotalMs,
      busyTotalMs,
      isOneShot: true,
    };
    const connection = db === undefined
      ? Connection.open(location, waiting)
      : Connection.over(db, location, waiting);
    warnOfPlace(location, warn);
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
      messages[0].replyTo === undefined && saidIn(messages[0]) === undefined;
    const results = isAlone
      // One statement without a transaction around it.
      ? [await this.#appendAlone(messages[0])]
      : await this.#write(
        "publish",
        (tx) =>
          atomic ? appendTogether(tx, messages) : appendEach(tx, messages),
      );
    this.#checkpointer?.appended(messages.length);
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
      this.#checkpointer?.committed();
      return { id };
    } catch (error) {
      // The rule throws the error that says why the sender was refused.
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
    // One time for the whole read, so that a message that is unexpired at its start is
    // delivered.
    const nowMs = this.now();
    const { pending, replyTo, session, seesExpired, sentBy: sender } = filter;
    if (sender !== undefined) {
      const messages = sentBy(this.#connection, sender, cursor, limit, nowMs);
      return { messages, cursor: messages.at(-1)?.id ?? cursor };
    }
    if (pending !== undefined || replyTo !== undefined) {
      const messages = pending !== undefined
        ? pendingFor(this.#connection, session!, cursor, limit, nowMs, pending)
        : answerTo(this.#connection, session!, replyTo!, nowMs);
      return { messages, cursor: messages.at(-1)?.id ?? cursor };
    }
    const page = this.#messages.read(filter, cursor, limit, nowMs);
    // Checked after the read. A writer may wait for longer than its message's TTL, so
    // an expired message may be committed at any moment.
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
    // Loaded here, because a process that only writes does not need it.
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
      // A channel without messages needs no row.
      tx.connection.sql("DELETE FROM channel_tally WHERE kept <= 0").run();
      tx.connection.sql(`PRAGMA incremental_vacuum(${STEP_PAGES_MAX})`).all();
    });
    await this.#checkpointer?.truncate();
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

  /** Prepares for the exit of a one-shot process, which does not close the store. */
  detach(): void {
    const { db, location } = this.#connection;
    try {
      checkpointOnExit(db, location);
    } catch (error) {
      // The next process that exits tries again.
      this.#settings.warn(`mbus: ${(error as Error).message}`);
    }
  }

  async #close(): Promise<void> {
    await this.#wakeUps?.close();
    await this.#checkpointer?.settled();
    this.#connection.close();
  }

  /** Runs one write transaction, and touches bells after the commit. */
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
      // Looked up before the commit, because a later reader reads this commit anyway.
      bells = bellsFor(this.#connection, rings);
      return result;
    }, () => this.#committed(rings, bells));
    if (!skipsCheckpoint) this.#checkpointer?.committed();
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
      // The message is committed, and its readers' safety poll finds it.
      const { message } = error as Error;
      this.#settings.warn(`mbus: a bell cannot be rung (${message}).`);
    }
  }

  #assertOpen(act: string): void {
    // Operations of close() itself are allowed until the connection is closed.
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
      storeBytes: fileSize(databasePath),
      walBytes: fileSize(`${databasePath}-wal`),
    };
  }
}

/**
 * Returns the path of a bus's database, for programs that open the file themselves.
 *
 * @throws {InvalidInputError} If `home` is not a path, or the user's home folder is
 * unknown.
 */
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

/** Appends each message for itself. First tries all together, which usually succeeds. */
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

/** Appends messages. Returns the error if a message caused it. */
function tryAppend(
  tx: Transaction,
  messages: readonly NewMessage[],
): { readonly appended: readonly Appended[] } | { readonly error: Error } {
  try {
    return { appended: tx.savepoint(() => appendTogether(tx, messages)) };
  } catch (error) {
    // An error of the disk or of another writer is not caused by a message.
    if (error instanceof MessageBusError || faultOf(error) === "constraint") {
      return { error: error as Error };
    }
    throw error;
  }
}

let hasWarnedOfPlace = false;

/**
 * Warns once per process of a permitted network file system, and of a variable that
 * was ignored.
 */
function warnOfPlace(
  location: BusLocation,
  warn: (message: string) => void,
): void {
  if (hasWarnedOfPlace) return;
  const warnings = [
    ignoredStateHomeWarning(location),
    networkFileSystemWarning(location.databaseFolder),
  ].filter((warning) => warning !== undefined);
  hasWarnedOfPlace = warnings.length > 0;
  for (const warning of warnings) warn(`mbus: ${warning}`);
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
