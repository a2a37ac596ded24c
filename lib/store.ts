/**
 * The seam: what a store must do so that a bus can stand on it.
 *
 * A store keeps rows and does each operation of the domain atomically; it
 * knows nothing of subscriptions, batching by tick, retries of a caller or
 * what a person sees. The bus knows nothing of SQL. What stores can't all do
 * is declared in {@linkcode StoreCapabilities}: the bus branches on those and
 * never on which store it has.
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
 *   for nothing. Whoever is woken reads again by cursor.
 * - **A session is one process's at a time.** What is done in the name of one
 *   that this store has registered is refused with a `SessionEndedError` once it
 *   has ended, or another process has registered under its id.
 * - **Refused means unchanged.** An operation that throws has stored nothing.
 *
 * @module
 */

import type { Json } from "./json.ts";
import type { Delivery, DeliveryState } from "./inbox.ts";
import type { Cover } from "./lock_overlap.ts";
import type { LockTarget } from "./lock_target.ts";
import type {
  Blocker,
  Hold,
  LockOutcome,
  LockRequest,
  LockType,
} from "./locks.ts";
import type { Session, SessionChange, SessionStart } from "./sessions.ts";
import type {
  Claim,
  ClaimEnd,
  Claimer,
  Task,
  TaskFilter,
  TaskPosting,
  TaskStatus,
} from "./tasks.ts";

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

/** One message, as every reader gets it; immutable. */
export interface Message {
  /** Its place in the store's order, and so the cursor of "after this one". */
  readonly id: string;
  /** The session that published it. */
  readonly sender: string;
  /** The channel that it is on. */
  readonly channel: string;
  /** What was published; `{ raw: text }` where a foreign row is no JSON. */
  readonly payload: Json;
  /** When it was published, as an ISO 8601 time in UTC. */
  readonly createdAt: string;
  /** When it ceases to be delivered, as an ISO 8601 time in UTC. */
  readonly expiresAt: string;
  /** The project it belongs to; absent when it is for every project. */
  readonly project?: string;
  /** The only session it is for; absent when it is for all. */
  readonly to?: string;
  /** The id of the message that it answers. */
  readonly replyTo?: string;
}

/** A message before the store has given it an id. */
export interface NewMessage {
  /** The session that publishes. */
  readonly sender: string;
  /** A checked channel name. */
  readonly channel: string;
  /** The payload as JSON text, of a checked size. */
  readonly payloadText: string;
  /** Its lifetime in seconds. */
  readonly ttlSeconds: number;
  /** The project it belongs to; `null` for every project. */
  readonly project: string | null;
  /** The only session it is for: its id, a beginning of it, or a short name. */
  readonly to?: string;
  /**
   * The id of the message that it answers: if that is a direct one for its
   * sender, it is acknowledged with it.
   */
  readonly replyTo?: string;
}

/** What became of a message that was to be appended. */
export interface Appended {
  /** Its id. */
  readonly id: string;
  /** The id of the session that it is for. */
  readonly to?: string;
  /** Whether that session has ended: then it is kept in case it resumes. */
  readonly notRunning?: boolean;
}

/** What became of each message that stands for itself. */
export type AppendResult = Appended | { readonly error: Error };

/** What a watch of changes is about. */
export type ChangeTopic = "locks" | "grants" | "tasks" | "deliveries";

/** Which locks to list. */
export interface LockQuery {
  /** The project that they are in, beside those of none; `null` for all. */
  readonly project: string | null;
  /** The folder below which they lie, whatever their project. */
  readonly below?: string;
  /** Only this session's. */
  readonly session?: string;
  /** Only those on exactly this path. */
  readonly path?: string;
  /** Only the one with this token. */
  readonly token?: number;
  /** Only those that overlap this on disk. */
  readonly overlapping?: LockTarget;
}

/** Which tasks to list. */
export interface TaskQuery extends TaskFilter {
  /** The project; `null` for none. */
  readonly project: string | null;
  /** Whether only that project's are listed, or all. */
  readonly exactProject: boolean;
  /** Only those that stand so. */
  readonly status?: TaskStatus;
  /** Only the one with this id. */
  readonly id?: string;
}

/** That a session changed a file. */
export interface FileTouch {
  /** The session. */
  readonly session: string;
  /** When, in milliseconds since 1970. */
  readonly touchedAtMs: number;
}

/** A change of a file below a folder. */
export interface FolderTouch extends FileTouch {
  /** The vendor of the session's agent. */
  readonly vendor: string;
  /** The file's absolute path. */
  readonly path: string;
}

/** Which changes below a folder are listed. */
export interface FolderQuery {
  /** The absolute path of the folder. */
  readonly folder: string;
  /** The session that asks: its own changes are left out. */
  readonly session: string;
  /** The time of the oldest change, in milliseconds since 1970. */
  readonly sinceMs: number;
  /** The largest number of changes. */
  readonly limit: number;
}

/** The branch that a worktree was found on. */
export interface BranchMove {
  /** The root of the worktree. */
  readonly worktree: string;
  /** The branch; `null` on a detached head. */
  readonly branch: string | null;
  /** The session that found it. */
  readonly session: string;
  /** Whether that session has run the command that changed it. */
  readonly isOwn: boolean;
}

/** What a session just did, for itself and for others to find. */
export interface Activity {
  /** What it says of itself, if that changed. */
  readonly change?: SessionChange;
  /** Texts that it keeps, by key; `null` deletes one. */
  readonly notes?: ReadonlyMap<string, string | null>;
  /** Files that it changed just now, by absolute path. */
  readonly touched?: readonly string[];
  /** Nothing is written down unless this note is so; `null`: not there. */
  readonly expects?: { readonly key: string; readonly value: string | null };
}

/** Which files concern a session. */
export interface FileScope {
  /** The project that they are in, beside those of none; `null` for all. */
  readonly project: string | null;
  /** Folders that they lie below or reach into, whatever their project. */
  readonly folders: readonly string[];
}

/** What another session holds, or a file that it shows as active and does not hold. */
export interface OthersFile extends Omit<Cover, "repository"> {
  /** The absolute path or pattern. */
  readonly path: string;
  /** The session. */
  readonly session: string;
  /** The hold's type; absent if the file is not held. */
  readonly type?: LockType;
  /** When it was taken, as an ISO 8601 time in UTC; absent if it is not held. */
  readonly since?: string;
  /** When its lease ends, in milliseconds since 1970; absent if not held. */
  readonly expiresAtMs?: number;
}

/** What other sessions work on, as one session sees it. */
export interface OthersFiles {
  /** Folders and globs first, then held files, the latest first. */
  readonly files: readonly OthersFile[];
  /** Whether no other session is on the bus. */
  readonly isAlone: boolean;
  /** Whether the session itself holds something. */
  readonly isHolder: boolean;
}

/** What is to be edited. */
export interface EditTarget {
  /** The file, or what else may be. */
  readonly target: LockTarget;
  /** When the session read it last, in milliseconds since 1970. */
  readonly readAtMs?: number;
}

/** An edit that a session is about to make. */
export interface EditRequest {
  /** The session. */
  readonly session: string;
  /** The agent of the session, or empty. */
  readonly agent: string;
  /** What it edits. */
  readonly targets: readonly EditTarget[];
  /** How long its locks hold unless renewed, in milliseconds. */
  readonly leaseMs: number;
  /** Sessions whose holds are not in its way, nor told. */
  readonly alongside: readonly string[];
  /** The files that it shows as its active ones then, if they change. */
  readonly activeFiles?: readonly string[];
  /**
   * Whether it was told of advisory holds and changes by others, and edits all
   * the same.
   */
  readonly informed: boolean;
}

/** What speaks against an edit. */
export interface EditObstacle {
  /** Which of the targets. */
  readonly target: LockTarget;
  /** The holds of other sessions that overlap it. */
  readonly holds: readonly Hold[];
  /** Changes of it by other sessions since it was read, latest first. */
  readonly touches: readonly FileTouch[];
}

/** One step of a batch. */
export type Operation =
  | { readonly kind: "append"; readonly message: NewMessage }
  | { readonly kind: "release-lock"; readonly hold: Hold }
  | { readonly kind: "post-task"; readonly posting: TaskPosting }
  | {
    readonly kind: "end-claim";
    readonly claim: Claim;
    readonly end: ClaimEnd;
  }
  | {
    readonly kind: "update-session";
    readonly id: string;
    readonly change: SessionChange;
  };

/** What came of one step of a batch. */
export type OperationResult =
  | { readonly kind: "append"; readonly appended: Appended }
  | { readonly kind: "release-lock" }
  | { readonly kind: "post-task" | "end-claim"; readonly task: Task }
  | { readonly kind: "update-session"; readonly session: Session };

/** Which messages a reader wants. */
export interface Interest {
  /** Checked channel names; `null` for every channel. */
  readonly channels: readonly string[] | null;
  /** The project whose messages are wanted beside those of none; `null` for all. */
  readonly project: string | null;
  /** The session that direct messages must be for; `null` for nobody. */
  readonly session: string | null;
}

/** A page of messages. */
export interface Page {
  /** The messages, in order. */
  readonly messages: readonly Message[];
  /** Where to go on: after everything this page has looked at. */
  readonly cursor: string;
}

/** The state in which a durable name was taken. */
export interface DurableReader {
  /** The name. */
  readonly name: string;
  /** The project it belongs to; `null` for none. */
  readonly project: string | null;
  /** Everything up to this cursor was acknowledged. */
  readonly cursor: string;
  /** Messages that TTL or cap took before they were acknowledged, ever. */
  readonly lost: number;
  /**
   * Of these, those that a reader has told of, kept when it moves or ends. From
   * a store that keeps none, the next reader tells of all of them again.
   * @default {0}
   */
  readonly told?: number;
  /** The fencing token of this reader's lease. */
  readonly token: number;
  /** How long the lease holds unless renewed, in milliseconds. */
  readonly leaseMs: number;
}

/** A page of messages for a durable reader. */
export interface DurablePage extends Page {
  /** Messages that TTL or cap took before they were acknowledged, ever. */
  readonly lost: number;
}

/** What a purge did in one bounded step. */
export interface Purged {
  /** Messages that were deleted because their TTL was over. */
  readonly expired: number;
  /** Messages that were deleted because their channel was over its cap. */
  readonly overCap: number;
  /** Session rows that nothing refers to any more, deleted. */
  readonly sessions: number;
  /** Whether a further step would find more. */
  readonly more: boolean;
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
  /** Size of what is written but not yet folded in, in bytes. */
  readonly logBytes: number;
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

/** Where the rows live. */
export interface Store extends AsyncDisposable {
  /** What this store can do. */
  readonly capabilities: StoreCapabilities;
  /** Where it is, for people: a path or a URL without credentials. */
  readonly location: string;

  /**
   * The store's time, in milliseconds since 1970: by it messages expire. It
   * may be another than that of the system.
   */
  now(): number;

  /**
   * Appends messages in order, in one transaction, and rings who wants them.
   * With `atomic` one refusal refuses all and is thrown; without, each stands
   * for itself. Returns as many results as messages, in their order.
   */
  append(
    messages: readonly NewMessage[],
    options: { readonly atomic: boolean },
  ): Promise<readonly AppendResult[]>;

  /**
   * The living messages after `cursor`, in order, at most `limit`; without a
   * promise where the store need not wait for them.
   * @throws {InvalidInputError} If the store can tell that the cursor lies
   * beyond everything that was ever published.
   */
  read(
    interest: Interest,
    cursor: string,
    limit: number,
  ): Page | Promise<Page>;

  /** The cursor before everything that is kept. */
  readonly startCursor: string;

  /** The cursor after everything that is committed now. */
  endCursor(): Promise<string>;

  /**
   * The cursor that a person's or a program's text means.
   * @throws {InvalidInputError} If it is none of this store's.
   */
  parseCursor(text: string): string;

  /**
   * Calls `wake` whenever there may be something new of `interest`. When it
   * resolves the watch stands: what is committed later wakes it.
   */
  watch(interest: Interest, wake: () => void): Promise<Watch>;

  /**
   * Takes a durable name for one reader, creating it at `from` if it is new.
   * @throws {DurableNameInUseError} If a living reader has it.
   */
  takeDurable(
    name: string,
    interest: Interest,
    from: string,
  ): Promise<DurableReader>;

  /**
   * The living messages after `cursor` that the name wants, in order. What TTL
   * took there is counted as lost first, so that nothing vanishes between.
   * @throws {LeaseLostError} If the lease went to another reader.
   */
  readDurable(
    reader: DurableReader,
    interest: Interest,
    cursor: string,
    limit: number,
  ): Promise<DurablePage>;

  /**
   * Sets what was acknowledged and renews the lease; returns what it holds now.
   * Without a `cursor` it only renews.
   * @throws {LeaseLostError} If the lease went to another reader.
   */
  advanceDurable(
    reader: DurableReader,
    cursor?: string,
  ): Promise<DurableReader>;

  /** Gives the lease back; the name and its cursor stay. */
  releaseDurable(reader: DurableReader): Promise<void>;

  /** Registers a session, or a new incarnation of one, and announces it. */
  registerSession(start: SessionStart): Promise<Session>;

  /**
   * Changes what a session says of itself; any change is also its heartbeat.
   * @throws {SessionEndedError} If it has ended.
   * @throws {UnknownSessionError} If there is no such session.
   */
  updateSession(id: string, change: SessionChange): Promise<Session>;

  /**
   * Ends a session and announces it; ending it twice is fine. With `process`
   * only the incarnation that has it.
   */
  endSession(
    id: string,
    process?: Pick<Session, "pid" | "processStart">,
  ): Promise<void>;

  /** The session with exactly this id. */
  session(id: string): Promise<Session | undefined>;

  /** The sessions, those that registered first first. */
  sessions(
    filter: { readonly project: string | null; readonly ended: boolean },
  ): Promise<readonly Session[]>;

  /**
   * Takes a lock, queues for it, or says who is in the way.
   * @throws {DeadlockError} If queueing would close a cycle.
   */
  acquireLock(request: LockRequest): Promise<LockOutcome>;

  /**
   * How a session's waiter stands now; looking keeps its place in the queue.
   * @throws {SessionEndedError} If the session was ended meanwhile.
   */
  checkWaiter(waiter: string, session: string): Promise<LockOutcome>;

  /**
   * Takes a waiter of this store out of the queue, and gives back what it was
   * granted; once that was picked up, there is no waiter any more.
   */
  leaveQueue(waiter: string): Promise<void>;

  /**
   * Holds a lock for longer.
   * @throws {NotHeldError} If it is not held under this token any more.
   */
  renewLock(hold: Hold, leaseMs: number): Promise<Hold>;

  /**
   * Gives a lock back, once or (`entirely`) however often it was taken, and
   * grants it to who waits, all at once. Where it was taken more often, what
   * is left stands as it did `before`, if told.
   * @throws {NotHeldError} If it is not held under this token any more.
   */
  releaseLock(
    hold: Hold,
    options?: { readonly entirely?: boolean; readonly before?: Hold },
  ): Promise<void>;

  /** The locks that are held, oldest first. */
  locks(query: LockQuery): Promise<readonly Hold[]>;

  /**
   * What other sessions hold or show as active in a scope, at most `limit`; no
   * session is judged.
   */
  othersFiles(
    session: string,
    scope: FileScope,
    limit: number,
  ): Promise<OthersFiles>;

  /** Who waits for what overlaps this on disk, those that came first first. */
  lockWaiters(target: LockTarget): Promise<readonly Blocker[]>;

  /** Posts a task. */
  postTask(posting: TaskPosting): Promise<Task>;

  /**
   * Claims a task.
   * @throws {TaskStateError} If it can't be claimed.
   */
  claimTask(id: string, claimer: Claimer): Promise<Claim>;

  /** Claims the free task that comes first, if there is one. */
  claimNextTask(
    filter: TaskFilter,
    claimer: Claimer,
  ): Promise<Claim | undefined>;

  /**
   * Claims a task for longer.
   * @throws {NotHeldError} If it is not claimed under this token any more.
   */
  renewTask(claim: Claim, leaseMs: number): Promise<Claim>;

  /**
   * Ends a claim.
   * @throws {NotHeldError} If it is not claimed under this token any more.
   */
  endClaim(claim: Claim, end: ClaimEnd): Promise<Task>;

  /** The tasks, in the order in which they are claimed. */
  tasks(query: TaskQuery): Promise<readonly Task[]>;

  /**
   * Unacknowledged direct messages for a session after a cursor, in order; with
   * `untold` only those that no model was given yet.
   */
  pendingFor(
    session: string,
    after: string,
    limit: number,
    options?: { readonly untold?: boolean },
  ): Promise<readonly Message[]>;

  /** The answer to a message that the session sent, if it has come. */
  answerTo(session: string, id: string): Promise<Message | undefined>;

  /** Moves deliveries to a session forward; what is further already stays. */
  moveDeliveries(
    session: string,
    ids: readonly string[],
    state: DeliveryState,
  ): Promise<void>;

  /** What became of a direct message; undefined if it is none or long gone. */
  delivery(id: string): Promise<Delivery | undefined>;

  /** Calls `wake` when a topic may have changed; for one session, if given. */
  watchChanges(
    topic: ChangeTopic,
    session: string | null,
    wake: () => void,
  ): Promise<Watch>;

  /**
   * What a session keeps for itself between processes that live for one call:
   * the texts with these keys, as far as there are any. They are kept for a day.
   */
  readNotes(
    session: string,
    keys: readonly string[],
  ): Promise<ReadonlyMap<string, string>>;

  /**
   * Writes down what a session just did, which is also its heartbeat; together
   * where the store can. Returns whether it was, see {@linkcode Activity.expects}.
   */
  noteActivity(session: string, activity: Activity): Promise<boolean>;

  /**
   * Takes advisory locks on all that a session is about to edit, or says what
   * speaks against it and takes none. Exclusive holds of others always do,
   * their advisory holds and changes only where it is not `informed`. What it
   * holds already is held for longer, and not once more.
   */
  guardEdit(request: EditRequest): Promise<readonly EditObstacle[]>;

  /** Who changed a file at or after a time, latest first; kept for a day. */
  touchesOf(path: string, sinceMs: number): Promise<readonly FileTouch[]>;

  /**
   * Returns the changes of files below a folder by other sessions that run,
   * latest first, one for each file and session.
   */
  touchesBelow(query: FolderQuery): Promise<readonly FolderTouch[]>;

  /**
   * Notes the branch of a worktree in the rows of its sessions that run, and
   * announces it on `file_conflict` to those whose row had another one. Returns
   * whether any had.
   */
  moveBranch(move: BranchMove): Promise<boolean>;

  /**
   * Does several things, all or nothing; only with the capability
   * `atomicBatches`.
   */
  batch(operations: readonly Operation[]): Promise<readonly OperationResult[]>;

  /** Deletes what is over, at most a bounded amount; call again while `more`. */
  purge(): Promise<Purged>;

  /** How much there is. */
  stats(): Promise<Stats>;

  /** Ends everything and gives all resources back; closing twice is fine. */
  close(): Promise<void>;
}

/**
 * What a process needs of a store that lives for one call of an agent's hook:
 * a store may have a smaller way in for it, as starting up is all it pays.
 */
export type BriefStore = Pick<
  Store,
  | "startCursor"
  | "session"
  | "sessions"
  | "registerSession"
  | "updateSession"
  | "endSession"
  | "othersFiles"
  | "locks"
  | "guardEdit"
  | "readNotes"
  | "noteActivity"
  | "touchesOf"
  | "touchesBelow"
  | "moveBranch"
  | "pendingFor"
  | "moveDeliveries"
  | "read"
  | "append"
  | "close"
>;
