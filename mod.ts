/**
 * One bus for every coding-agent session on a machine: who is here, what each
 * is doing, and messages that arrive in under a millisecond. No daemon and no
 * broker: one small SQLite file, pushed by file-system notification.
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

import { MessageBus } from "./lib/bus.ts";
import { processStart } from "./lib/host.ts";
import { openStore } from "./lib/open_store.ts";
import {
  type OpenBusOptions,
  projectNameOf,
  refuseUnlessName,
  type ResolvedOptions,
  resolveOptions,
} from "./lib/options.ts";
import { projectOf } from "./lib/project.ts";
import type { SessionStart } from "./lib/sessions.ts";
import { messagingDbPath } from "./lib/sqlite/store.ts";

export { Batch, type BatchResult } from "./lib/batch.ts";
export {
  type AskOptions,
  MessageBus,
  type PollOptions,
  type Publication,
  type Published,
  type PublishOptions,
} from "./lib/bus.ts";
export {
  AskTimeoutError,
  AskUnansweredError,
  BusyError,
  ClosedError,
  DeadlockError,
  type DeadlockStep,
  DurableNameInUseError,
  type ErrorKind,
  InvalidInputError,
  LeaseLostError,
  LimitError,
  LockHeldError,
  MessageBusError,
  NotHeldError,
  PayloadTooLargeError,
  RateLimitError,
  SessionEndedError,
  StoreError,
  type StoreFault,
  TaskStateError,
  UnknownSessionError,
} from "./lib/errors.ts";
export {
  type Delivery,
  type DeliveryState,
  Inbox,
  type InboxOptions,
} from "./lib/inbox.ts";
export type {
  Extent,
  LockKind,
  LockTarget,
  PatternMode,
} from "./lib/lock_target.ts";
export {
  type AcquireOptions,
  type Blocker,
  type Coverage,
  DEFAULT_LOCK_LEASE_MS,
  type Hold,
  Lock,
  LOCK_LEASE_MS_MAX,
  type LockListOptions,
  type LockOutcome,
  type LockOverlap,
  type LockRequest,
  Locks,
  type LockType,
  type PathOptions,
} from "./lib/locks.ts";
export {
  type Claim,
  type ClaimEnd,
  type Claimer,
  type ClaimOptions,
  DEFAULT_TASK_LEASE_MS,
  type NewTask,
  type Task,
  TASK_LEASE_MS_MAX,
  type TaskFilter,
  type TaskListOptions,
  type TaskPosting,
  Tasks,
  type TaskStatus,
} from "./lib/tasks.ts";
export type { ProcessIdentity } from "./lib/host.ts";
export type { Cover } from "./lib/lock_overlap.ts";
export type { Json } from "./lib/json.ts";
export type { CodexThread, Keeper, KeeperProcess } from "./lib/keeper.ts";
export type { OpenBusOptions, ResolvedOptions } from "./lib/options.ts";
export {
  type Incarnation,
  type Session,
  type SessionChange,
  type SessionListOptions,
  Sessions,
  type SessionSelf,
  type SessionStart,
  type SessionStatus,
  shortName,
  STALE_AFTER_MS,
} from "./lib/sessions.ts";
export type {
  Activity,
  Appended,
  AppendResult,
  BranchMove,
  ChangeTopic,
  ChannelStats,
  DurablePage,
  DurableReader,
  EditObstacle,
  EditRequest,
  EditTarget,
  FileScope,
  FileTouch,
  FolderQuery,
  FolderTouch,
  Interest,
  LockQuery,
  Message,
  NewMessage,
  Operation,
  OperationResult,
  OthersFile,
  OthersFiles,
  Page,
  Purged,
  Stats,
  Store,
  StoreCapabilities,
  TaskQuery,
  Watch,
  WatchMode,
} from "./lib/store.ts";
export { type SubscribeOptions, Subscription } from "./lib/subscription.ts";
export {
  CHANNEL_TTL_SECONDS,
  DEFAULT_TTL_SECONDS,
  TTL_SECONDS_MAX,
} from "./lib/channels.ts";

/**
 * Opens the bus of this machine, making it if it is new.
 *
 * @param options The store's URL, or how to open it.
 * @throws {InvalidInputError} If an option is out of its range.
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
  given.signal?.throwIfAborted();
  const resolved = resolveOptions(given);
  const start = sessionStart(resolved);
  const store = await openStore(resolved);
  if (given.signal?.aborted) {
    await store.close();
    throw given.signal.reason;
  }
  return new MessageBus(store, start, resolved);
}

/**
 * Where a bus's database file is, for programs that insert rows themselves.
 *
 * @param home The bus folder; by default the one that {@linkcode openBus} uses.
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
  return messagingDbPath(home);
}

function sessionStart(options: ResolvedOptions): SessionStart {
  const pid = options.pid ?? Deno.pid;
  const here = projectOf(Deno.cwd());
  const project = projectNameOf(options.project, here.project);
  // Who works on another project does not do so in this worktree.
  const place = project === null || project === here.project ? here : undefined;
  const id = options.session ?? (Deno.env.get("MBUS_SESSION") || undefined);
  refuseUnlessName("MBUS_SESSION", id);
  return {
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
