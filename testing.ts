/**
 * Suite that every store of the bus passes, for authors of stores.
 *
 * A store implements `Store`, and {@linkcode conformance} shows whether a bus can
 * use it. The suite has small cases by subject, from publish, order and cursors to
 * locks, tasks, atomicity and capabilities. Each case has fresh storage. At the
 * end, random histories are compared with a plain model. A difference is shrunk to
 * the shortest history that causes it, and printed with the two variables that run
 * it again.
 *
 * A store provides a {@linkcode StoreUnderTest}:
 *
 * - `storage()` makes empty storage, shared by all stores that are opened on it.
 *   Cases open several stores, each in the place of another process.
 * - `advance()` moves the clock, so no case sleeps. Otherwise the clock may stand
 *   still or run.
 * - `capabilities` are the declared capabilities. All stores have the same cases;
 *   a case that needs an undeclared capability is ignored.
 *
 * The suite does not start processes: a store tests by itself that it survives a
 * kill during a write, or a server that goes away.
 *
 * @example A store's test file
 *
 * Here the bus's own store for SQLite stands for yours, and the cases of one
 * subject are run at once. In a test file it is `conformance(Deno.test, …)`.
 *
 * ```ts
 * import {
 *   conformance,
 *   type ConformanceCase,
 *   type TestStorage,
 * } from "@coditect/message-bus/testing";
 * import { DatabaseSync } from "node:sqlite";
 * import { messagingDbPath, SqliteStore } from "./lib/sqlite/store.ts";
 *
 * async function storage(): Promise<TestStorage> {
 *   const root = await Deno.makeTempDir();
 *   const home = `${root}/bus`;
 *   let passedMs = 0;
 *   const now = () => Date.now() + passedMs;
 *   return {
 *     now,
 *     advance: (ms) => void (passedMs += ms),
 *     open: () =>
 *       SqliteStore.open({
 *         home,
 *         now,
 *         notify: "watch",
 *         pollIntervalMs: 60_000,
 *         busyTimeoutMs: 5_000,
 *         warn: console.error,
 *       }),
 *     insert: ({ sender, channel, payloadText }) => {
 *       using database = new DatabaseSync(messagingDbPath(home));
 *       database.prepare(
 *         `INSERT INTO inter_session_messages(sender_id, channel, payload)
 *          VALUES (?, ?, ?)`,
 *       ).run(sender, channel, payloadText);
 *     },
 *     [Symbol.asyncDispose]: () => Deno.remove(root, { recursive: true }),
 *   };
 * }
 *
 * const cases: ConformanceCase[] = [];
 * conformance((each) => cases.push(each), {
 *   name: "mine",
 *   capabilities: {
 *     pushesWakeUps: true,
 *     atomicBatches: true,
 *     exactLossCounts: true,
 *     acceptsForeignRows: true,
 *   },
 *   storage,
 * });
 * for (const { name, ignore, fn } of cases) {
 *   if (name.startsWith("mine: capabilities: ") && !ignore) await fn();
 * }
 * ```
 *
 * @module
 */

export {
  conformance,
  type ConformanceCase,
} from "./lib/testing/conformance.ts";
export type {
  ForeignRow,
  StoreUnderTest,
  TestStorage,
  TestStoreOptions,
} from "./lib/testing/store_under_test.ts";
export type { Operations } from "./lib/bus/operations.ts";
export type {
  Decide,
  DeliveryQuery,
  DurableQuery,
  HoldQuery,
  InboxCountQuery,
  MarkQuery,
  MessageQuery,
  Moment,
  NoteQuery,
  Plan,
  RecordQuery,
  SessionQuery,
  TaskRecordQuery,
  TokenQuery,
  TouchQuery,
  WaiterQuery,
} from "./lib/rules/rule.ts";
export type { FollowChange, Follows } from "./lib/rules/follows.ts";
export {
  type Asker,
  type DeliveryRecord,
  durableKey,
  type DurableRecord,
  type HoldRecord,
  HoldSet,
  type Mark,
  type MessageHead,
  noteKey,
  type NoteRecord,
  type RecordChange,
  type RecordKind,
  Records,
  RecordSet,
  type RecordTypes,
  type SaidMessage,
  SET_OF,
  taskKey,
  type TaskRecord,
  type TopicWake,
  touchKey,
  type TouchRecord,
  type WaiterRecord,
} from "./lib/rules/records.ts";
export { type EntryKind, OverlapBudget } from "./lib/path/lock_overlap.ts";
