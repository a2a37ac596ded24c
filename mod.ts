/**
 * One bus for every coding-agent session on a machine: sessions, messages, locks
 * and tasks. No daemon and no broker: one small SQLite file, and wake-ups by
 * file-system notification.
 *
 * ```ts
 * import { openBus } from "@coditect/message-bus";
 * import assert from "node:assert/strict";
 *
 * await using bus = await openBus({ home: await Deno.makeTempDir() });
 *
 * const states = bus.subscribe("state");
 * await states.ready;
 * await bus.publish("state", { status: "working", on: "src/a.ts" });
 *
 * for await (const message of states) {
 *   assert.deepEqual(message.payload, { status: "working", on: "src/a.ts" });
 *   break;
 * }
 * ```
 *
 * @module
 */

import { MessageBus } from "./lib/bus/bus.ts";
import { processStart, warnOfUnseenDeaths } from "./lib/process/host.ts";
import { permissionError } from "./lib/process/permissions.ts";
import { openOperations } from "./lib/store/open.ts";
import {
  assertName,
  type OpenBusOptions,
  projectNameOf,
  type ResolvedOptions,
  resolveOptions,
} from "./lib/bus/options.ts";
import { projectOf } from "./lib/path/project.ts";
import type { SessionStart } from "./lib/model/session.ts";
import { messagingDbPath } from "./lib/sqlite/store.ts";

export { Batch, type BatchResult } from "./lib/bus/batch.ts";
export {
  type AskOptions,
  MessageBus,
  type PollOptions,
  type SentOptions,
} from "./lib/bus/bus.ts";
export type {
  Publication,
  Published,
  PublishOptions,
} from "./lib/model/publication.ts";
export {
  AskTimeoutError,
  AskUnansweredError,
  BusyError,
  ClosedError,
  DeadlockError,
  type DeadlockStep,
  DurableNameInUseError,
  type ErrorKind,
  InboxFullError,
  InvalidInputError,
  LeaseLostError,
  LimitError,
  LockHeldError,
  MessageBusError,
  NameTakenError,
  NotHeldError,
  PayloadTooLargeError,
  RateLimitError,
  SessionEndedError,
  StoreError,
  type StoreFault,
  TaskStateError,
  UnknownSessionError,
} from "./lib/model/errors.ts";
export { Inbox, type InboxOptions } from "./lib/bus/inbox.ts";
export type {
  Delivery,
  DeliveryState,
  SentDelivery,
} from "./lib/model/delivery.ts";
export type { SentMessage } from "./lib/bus/operations.ts";
export type { PatternMode } from "./lib/path/lock_target.ts";
export {
  type AcquireOptions,
  Lock,
  LOCK_LEASE_MS_MAX,
  type LockListOptions,
  Locks,
  type PathOptions,
} from "./lib/bus/locks.ts";
export {
  type Blocker,
  DEFAULT_LOCK_LEASE_MS,
  type Hold,
  type HoldPathSets,
  type LockKind,
  type LockOutcome,
  type LockOverlap,
  type LockQuery,
  type LockRequest,
  type LockTarget,
  type LockType,
  type PathSet,
} from "./lib/model/lock.ts";
export {
  type ClaimNextOptions,
  type ClaimOptions,
  DEFAULT_TASK_LEASE_MS,
  TASK_LEASE_MS_MAX,
  type TaskListOptions,
  Tasks,
  type Work,
  type WorkOptions,
} from "./lib/bus/tasks.ts";
export type {
  Claim,
  ClaimEnd,
  Claimer,
  NewTask,
  Task,
  TaskAct,
  TaskChanges,
  TaskEdit,
  TaskFilter,
  TaskPosting,
  TaskQuery,
  TaskStatus,
} from "./lib/model/task.ts";
export type { TaskState } from "./lib/model/task_state.ts";
export type { Json } from "./lib/model/json.ts";
export type {
  CodexThread,
  HostedProcess,
  Keeper,
  KeeperProcess,
  Life,
  ProcessIdentity,
} from "./lib/model/process.ts";
export type { OpenBusOptions, ResolvedOptions } from "./lib/bus/options.ts";
export {
  type SessionListOptions,
  Sessions,
  type SessionSelf,
} from "./lib/bus/sessions.ts";
export {
  type ActivityState,
  type FollowedChannel,
  type Incarnation,
  type ListedSession,
  nameOf,
  type Session,
  type SessionActivity,
  type SessionChange,
  type SessionStart,
  type SessionStatus,
  shortName,
  STALE_AFTER_MS,
} from "./lib/model/session.ts";
export type {
  ChannelStats,
  Guard,
  RecordTopic,
  Rule,
  Seen,
  Stats,
  Store,
  StoreCapabilities,
  Watch,
  WatchMode,
} from "./lib/store/store.ts";
export type { Operation, OperationResult } from "./lib/model/batch.ts";
export type { DurablePage, DurableReader } from "./lib/model/durable.ts";
export type {
  Activity,
  BranchMove,
  EditConflict,
  EditRequest,
  EditTarget,
  FileScope,
  FileTouch,
  FolderQuery,
  FolderTouch,
  OthersFile,
  OthersFiles,
} from "./lib/model/edit.ts";
export type {
  Appended,
  AppendResult,
  ChangeTopic,
  Interest,
  Message,
  MessageFilter,
  NewMessage,
  Page,
  Pending,
  Purged,
} from "./lib/model/message.ts";
export { type SubscribeOptions, Subscription } from "./lib/bus/subscription.ts";
export {
  CHANNEL_TTL_SECONDS,
  DEFAULT_TTL_SECONDS,
  DIRECT_TTL_SECONDS,
  TTL_SECONDS_MAX,
} from "./lib/model/channels.ts";

/**
 * Opens the bus of this machine, making it if it is new.
 *
 * @param options The store's URL, or how to open it.
 * @throws {InvalidInputError} If an option is unknown or out of its range.
 * @throws {StoreError} If the store cannot be used; its `fault` says why.
 *
 * @example
 * ```ts
 * import { openBus } from "@coditect/message-bus";
 * import assert from "node:assert/strict";
 *
 * const home = await Deno.makeTempDir();
 * await using bus = await openBus({ home, vendor: "claude", session: "me" });
 * assert.equal(bus.session, "me");
 * ```
 */
export async function openBus(
  options: string | OpenBusOptions = {},
): Promise<MessageBus> {
  const given = typeof options === "string" ? { url: options } : options;
  const resolved = resolveOptions(given);
  given.signal?.throwIfAborted();
  try {
    const start = sessionStart(resolved);
    const store = await openOperations(resolved);
    if (given.signal?.aborted) {
      await store.close();
      throw given.signal.reason;
    }
    warnOfUnseenDeaths(resolved.warn);
    return new MessageBus(store, start, resolved);
  } catch (error) {
    throw permissionError("open the bus", error);
  }
}

/**
 * Returns the path of a bus's database file, for programs that insert rows
 * themselves.
 *
 * @param home Bus folder; by default the one that {@linkcode openBus} uses.
 *
 * @example
 * ```ts
 * import { getMessagingDbPath } from "@coditect/message-bus";
 * import assert from "node:assert/strict";
 *
 * assert.equal(getMessagingDbPath("/srv/bus"), "/srv/bus/db/messaging.db");
 * ```
 */
export function getMessagingDbPath(home?: string): string {
  try {
    return messagingDbPath(home);
  } catch (error) {
    throw permissionError("find the bus", error);
  }
}

function sessionStart(options: ResolvedOptions): SessionStart {
  const pid = options.pid ?? Deno.pid;
  const here = projectOf(Deno.cwd());
  const project = projectNameOf(options.project, here.project);
  // A session of another project does not work in this worktree.
  const place = project === null || project === here.project ? here : undefined;
  const id = options.session ?? (Deno.env.get("MBUS_SESSION") || undefined);
  assertName("MBUS_SESSION", id);
  return {
    name: options.name,
    wishedName: Deno.env.get("MBUS_NAME") || undefined,
    id: id ?? `${options.vendor}-${crypto.randomUUID().slice(0, 8)}`,
    vendor: options.vendor,
    model: options.model,
    tty: options.tty,
    pid,
    processStart: processStart(pid),
    project,
    worktree: place?.worktree,
    branch: place?.branch,
    task: options.task,
  };
}
