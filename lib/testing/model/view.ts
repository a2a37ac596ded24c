/**
 * What there is to see of a store, in short: what a model and a store are
 * compared by.
 *
 * @module
 */

/** What there is to see. */
export interface View {
  /** What each session reads, in order. */
  readonly messages: Readonly<Record<string, readonly string[]>>;
  /** What is said of tasks, in no order: what comes at once has none. */
  readonly broadcasts: readonly string[];
  /** The sessions, in the order in which they came. */
  readonly sessions: readonly string[];
  /** The locks, oldest first. */
  readonly locks: readonly string[];
  /** Who waits, those that came first first. */
  readonly waiters: readonly string[];
  /** The tasks, in the order in which they are claimed. */
  readonly tasks: readonly string[];
  /** What waits for each session. */
  readonly pending: Readonly<Record<string, readonly string[]>>;
  /** How far each message that was published has come, if it is direct. */
  readonly deliveries: readonly string[];
  /** What the durable name is yet to be given, while somebody has it. */
  readonly name?: {
    readonly messages: readonly string[];
    readonly lost: number;
  };
}
