/**
 * Operations of a bus: each runs a rule on a store.
 *
 * A store knows nothing of locks, sessions or tasks. It keeps a log and records,
 * and runs rules (rules/rule.ts). This file gives each operation its name, its
 * guards against concurrent operations, and its limits.
 *
 * @module
 */

import type {
  Delivery,
  DeliveryState,
  SentDelivery,
} from "../model/delivery.ts";
import type { LockTarget } from "../model/lock.ts";
import type { Blocker, Hold, LockOutcome, LockRequest } from "../model/lock.ts";
import { GivingBack } from "./giving_back.ts";
import { Maintenance } from "./maintenance.ts";
import { together } from "../rules/batch.ts";
import {
  claimDeliveries,
  deliveriesFrom,
  deliveryOf,
  moveDeliveries,
} from "../rules/deliveries.ts";
import {
  advanceDurable,
  lostBy,
  releaseDurable,
  takeDurable,
} from "../rules/durables.ts";
import {
  changeFollows,
  type FollowChange,
  type Follows,
  followsOf,
} from "../rules/follows.ts";
import { moveBranch } from "../rules/branches.ts";
import {
  guardEdit,
  othersFiles,
  touchesBelow,
  touchesOf,
} from "../rules/edits.ts";
import {
  acquire,
  checkWaiter,
  leaveQueue,
  listHolds,
  listWaiters,
  releaseLock,
  renewLock,
} from "../rules/locks.ts";
import { publish } from "../rules/messages.ts";
import { StoreError } from "../model/errors.ts";
import { doingsOf } from "../rules/doings.ts";
import { assertNoName, resolveSession } from "../rules/names.ts";
import { noteActivity, readNotes } from "../rules/notes.ts";
import { purgeExpiredAfter, STEP_MESSAGES_MAX } from "../rules/purge.ts";
import type { Decide } from "../rules/rule.ts";
import {
  endSession,
  listIncarnations,
  listSessions,
  registerSession,
  renameSession,
  updateSession,
} from "../rules/sessions.ts";
import {
  cancelTask,
  claimNextTask,
  claimTask,
  editTask,
  endClaim,
  listTasks,
  postTask,
  renewClaim,
} from "../rules/tasks.ts";
import { nameOf } from "../model/session.ts";
import type {
  Incarnation,
  Session,
  SessionChange,
  SessionStart,
} from "../model/session.ts";
import type {
  Guard,
  Stats,
  Store,
  StoreCapabilities,
  Watch,
} from "../store/store.ts";
import type { Operation, OperationResult } from "../model/batch.ts";
import type { DurablePage, DurableReader } from "../model/durable.ts";
import type {
  Activity,
  BranchMove,
  EditConflict,
  EditRequest,
  FileScope,
  FileTouch,
  FolderQuery,
  FolderTouch,
  OthersFiles,
} from "../model/edit.ts";
import type { LockQuery } from "../model/lock.ts";
import type {
  Appended,
  AppendResult,
  ChangeTopic,
  Interest,
  Message,
  NewMessage,
  Page,
  Purged,
} from "../model/message.ts";
import type { TaskQuery } from "../model/task.ts";
import type {
  Claim,
  ClaimEnd,
  Claimer,
  Task,
  TaskAct,
  TaskEdit,
  TaskFilter,
  TaskPosting,
} from "../model/task.ts";

/** Direct message that a session has sent, with its delivery. */
export interface SentMessage extends SentDelivery {
  /** Message; absent once it is deleted. */
  readonly message?: Message;
}

/** Limits of operations. */
export interface Limits {
  /** Largest number of locks that a session holds and waits for. */
  readonly locksMax: number;
  /** Largest number of messages kept on a channel. */
  readonly channelMessagesMax: number;
}

/** Operations of a bus on a store. */
export class Operations implements AsyncDisposable {
  /** Store of the bus. */
  readonly store: Store;
  readonly #limits: Limits;
  readonly #maintenance: Maintenance;
  readonly #givingBack = new GivingBack();

  /**
   * Makes the operations of a store.
   *
   * @param warn Receives warnings about failures that do not stop the bus.
   * @param isOneShot Whether this process ends soon. It then takes maintenance
   * steps only on request.
   */
  constructor(
    store: Store,
    limits: Limits,
    warn: (message: string) => void,
    isOneShot = false,
  ) {
    this.store = store;
    this.#limits = limits;
    this.#maintenance = new Maintenance(store, {
      cap: limits.channelMessagesMax,
      warn,
      isOneShot,
    });
  }

  /** Capabilities of the store. */
  get capabilities(): StoreCapabilities {
    return this.store.capabilities;
  }

  /** File or server of the store, without credentials. */
  get location(): string {
    return this.store.location;
  }

  /** Cursor before the oldest message. */
  get startCursor(): string {
    return this.store.parseCursor("start");
  }

  /** Returns the store's time, in milliseconds since 1970. */
  now(): number {
    return this.store.now();
  }

  /**
   * Publishes a message of a session in one transaction with its registration, or
   * with its heartbeat if it is joined.
   *
   * @throws {InvalidInputError} If the channel is the name of a living session.
   */
  async publishAs(
    sender: SessionStart | { readonly joined: string },
    message: Omit<NewMessage, "sender">,
  ): Promise<Appended & { readonly sender: string }> {
    const { id, appended } = await this.#update(
      "publish",
      "joined" in sender ? ["sessions"] : guardsOf(sender),
      function* (records, at) {
        if (message.to === undefined) {
          yield* assertNoName(records, message.channel, message.project);
        }
        const { id } = "joined" in sender
          ? yield* updateSession(records, at, sender.joined, {})
          : yield* registerSession(records, at, sender);
        const said = { ...message, sender: id };
        return { id, appended: yield* publish(records, at, said) };
      },
    );
    return { ...appended, sender: id };
  }

  /** Takes a purge step if no process has taken one recently. */
  async purgeIfDue(): Promise<void> {
    await this.#maintenance.stepIfDue();
  }

  /** Appends messages, and takes purge steps as needed. */
  async append(
    messages: readonly NewMessage[],
    options: { readonly atomic: boolean },
  ): Promise<readonly AppendResult[]> {
    const results = await this.store.append(messages, options);
    this.#maintenance.published(messages.length);
    return results;
  }

  /** Reads unexpired messages after a cursor. */
  read(
    interest: Interest,
    cursor: string,
    limit: number,
  ): Page | Promise<Page> {
    return this.store.read(interest, cursor, limit);
  }

  /** Returns the cursor after the last committed message. */
  async endCursor(): Promise<string> {
    return await this.store.endCursor();
  }

  /** Returns the cursor of a text. */
  parseCursor(text: string): string {
    return this.store.parseCursor(text);
  }

  /** Calls `wake` when there may be a new message. */
  async watch(interest: Interest, wake: () => void): Promise<Watch> {
    return await this.store.watch(interest, wake);
  }

  /** Calls `wake` when a topic may have changed, for one session if given. */
  async watchChanges(
    topic: ChangeTopic,
    session: string | null,
    wake: () => void,
  ): Promise<Watch> {
    return await this.store.watch({ topic, session }, wake);
  }

  /** Leases a durable name to a reader; a new name begins at `from`. */
  async takeDurable(
    name: string,
    interest: Interest,
    from: string,
  ): Promise<DurableReader> {
    const act = `subscribe as "${name}"`;
    await this.#givingBack.settle();
    // A message that expires before the name exists is not lost to it.
    await this.#purgeExpiredAfter(act, from, interest);
    return await this.#update(
      act,
      // All durable names, because the rule deletes unused ones.
      ["durables"],
      (records, at) => takeDurable(records, at, name, interest, from),
    );
  }

  /**
   * Reads unexpired messages of a durable name after a cursor. Counts expired ones
   * as lost first.
   */
  async readDurable(
    reader: DurableReader,
    interest: Interest,
    cursor: string,
    limit: number,
  ): Promise<DurablePage> {
    const act = `read on as "${reader.name}"`;
    for (;;) {
      const filter = { ...interest, seesExpired: true };
      const page = await this.store.read(filter, cursor, limit);
      if (page.passedExpired) {
        await this.#purgeExpired(act, cursor);
        continue;
      }
      const lost = await this.#look(
        act,
        (records, at) => lostBy(records, at, reader),
      );
      return { ...page, lost };
    }
  }

  /** Acknowledges up to a cursor, and renews the lease of a durable reader. */
  async advanceDurable(
    reader: DurableReader,
    cursor?: string,
  ): Promise<DurableReader> {
    return await this.#update(
      `acknowledge as "${reader.name}"`,
      [`durable:${reader.name}`],
      (records, at) => advanceDurable(records, at, reader, cursor),
    );
  }

  /** Releases the lease of a durable reader. */
  async releaseDurable(reader: DurableReader): Promise<void> {
    await this.#givingBack.giveBack(
      `durable ${reader.token}`,
      () =>
        this.#update(
          `end reading as "${reader.name}"`,
          [`durable:${reader.name}`],
          (records, at) => releaseDurable(records, at, reader),
        ),
    );
  }

  async #purgeExpiredAfter(
    act: string,
    cursor: string,
    interest: Interest,
  ): Promise<void> {
    const filter = { ...interest, seesExpired: true };
    const { passedExpired } = await this.store.read(filter, cursor, 1);
    if (passedExpired) await this.#purgeExpired(act, cursor);
  }

  async #purgeExpired(act: string, cursor: string): Promise<void> {
    for (;;) {
      const purged = await this.#update(
        act,
        ["messages", "durables"],
        (records, at) => purgeExpiredAfter(records, at, cursor),
      );
      if (purged < STEP_MESSAGES_MAX) return;
    }
  }

  /** Registers a session, or a new incarnation of one, and announces it. */
  async registerSession(start: SessionStart): Promise<Session> {
    await this.#givingBack.settle();
    return await this.#update(
      `register session "${start.id}"`,
      guardsOf(start),
      (records, at) => registerSession(records, at, start),
    );
  }

  /** Changes facts of a session, with its heartbeat. */
  async updateSession(id: string, change: SessionChange): Promise<Session> {
    const session = await this.#update(
      `update session "${id}"`,
      [`session:${id}`],
      (records, at) => updateSession(records, at, id, change),
    );
    // Heartbeats also drive maintenance while no process publishes.
    this.#maintenance.published(0);
    return session;
  }

  /** Gives a session a chosen name. */
  async renameSession(id: string, name: string): Promise<Session> {
    return await this.#update(
      `name session "${id}"`,
      SHARED,
      (records, at) => renameSession(records, at, id, name),
    );
  }

  /**
   * Returns the session of an id, a name, or a unique beginning of one.
   *
   * @param project Project in which names are looked up; `null` for all.
   * @throws {UnknownSessionError} If no session or several sessions match.
   */
  async resolveSession(
    act: string,
    text: string,
    project: string | null,
  ): Promise<Session> {
    return await this.#look(
      act,
      (records) => resolveSession(records, act, text, { project }),
    );
  }

  /** Ends a session; with `process` only that incarnation. */
  async endSession(id: string, process?: Incarnation): Promise<void> {
    const { pid = "", processStart = "" } = process ?? {};
    await this.#givingBack.giveBack(
      `session ${id} ${pid} ${processStart}`,
      () =>
        this.#update(
          `end session "${id}"`,
          SHARED,
          (records, at) => endSession(records, at, id, "ended", process),
        ),
    );
  }

  /** Returns the session with exactly this id. */
  async session(id: string): Promise<Session | undefined> {
    return await this.#look("look up a session", function* (records) {
      yield [{ kind: "session", id }];
      return records.sessions.get(id);
    });
  }

  /** Returns the sessions, in the order of registration. */
  async sessions(
    filter: { readonly project: string | null; readonly ended: boolean },
  ): Promise<readonly Session[]> {
    return await this.#look(
      "list sessions",
      (records, at) => listSessions(records, at, filter),
    );
  }

  /** Returns the running incarnations of a session. */
  async incarnations(id: string): Promise<readonly Session[]> {
    return await this.#look(
      "list sessions",
      (records, at) => listIncarnations(records, at, id),
    );
  }

  /** Takes a lock, queues for it, or returns what blocks it. */
  async acquireLock(request: LockRequest): Promise<LockOutcome> {
    const { locksMax } = this.#limits;
    await this.#givingBack.settle();
    return await this.#update(
      `lock "${request.target.path}"`,
      LOCKS,
      (records, at) => acquire(records, at, request, locksMax),
    );
  }

  /** Returns the state of a waiter, and keeps its place in the queue. */
  async checkWaiter(waiter: string, session: string): Promise<LockOutcome> {
    return await this.#look(
      "wait for a lock",
      (records, at) => checkWaiter(records, at, waiter, session),
      LOCKS,
    );
  }

  /** Removes a waiter from the queue; a granted lock is released. */
  async leaveQueue(waiter: string): Promise<void> {
    await this.#givingBack.giveBack(`waiter ${waiter}`, () =>
      this.#update(
        "leave a queue",
        LOCKS,
        (records, at) => leaveQueue(records, at, waiter),
      ));
  }

  /** Renews a hold. */
  async renewLock(hold: Hold, leaseMs: number): Promise<Hold> {
    return await this.#update(
      `renew "${hold.path}"`,
      LOCKS,
      (records, at) => renewLock(records, at, hold, leaseMs),
    );
  }

  /**
   * Releases a hold once, or entirely, and serves waiters.
   *
   * @param owner Lock that is released; releasing the same one again has no effect.
   */
  async releaseLock(
    hold: Hold,
    options: { readonly entirely?: boolean; readonly before?: Hold } = {},
    owner: object = {},
  ): Promise<void> {
    await this.#givingBack.giveBack(owner, () =>
      this.#update(
        `release "${hold.path}"`,
        LOCKS,
        (records, at) => releaseLock(records, at, hold, options),
      ));
  }

  /** Returns holds, oldest first. */
  async locks(query: LockQuery): Promise<readonly Hold[]> {
    return await this.#look(
      "list locks",
      (records, at) => listHolds(records, at, query),
    );
  }

  /** Returns waiters whose target overlaps one on disk, earliest first. */
  async lockWaiters(target: LockTarget): Promise<readonly Blocker[]> {
    return await this.#look(
      "list waiters",
      (records, at) => listWaiters(records, at, target),
    );
  }

  /** Returns files that other sessions work on, at most `limit`. */
  async othersFiles(
    session: string,
    scope: FileScope,
    limit: number,
  ): Promise<OthersFiles> {
    return await this.#look(
      "list files",
      (records, at) => othersFiles(records, at, session, scope, limit),
    );
  }

  /** Posts a task. */
  async postTask(posting: TaskPosting): Promise<Task> {
    return await this.#update(
      `post task "${posting.id}"`,
      tasksOf(posting.project),
      (records, at) => postTask(records, at, posting),
    );
  }

  /** Claims a task by its id. */
  async claimTask(id: string, claimer: Claimer): Promise<Claim> {
    await this.#givingBack.settle();
    return await this.#update(
      `claim task "${id}"`,
      SHARED,
      (records, at) => claimTask(records, at, id, claimer),
    );
  }

  /**
   * Claims the first task that can be claimed, if there is one. With `looksFirst`
   * the store is written only if there is one.
   */
  async claimNextTask(
    filter: TaskFilter,
    claimer: Claimer,
    { looksFirst = false }: { readonly looksFirst?: boolean } = {},
  ): Promise<Claim | undefined> {
    await this.#givingBack.settle();
    const act = "claim a task";
    const decide: Decide<Claim | undefined> = (records, at) =>
      claimNextTask(records, at, filter, claimer);
    return looksFirst
      ? await this.#look(act, decide)
      : await this.#update(act, SHARED, decide);
  }

  /** Cancels a task that has not ended. */
  async cancelTask(act: TaskAct, reasonText: string): Promise<Task> {
    return await this.#update(
      `cancel task "${act.id}"`,
      tasksOf(act.project),
      (records, at) => cancelTask(records, at, act, reasonText),
    );
  }

  /** Changes fields of an open task. */
  async editTask(act: TaskAct, edit: TaskEdit): Promise<Task> {
    return await this.#update(
      `edit task "${act.id}"`,
      SHARED,
      (records, at) => editTask(records, at, act, edit),
    );
  }

  /** Renews a claim. */
  async renewTask(claim: Claim, leaseMs: number): Promise<Claim> {
    return await this.#update(
      `renew task "${claim.id}"`,
      tasksOf(claim.project),
      (records, at) => renewClaim(records, at, claim, leaseMs),
    );
  }

  /** Ends a claim: the task is done, failed or requeued. */
  async endClaim(claim: Claim, end: ClaimEnd): Promise<Task> {
    return await this.#update(
      `end task "${claim.id}"`,
      tasksOf(claim.project),
      (records, at) => endClaim(records, at, claim, end),
    );
  }

  /** Releases a claim, and requeues the task. */
  async releaseClaim(claim: Claim): Promise<Task> {
    return await this.#givingBack.giveBack(
      claim,
      () => this.endClaim(claim, { status: "open" }),
    );
  }

  /** Returns the tasks, in the order in which they are claimed. */
  async tasks(query: TaskQuery): Promise<readonly Task[]> {
    return await this.#look(
      "list tasks",
      (records, at) => listTasks(records, at, query),
    );
  }

  /** Returns the number of tasks that a session can claim, at most `limit`. */
  async openTaskCount(
    project: string | null,
    session: string,
    limit: number,
  ): Promise<number> {
    return await this.#look("count tasks", function* (records) {
      yield [{ kind: "tasks-free", project, session, filter: {}, limit }];
      return [...records.tasks.values()].length;
    });
  }

  /**
   * Returns unacknowledged direct messages for a session after a cursor, in order;
   * with `untold` only messages that were not shown to a model.
   */
  async pendingFor(
    session: string,
    after: string,
    limit: number,
    options: { readonly untold?: boolean } = {},
  ): Promise<readonly Message[]> {
    const { messages } = await this.store.read(
      {
        channels: null,
        project: null,
        session,
        pending: options.untold ? "untold" : "unacknowledged",
      },
      after,
      limit,
    );
    return messages;
  }

  /** Returns the number of a session's messages that no model was shown. */
  async untoldCount(session: string): Promise<number> {
    return await this.#look("count messages", function* (records) {
      yield [{ kind: "inbox-count", session, pending: "untold", exact: true }];
      return records.inboxCount(session, "untold");
    });
  }

  /** Returns the answer to a message of the session; undefined if none came. */
  async answerTo(session: string, id: string): Promise<Message | undefined> {
    const { messages } = await this.store.read(
      { channels: null, project: null, session, replyTo: id },
      this.startCursor,
      1,
    );
    return messages[0];
  }

  /**
   * Claims unacknowledged deliveries to a session for this process, at most `limit`.
   * Returns the ids of their messages, in order.
   */
  async claimDeliveries(
    session: string,
    ids: readonly string[],
    limit: number,
  ): Promise<readonly string[]> {
    return await this.#update(
      "read the inbox",
      [`session:${session}`],
      (records, at) => claimDeliveries(records, at, session, ids, limit),
    );
  }

  /** Moves deliveries to a session forward; a later state stays. */
  async moveDeliveries(
    session: string,
    ids: readonly string[],
    state: DeliveryState,
  ): Promise<void> {
    await this.#update(
      "acknowledge a message",
      [`session:${session}`],
      (records, at) => moveDeliveries(records, at, session, ids, state),
    );
  }

  /** Returns the delivery of a direct message. */
  async delivery(id: string): Promise<Delivery | undefined> {
    return await this.#look(
      "look up a delivery",
      (records, at) => deliveryOf(records, at, id),
    );
  }

  /**
   * Returns the latest direct messages of a session, latest first, each with its
   * delivery.
   */
  async sentBy(
    session: string,
    limit: number,
  ): Promise<readonly SentMessage[]> {
    const deliveries = await this.#look(
      "list sent messages",
      (records, at) => deliveriesFrom(records, at, session, limit),
    );
    const first = deliveries.at(-1);
    if (first === undefined) return [];
    const { messages } = await this.store.read(
      { channels: null, project: null, session: null, sentBy: session },
      String(BigInt(first.id) - 1n),
      limit,
    );
    const byId = new Map(messages.map((message) => [message.id, message]));
    return deliveries.map((delivery) => {
      const message = byId.get(delivery.id);
      return message === undefined ? delivery : { ...delivery, message };
    });
  }

  /** Returns the texts of a session's notes, by key. */
  async readNotes(
    session: string,
    keys: readonly string[],
  ): Promise<ReadonlyMap<string, string>> {
    return await this.#look(
      "read notes",
      (records) => readNotes(records, session, keys),
    );
  }

  /** Changes the channels that a session follows; returns all of them. */
  async changeFollows(session: string, change: FollowChange): Promise<Follows> {
    return await this.#update(
      "follow channels",
      [`session:${session}`],
      (records, at) => changeFollows(records, at, session, change),
    );
  }

  /** Returns the channels that a session follows. */
  async followsOf(session: string): Promise<Follows> {
    return await this.#look(
      "look up followed channels",
      (records) => followsOf(records, session),
    );
  }

  /** Returns the names of sessions, by id; without sessions that are gone. */
  async namesOf(
    ids: Iterable<string>,
  ): Promise<ReadonlyMap<string, string>> {
    const wanted = [...new Set(ids)];
    return await this.#look("look up names", function* (records) {
      yield wanted.map((id) => ({ kind: "session", id }));
      return new Map(wanted.flatMap((id) => {
        const session = records.sessions.get(id);
        return session === undefined ? [] : [[id, nameOf(session)]];
      }));
    });
  }

  /** Records an activity of a session, unless a note is not as expected. */
  async noteActivity(session: string, activity: Activity): Promise<boolean> {
    return await this.#update(
      "note an activity",
      [`session:${session}`],
      (records, at) => noteActivity(records, at, session, activity),
    );
  }

  /** Returns what each of some sessions does, by id. */
  async doingsOf(
    sessions: readonly Session[],
  ): Promise<ReadonlyMap<string, string>> {
    return await this.#look(
      "look up work",
      (records, at) => doingsOf(records, at, sessions),
    );
  }

  /** Takes an edit's locks, or returns its conflicts. */
  async guardEdit(request: EditRequest): Promise<readonly EditConflict[]> {
    const { locksMax } = this.#limits;
    return await this.#update(
      "take locks for an edit",
      LOCKS,
      (records, at) => guardEdit(records, at, request, locksMax),
    );
  }

  /** Returns the changes of a file at or after a time, latest first. */
  async touchesOf(
    path: string,
    sinceMs: number,
  ): Promise<readonly FileTouch[]> {
    return await this.#look(
      "look up changes",
      (records, at) => touchesOf(records, at, path, sinceMs),
    );
  }

  /** Returns changes below a folder by other running sessions, latest first. */
  async touchesBelow(query: FolderQuery): Promise<readonly FolderTouch[]> {
    return await this.#look(
      "look up changes",
      (records, at) => touchesBelow(records, at, query),
    );
  }

  /** Records the branch of a worktree, and announces it to its sessions. */
  async moveBranch(move: BranchMove): Promise<boolean> {
    return await this.#update(
      "note a branch",
      ["sessions"],
      (records, at) => moveBranch(records, at, move),
    );
  }

  /** Runs several operations, all or none. */
  async batch(
    operations: readonly Operation[],
  ): Promise<readonly OperationResult[]> {
    return await this.#update(
      "run a batch",
      SHARED,
      (records, at) => together(records, at, operations),
    );
  }

  /** Takes one whole purge step. */
  async purge(): Promise<Purged> {
    return await this.#maintenance.step("all");
  }

  /** Returns numbers of rows and sizes. */
  async stats(): Promise<Stats> {
    return await this.store.stats();
  }

  /**
   * Ends maintenance, gives back what is owed, and closes the store.
   *
   * @throws {MessageBusError} If something is still owed; then the store stays open,
   * and closing can be tried again.
   */
  async close(): Promise<void> {
    await this.#maintenance.close();
    try {
      await this.#givingBack.settle();
    } catch (error) {
      // In a moved database nothing is left to give back.
      if (!isMoved(error)) throw error;
    }
    await this.store.close();
  }

  /** Closes the store at the end of an `await using` block. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #update<T>(
    act: string,
    guards: readonly Guard[],
    decide: Decide<T>,
  ): Promise<T> {
    return await this.store.update({ act, guards, decide });
  }

  /** Runs a rule that rarely changes records, such as by reaping a session. */
  async #look<T>(
    act: string,
    decide: Decide<T>,
    guards: readonly Guard[] = SHARED,
  ): Promise<T> {
    const rule = { act, guards, decide };
    const seen = await this.store.look(rule);
    return seen === undefined ? await this.store.update(rule) : seen.result;
  }
}

const LOCKS: readonly Guard[] = ["locks"];

// An ending session releases its locks and its tasks, of any project.
const SHARED: readonly Guard[] = ["locks", "sessions", "tasks"];

/** Returns whether an error says that the database was moved or deleted. */
export function isMoved(error: unknown): boolean {
  return error instanceof StoreError && error.fault === "moved";
}

/** Returns the guards of a registration, which ends a dead session with its name. */
function guardsOf({ name, wishedName }: SessionStart): readonly Guard[] {
  return name === undefined && wishedName === undefined ? ["sessions"] : SHARED;
}

function tasksOf(project: string | null | undefined): readonly Guard[] {
  return [`tasks:${project ?? ""}`];
}
