/**
 * The interface of a store, on which a bus is built.
 *
 * A store keeps messages in order and records by key, runs rules (lib/rules/) on the
 * records, and wakes watchers. It decides nothing about sessions, locks or tasks, and
 * the bus knows no SQL. {@linkcode StoreCapabilities} declares the abilities that only
 * some stores have. The bus branches on those, never on which store it has.
 *
 * Invariants of every store:
 *
 * - **A message's id is its cursor.** Ids are strings whose order is private to the
 *   store. A reader after an id gets every message committed later, and none twice.
 * - **No message is read before its commit**, and an acknowledged operation survives
 *   the death of its process.
 * - **An expired message is never read**, whether or not it has been purged.
 * - **A wake-up is a hint.** It may come late, twice or without a reason. A woken
 *   reader reads again by cursor.
 * - **A session belongs to one process at a time.** Operations of a session that this
 *   store registered reject with `SessionEndedError` once the session has ended or
 *   another process has registered its id.
 * - **A refused operation changes nothing.** An operation that throws has stored
 *   nothing.
 *
 * @module
 */

import type {
  AppendResult,
  ChangeTopic,
  Interest,
  MessageFilter,
  NewMessage,
  Page,
} from "../model/message.ts";
import type { Decide } from "../rules/rule.ts";

/** The abilities of a store. */
export interface StoreCapabilities {
  /** Whether the store wakes readers, so that they do not depend on polls. */
  readonly pushesWakeUps: boolean;
  /** Whether operations of different kinds can be committed together. */
  readonly atomicBatches: boolean;
  /** Whether a durable name's count of lost messages is exact. */
  readonly exactLossCounts: boolean;
  /** Whether rows that other programs insert are messages. */
  readonly acceptsForeignRows: boolean;
}

/** The number of messages of one channel. */
export interface ChannelStats {
  /** The channel. */
  readonly channel: string;
  /** Number of stored messages that have not expired. */
  readonly messages: number;
}

/** Counts and sizes of a store. */
export interface Stats {
  /** The store's path or URL, without credentials. */
  readonly location: string;
  /** Number of stored messages that have not expired. */
  readonly messages: number;
  /** The messages by channel, the channel with the most messages first. */
  readonly channels: readonly ChannelStats[];
  /** Number of sessions that have not ended. */
  readonly sessions: number;
  /** Number of durable names. */
  readonly durableNames: number;
  /** Size of the database, without the write-ahead log, in bytes. */
  readonly storeBytes: number;
  /** Size of the write-ahead log, in bytes; 0 if the store has none. */
  readonly walBytes: number;
}

/** The mode of a watch: woken by the store (`push`), or by its own polls (`poll`). */
export type WatchMode = "push" | "poll";

/** A running watch. */
export interface Watch extends Disposable {
  /** The current mode. It may change while the watch runs. */
  readonly mode: WatchMode;
  /** Ends the watch: `wake` is not called again. A second call has no effect. */
  close(): void;
}

/**
 * The name of the records that a rule decides on. A guard of all records of a kind
 * includes each of them. A rule that guards one session or durable name loads it
 * before its other records.
 */
export type Guard =
  /** Locks, waiters, and touches of files. */
  | "locks"
  /** Sessions of every project. */
  | "sessions"
  /** One session, with its notes and deliveries. */
  | `session:${string}`
  /** Tasks of every project. */
  | "tasks"
  /** Tasks of one project. */
  | `tasks:${string}`
  /** Durable names of every project. */
  | "durables"
  /** One existing durable name. */
  | `durable:${string}`
  /** Messages, for removing them. */
  | "messages";

/** A decision on records, for a store to run. */
export interface Rule<T> {
  /** The operation, for the messages of errors: `lock "src/a.ts"`. */
  readonly act: string;
  /** The guards. Rules with a guard in common never run at the same time. */
  readonly guards: readonly Guard[];
  /** The decision; see rules/rule.ts. */
  readonly decide: Decide<T>;
}

/** The result of a rule that needed no write. */
export interface Seen<T> {
  /** The result. */
  readonly result: T;
}

/** The changes of records that wake a watch. */
export interface RecordTopic {
  /** The topic. */
  readonly topic: ChangeTopic;
  /** The session whose changes wake the watch; `null` for every session. */
  readonly session: string | null;
}

/** The store of a bus, which keeps its messages and records. */
export interface Store extends AsyncDisposable {
  /** The abilities of this store. */
  readonly capabilities: StoreCapabilities;
  /** The store's path or URL for people, without credentials. */
  readonly location: string;

  /**
   * Returns the store's time, in milliseconds since 1970, by which messages
   * expire. It may differ from the system's.
   */
  now(): number;

  /**
   * Appends messages in order, in one transaction, and wakes their readers.
   *
   * @param options With `atomic`, a refusal of one message refuses all and is thrown.
   * Without it, each message has its own result.
   * @returns One result per message, in their order.
   */
  append(
    messages: readonly NewMessage[],
    options: { readonly atomic: boolean },
  ): Promise<readonly AppendResult[]>;

  /**
   * Returns up to `limit` unexpired messages after `cursor`, in order. Returns no
   * promise if the store does not wait for them.
   *
   * @throws {InvalidInputError} If the store knows that the cursor is after its last
   * message.
   */
  read(
    filter: MessageFilter,
    cursor: string,
    limit: number,
  ): Page | Promise<Page>;

  /** Returns the cursor after all committed messages. */
  endCursor(): Promise<string>;

  /**
   * Returns the cursor of a text. `start` is the cursor before all stored messages.
   *
   * @throws {InvalidInputError} If the text is not a cursor of this store.
   */
  parseCursor(text: string): string;

  /**
   * Runs a rule on the records without writing.
   *
   * @returns The result, or undefined if the rule has changes to write. A read-only
   * store always returns the result.
   * @throws The rule's error.
   */
  look<T>(rule: Rule<T>): Promise<Seen<T> | undefined>;

  /**
   * Runs a rule, commits its changes and messages in one transaction, and wakes their
   * watches. Runs the rule again if a record that it read has changed.
   *
   * @throws The rule's error; then nothing is changed.
   */
  update<T>(rule: Rule<T>): Promise<T>;

  /**
   * Calls `wake` whenever there may be a new message, or a change of a topic. Every
   * commit after this resolves wakes the watch.
   */
  watch(
    interest: Interest | RecordTopic,
    wake: () => void,
  ): Promise<Watch>;

  /**
   * Does one bounded step of the store's own upkeep.
   *
   * @returns Whether there is more to do.
   */
  maintain(): Promise<{ readonly more: boolean }>;

  /** Returns counts and sizes. */
  stats(): Promise<Stats>;

  /** Closes the store and frees its resources. A second call has no effect. */
  close(): Promise<void>;
}
