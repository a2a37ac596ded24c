/**
 * What a store has to bring to be tested: fresh storage, and a clock.
 *
 * @module
 */

import type { Operations } from "../bus/operations.ts";
import type { Store, StoreCapabilities } from "../store/store.ts";

/** How a case wants a store opened; what is left out is as by default. */
export interface TestStoreOptions {
  /**
   * Messages kept on a channel.
   * @default {10000}
   */
  readonly channelMessagesMax?: number;
  /**
   * Locks a session may hold and wait for at a time.
   * @default {1000}
   */
  readonly locksMax?: number;
}

/** A row as another program inserts it, knowing the fewest columns. */
export interface ForeignRow {
  /** The session that it names as its sender, known or not. */
  readonly sender: string;
  /** The channel. */
  readonly channel: string;
  /** The payload, which need be no JSON. */
  readonly payloadText: string;
}

/**
 * Storage for one case: empty at first, shared by all that is opened on it,
 * and gone when it is disposed of.
 */
export interface TestStorage extends AsyncDisposable {
  /**
   * Opens one more store on it, as another process of this host would. The
   * case closes it, before the storage goes.
   *
   * Where the store pushes wake-ups, its own polling must be so seldom (once a
   * minute) that nothing which comes in a case was polled for.
   */
  open(): Promise<Store>;
  /**
   * The time on its clock, in milliseconds since 1970, for what sits on top of
   * the stores.
   */
  now(): number;
  /**
   * Moves the clock of every store on it at once: forward, or back if `ms` is
   * negative. In between the clock may stand still, or go on as a clock does: cases keep seconds away from
   * what they test. Absent if its clock cannot be moved.
   */
  advance?(ms: number): void | Promise<void>;
  /**
   * Inserts a row as another program does; needed with the capability
   * `acceptsForeignRows`.
   */
  insert?(row: ForeignRow): void | Promise<void>;
}

/** A kind of store, and how to make storage for it. */
export interface StoreUnderTest {
  /** What it is called in the names of the cases. */
  readonly name: string;
  /** What it says that it can do: the cases that need more are ignored. */
  readonly capabilities: StoreCapabilities;
  /**
   * Whether its storage can {@linkcode TestStorage.advance} its clock.
   * @default {true}
   */
  readonly movesClock?: boolean;
  /**
   * Why no case can run here, and what to do about it, such as where a server
   * is missing: then all are ignored.
   */
  readonly ignore?: string;
  /**
   * How many random histories are tried.
   * @default {50}
   */
  readonly histories?: number;
  /**
   * Makes the operations over a store, for tests that plant a defect in them.
   * @default {the bus's own}
   */
  readonly operations?: (operations: Operations) => Operations;
  /** Makes storage for one case. */
  storage(): Promise<TestStorage>;
}
