/**
 * Visible state of a store, by which a model and a store are compared.
 *
 * @module
 */

/** Visible state. */
export interface View {
  /** Messages that each session reads, in order. */
  readonly messages: Readonly<Record<string, readonly string[]>>;
  /** Announcements of tasks, sorted, because concurrent ones have no order. */
  readonly broadcasts: readonly string[];
  /** Sessions, in the order of registration. */
  readonly sessions: readonly string[];
  /** Locks, oldest first. */
  readonly locks: readonly string[];
  /** Waiters, earliest first. */
  readonly waiters: readonly string[];
  /** Tasks, in the order in which they are claimed. */
  readonly tasks: readonly string[];
  /** Pending messages of each session. */
  readonly pending: Readonly<Record<string, readonly string[]>>;
  /** Delivery state of each direct message. */
  readonly deliveries: readonly string[];
  /** Unacknowledged messages of the durable name, while a reader holds it. */
  readonly name?: {
    readonly messages: readonly string[];
    readonly lost: number;
  };
}
