/**
 * What a store must do so that a bus can stand on it.
 *
 * A store keeps messages in order and records by key, runs rules (lib/rules/) on
 * the records, and wakes the watchers. It decides nothing about sessions, locks
 * or tasks, and the bus knows no SQL. What only some stores can do is declared in
 * {@linkcode StoreCapabilities}: the bus branches on those, never on which store
 * it has.
 *
 * What every store keeps true:
 *
 * - **A message's id is its cursor.** Ids are strings whose order is private
 *   to the store. A reader that asks for what comes after an id gets every
 *   message committed later, and none twice.
 * - **Nothing is read before its commit**, and an operation that was
 *   acknowledged survives the death of its process.
 * - **An expired message is never read**, whether or not it was purged yet.
 * - **A wake-up is a hint.** It carries no truth; it may come late, twice or
 *   for nothing. A woken reader reads again by cursor.
 * - **A session is one process's at a time.** What is done in the name of one
 *   that this store has registered is refused with a `SessionEndedError` once it
 *   has ended, or another process has registered under its id.
 * - **Refused means unchanged.** An operation that throws has stored nothing.
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

/** What a store can and cannot do. */
export interface StoreCapabilities {
  /** Whether a reader is woken by the store, not only by its own poll. */
  readonly pushesWakeUps: boolean;
  /** Whether operations of different kinds can be committed together. */
  readonly atomicBatches: boolean;
  /** Whether a durable name's count of lost messages is exact. */
  readonly exactLossCounts: boolean;
  /** Whether rows that other programs insert are messages too. */
  readonly acceptsForeignRows: boolean;
}

/** One channel's share of what is kept. */
export interface ChannelStats {
  /** The channel. */
  readonly channel: string;
  /** Messages kept and not expired. */
  readonly messages: number;
}

/** How much a store holds. */
export interface Stats {
  /** Where it is, without credentials. */
  readonly location: string;
  /** Messages kept and not expired. */
  readonly messages: number;
  /** The same, by channel, most first. */
  readonly channels: readonly ChannelStats[];
  /** Sessions that have not ended. */
  readonly sessions: number;
  /** Durable names. */
  readonly durableNames: number;
  /** Size of what is stored, in bytes. */
  readonly storeBytes: number;
  /** Size of the write-ahead log, in bytes; 0 if the store has none. */
  readonly walBytes: number;
}

/** How a watch learns that there may be something new. */
export type WatchMode = "push" | "poll";

/** A running watch; closing it twice is fine. */
export interface Watch extends Disposable {
  /** How it learns; a push may fall back to polling while it runs. */
  readonly mode: WatchMode;
  /** Ends it: `wake` is not called again. */
  close(): void;
}

/**
 * The name of records that a rule decides on. One that guards all of a kind
 * guards each of them. A rule that guards one session or durable name loads it
 * before what belongs to it.
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
  /** One durable name, which exists. */
  | `durable:${string}`
  /** Messages that are to be removed. */
  | "messages";

/** A decision on records, for a store to run. */
export interface Rule<T> {
  /** What is done, for errors: `lock "src/a.ts"`. */
  readonly act: string;
  /** Rules with a guard in common never run at the same time. */
  readonly guards: readonly Guard[];
  /** Decides; see rules/rule.ts. */
  readonly decide: Decide<T>;
}

/** The result of a rule that needed no write. */
export interface Seen<T> {
  /** The result. */
  readonly result: T;
}

/** Which changes of records wake a watch. */
export interface RecordTopic {
  /** The topic. */
  readonly topic: ChangeTopic;
  /** The session that is concerned; `null` for every session. */
  readonly session: string | null;
}

/** Where the bus keeps its messages and its records. */
export interface Store extends AsyncDisposable {
  /** What this store can do. */
  readonly capabilities: StoreCapabilities;
  /** Where it is, for people: a path or a URL without credentials. */
  readonly location: string;

  /**
   * Returns the store's time, in milliseconds since 1970, by which messages
   * expire. It may differ from the system's.
   */
  now(): number;

  /**
   * Appends messages in order, in one transaction, and wakes their readers.
   *
   * @param options With `atomic` one refusal refuses all and is thrown. Without,
   * each message stands for itself.
   * @returns As many results as messages, in their order.
   */
  append(
    messages: readonly NewMessage[],
    options: { readonly atomic: boolean },
  ): Promise<readonly AppendResult[]>;

  /**
   * Returns the living messages after `cursor`, in order, at most `limit`; without
   * a promise if the store need not wait for them.
   *
   * @throws {InvalidInputError} If the store can tell that the cursor lies beyond
   * everything that was ever published.
   */
  read(
    filter: MessageFilter,
    cursor: string,
    limit: number,
  ): Page | Promise<Page>;

  /** Returns the cursor after everything that is committed. */
  endCursor(): Promise<string>;

  /**
   * Returns the cursor that a text means. `start` is the cursor before everything
   * that is kept.
   *
   * @throws {InvalidInputError} If it is not a cursor of this store.
   */
  parseCursor(text: string): string;

  /**
   * Runs a rule on the records as they are.
   *
   * @returns Its result; undefined if it wants to change something. A store that
   * may only be read returns the result in any case.
   * @throws What the rule throws.
   */
  look<T>(rule: Rule<T>): Promise<Seen<T> | undefined>;

  /**
   * Runs a rule, commits what it changes and says, all or nothing, and wakes the
   * watches of that. Begins the rule again if a record that it saw has changed.
   *
   * @throws What the rule throws; then nothing is changed.
   */
  update<T>(rule: Rule<T>): Promise<T>;

  /**
   * Calls `wake` whenever there may be a new message, or a change of a topic. The
   * watch stands when this resolves: what is committed later wakes it.
   */
  watch(
    interest: Interest | RecordTopic,
    wake: () => void,
  ): Promise<Watch>;

  /**
   * Does upkeep that is the store's alone, a bounded step of it.
   *
   * @returns Whether a further step would find more.
   */
  maintain(): Promise<{ readonly more: boolean }>;

  /** Returns how much is stored. */
  stats(): Promise<Stats>;

  /** Closes it, and gives all resources back; closing twice is fine. */
  close(): Promise<void>;
}
