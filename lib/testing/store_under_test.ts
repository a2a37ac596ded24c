/**
 * Requirements of a store under test: fresh storage and a clock.
 *
 * @module
 */

import type { Operations } from "../bus/operations.ts";
import type { Store, StoreCapabilities } from "../store/store.ts";

/** Options of opening a store in a case. */
export interface TestStoreOptions {
  /**
   * Largest number of messages kept on a channel.
   * @default {10000}
   */
  readonly channelMessagesMax?: number;
  /**
   * Largest number of locks that a session holds and waits for.
   * @default {1000}
   */
  readonly locksMax?: number;
}

/** Row as another program inserts it, with the required columns only. */
export interface ForeignRow {
  /** Id of the sender, known or not. */
  readonly sender: string;
  /** Name of the channel. */
  readonly channel: string;
  /** Text of the payload, JSON or not. */
  readonly payloadText: string;
}

/**
 * Storage for one case: empty at first, shared by all stores that are opened on
 * it, and deleted when disposed of.
 */
export interface TestStorage extends AsyncDisposable {
  /**
   * Opens another store, as another process of this host does. The case closes the
   * store before the storage is disposed of.
   *
   * A store that pushes wake-ups must poll at most once a minute, so that no
   * wake-up within a case comes from polling.
   */
  open(): Promise<Store>;
  /**
   * Returns the time of the clock, in milliseconds since 1970, for buses on the
   * stores.
   */
  now(): number;
  /**
   * Moves the clock of every store at once: forward, or back if `ms` is negative.
   * Otherwise the clock may stand still or run: cases keep seconds away from the
   * limits that they test. Absent if the clock cannot be moved.
   */
  advance?(ms: number): void | Promise<void>;
  /**
   * Inserts a row as another program does. Required with the capability
   * `acceptsForeignRows`.
   */
  insert?(row: ForeignRow): void | Promise<void>;
}

/** Kind of store, with a factory of storage. */
export interface StoreUnderTest {
  /** Name of the store in the names of the cases. */
  readonly name: string;
  /** Declared capabilities; cases that need more are ignored. */
  readonly capabilities: StoreCapabilities;
  /**
   * Whether the storage can {@linkcode TestStorage.advance} its clock.
   * @default {true}
   */
  readonly movesClock?: boolean;
  /**
   * Reason why no case can run here, with the remedy, such as a missing server.
   * All cases are then ignored.
   */
  readonly ignore?: string;
  /**
   * Number of random histories.
   * @default {50}
   */
  readonly histories?: number;
  /**
   * Makes the operations of a store, for tests that plant a defect in them.
   * @default {the operations of the bus}
   */
  readonly operations?: (operations: Operations) => Operations;
  /** Makes storage for one case. */
  storage(): Promise<TestStorage>;
}
