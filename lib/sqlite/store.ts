/**
 * The store in one SQLite file: no daemon, no broker.
 *
 * Puts together what the files beside it know: the connection runs
 * transactions, messages, sessions, durable names and the purge say what
 * happens in them, and the wake-ups ring after the commit.
 *
 * Purging rides along: after every so many messages, or with a message or a
 * heartbeat when nobody has done it for a while, a step is taken behind the
 * publisher's back, and never two at a time. Closing waits for the one that
 * runs. With it rides the look at the length of the log.
 *
 * @module
 */

import { LockBudget } from "./lock_budget.ts";
import { parseCursor, START_CURSOR } from "../coordination/message_rows.ts";
import { PURGE_AFTER_MS } from "../coordination/purge_rules.ts";
import { lifeOf } from "../coordination/registry.ts";
import { ClosedError, MessageBusError } from "../errors.ts";
import type {
  Incarnation,
  Session,
  SessionChange,
  SessionStart,
} from "../sessions.ts";
import type { Delivery, DeliveryState } from "../inbox.ts";
import type { LockTarget } from "../lock_target.ts";
import type { Blocker, Hold, LockOutcome, LockRequest } from "../locks.ts";
import type {
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
  OthersFiles,
  Page,
  Purged,
  Stats,
  Store,
  StoreCapabilities,
  TaskQuery,
  Watch,
} from "../store.ts";
import type {
  Claim,
  ClaimEnd,
  Claimer,
  Task,
  TaskFilter,
  TaskPosting,
} from "../tasks.ts";
import { type Addressed, bellsFor, topicChannel } from "./bells.ts";
import { Pause, pause } from "./busy.ts";
import {
  Connection,
  type ConnectionOptions,
  type Synchronous,
} from "./connection.ts";
import {
  answerTo,
  findDelivery,
  moveDeliveries,
  pendingFor,
} from "./deliveries.ts";
import { loadLibrary, requestedDriver, type SqliteDriver } from "./driver.ts";
import {
  advanceDurable,
  lostBy,
  releaseDurable,
  takeDurable,
} from "./durable.ts";
import { guardEdit } from "./edit_guard.ts";
import { faultOf } from "./faults.ts";
import {
  bury,
  endIncarnation,
  endSession,
  refuseEnded,
  registerSession,
} from "./liveness.ts";
import { type BusLocation, locateBus } from "./location.ts";
import {
  acquire,
  checkWaiter,
  endWaiting,
  grantWaiters,
  isUnnoted,
  leaveQueue,
  lookAtWaiter,
  waitersFor,
} from "./lock_queue.ts";
import { giveBack, listHolds, renewHold } from "./locks.ts";
import { sizeOf, WriteLog } from "./log.ts";
import { endCursor, insertAlone, MessageReader } from "./messages.ts";
import { noteActivity, readNotes, touchesOf } from "./notes.ts";
import {
  FIRST_CHANNEL,
  hasExpiredAfter,
  purgeExpiredAfter,
  purgeMessages,
  type PurgeRound,
  purgeStep,
  STEP_MESSAGES_MAX,
} from "./purge.ts";
import {
  findSession,
  listSessions,
  othersFiles,
  updateSession,
} from "./sessions.ts";
import {
  claimNextTask,
  claimTask,
  endClaim,
  listTasks,
  postTask,
  renewTask,
} from "./tasks.ts";
import { Transaction } from "./transaction.ts";
import { type Notify, WakeUps } from "./wake_ups.ts";
import { moveBranch, touchesBelow } from "./worktrees.ts";

/** How to open a store in SQLite. */
export interface SqliteStoreOptions {
  /** The bus folder; the default is `$MBUS_HOME` and what follows it. */
  readonly home?: string;
  /** The SQLite library. */
  readonly driver?: SqliteDriver;
  /** Whether nothing may be written, although it could. */
  readonly readOnly?: boolean;
  /** How a commit reaches the disk. */
  readonly synchronous?: Synchronous;
  /** How readers are woken. */
  readonly notify: Notify;
  /**
   * How often to look for what did not ring, in milliseconds.
   * @default {250}
   */
  readonly pollIntervalMs?: number;
  /** How long a write waits for other writers, in milliseconds. */
  readonly busyTimeoutMs: number;
  /** How long all operations together wait for other writers, in milliseconds. */
  readonly busyTotalMs?: number;
  /** Messages kept on a channel at the most. */
  readonly channelMessagesMax: number;
  /** Locks a session may hold and wait for at a time. */
  readonly locksMax: number;
  /** The clock, in milliseconds since 1970. */
  readonly now: () => number;
  /** Is told once of whatever does not stop the store. */
  readonly warn: (message: string) => void;
}

const POLL_INTERVAL_MS = 250;

const GRANTS = topicChannel("grants");

// Who waits for a lock, or has just got one that others may wait for.
const HURRIED = { isHurried: true };

// Who was granted a lock is woken on the processor of who gave it back, and stands
// behind what that does next, unless it does nothing until the other has begun.
const GIVE_WAY_MS = 1;

// Longer than a lock is held by who only writes a file.
const NOTE_AFTER_MS = 50;

/** A waiter's lock that was picked up, and is yet to be noted. */
interface Noting {
  readonly wait: Pause;
  readonly done: Promise<void>;
}

// A step of the purge after so many messages of this process deletes up to
// STEP_MESSAGES_MAX: what is over always goes faster than it comes.
const PURGE_AFTER_MESSAGES = STEP_MESSAGES_MAX / 2;

// Who was woken by what was published has read it by then. Who publishes on and on
// leaves no time to come back to it: it is not waited for where so many more came.
const PURGE_WAIT_MS = 2;
const PURGE_AFTER_MOST = PURGE_AFTER_MESSAGES + 10;

/** A bus in one SQLite file. */
export class SqliteStore implements Store {
  readonly capabilities: StoreCapabilities = {
    pushesWakeUps: true,
    atomicBatches: true,
    exactLossCounts: true,
    acceptsForeignRows: true,
  };
  readonly startCursor: string = START_CURSOR;
  readonly #connection: Connection;
  readonly #options: SqliteStoreOptions;
  readonly #wakeUps: WakeUps;
  readonly #purgeRound: PurgeRound = {
    channel: FIRST_CHANNEL,
    bell: "",
    session: "",
  };
  readonly #lockBudget: LockBudget;
  // What is done in the name of a session is refused once it is another's.
  readonly #incarnations = new Map<string, Incarnation>();
  readonly #givenUp = new Set<number>();
  readonly #log: WriteLog;
  readonly #messages: MessageReader;
  #sincePurge = 0;
  #askedPurgeAtMs = -Infinity;
  #purging: Promise<void> | undefined;
  #purgeWait: Pause | undefined;
  // What waiters have picked up and is not noted yet, by their number.
  readonly #noting = new Map<string, Noting>();
  #closing: Promise<void> | undefined;

  private constructor(connection: Connection, options: SqliteStoreOptions) {
    this.#connection = connection;
    this.#options = options;
    this.#lockBudget = new LockBudget(options.locksMax);
    this.#log = new WriteLog(connection, options.now);
    this.#messages = new MessageReader(connection);
    this.#wakeUps = new WakeUps(connection, {
      notify: options.notify,
      pollIntervalMs: options.pollIntervalMs ?? POLL_INTERVAL_MS,
      warn: options.warn,
      now: options.now,
      write: (act, work) => this.#write(act, work),
    });
  }

  /**
   * Opens a bus, making it if it is new.
   *
   * @throws {StoreError} If it cannot be used; the `fault` says why.
   */
  static async open(options: SqliteStoreOptions): Promise<SqliteStore> {
    const location = locateBus(options.home);
    const library = await loadLibrary(requestedDriver(options.driver));
    const connectionOptions: ConnectionOptions = { ...options, library };
    const connection = Connection.open(location, connectionOptions);
    warnOfOldSqlite(connection, options.warn);
    return new SqliteStore(connection, options);
  }

  get location(): string {
    return this.#connection.location.databasePath;
  }

  now(): number {
    return this.#options.now();
  }

  /** The connection, for who looks after the file itself. */
  get connection(): Connection {
    return this.#connection;
  }

  async append(
    messages: readonly NewMessage[],
    options: { readonly atomic: boolean },
  ): Promise<readonly AppendResult[]> {
    this.#refuseClosed("publish");
    const isAlone = messages.length === 1 && messages[0].to === undefined &&
      messages[0].replyTo === undefined;
    const results = isAlone
      // It needs no transaction around it.
      ? [await this.#appendAlone(messages[0])]
      : await this.#write(
        "publish",
        (tx) =>
          options.atomic
            ? appendTogether(tx, messages)
            : appendApart(tx, messages),
      );
    this.#purgeInPassing(messages.length);
    return results;
  }

  async #appendAlone(message: NewMessage): Promise<AppendResult> {
    try {
      const { id } = await insertAlone(
        this.#connection,
        message,
        this.#options.now(),
        this.#incarnations.get(message.sender),
        ({ bells }) => this.#wakeUps.committed([message], bells),
      );
      this.#log.committed(false);
      return { id };
    } catch (error) {
      // It says no more than that there is no sender.
      if (faultOf(error) === "constraint") {
        await this.#look(
          "publish",
          (tx) => refuseEnded(tx, "publish", message.sender),
        );
      }
      throw error;
    }
  }

  read(
    interest: Interest,
    cursor: string,
    limit: number,
  ): Page | Promise<Page> {
    this.#refuseClosed("read messages");
    return this.#connection.read(
      "read messages",
      () => this.#messages.read(interest, cursor, limit, this.#options.now()),
    );
  }

  async endCursor(): Promise<string> {
    this.#refuseClosed("read messages");
    return await this.#connection.read(
      "read messages",
      () => endCursor(this.#connection),
    );
  }

  parseCursor(text: string): string {
    return parseCursor(text);
  }

  async watch(interest: Interest, wake: () => void): Promise<Watch> {
    this.#refuseClosed("watch for messages");
    return await this.#wakeUps.watch(interest, wake);
  }

  async takeDurable(
    name: string,
    interest: Interest,
    from: string,
  ): Promise<DurableReader> {
    const act = `subscribe as "${name}"`;
    this.#refuseClosed(act);
    // What was over before a name is new is not lost to it.
    const expired = await this.#connection.read(
      act,
      () => hasExpiredAfter(this.#connection, from, this.#options.now()),
    );
    if (expired) await this.#purgeExpiredAfter(act, from);
    return await this.#write(
      act,
      (tx) => takeDurable(tx, name, interest, from, this.#givenUp),
    );
  }

  async readDurable(
    reader: DurableReader,
    interest: Interest,
    cursor: string,
    limit: number,
  ): Promise<DurablePage> {
    const act = `read on as "${reader.name}"`;
    for (;;) {
      const page = await this.#connection.read(
        act,
        () => this.#durablePage(reader, interest, cursor, limit),
      );
      if (page !== undefined) return page;
      await this.#purgeExpiredAfter(act, cursor);
    }
  }

  /** A page that passes over nothing; undefined if something expired there. */
  #durablePage(
    reader: DurableReader,
    interest: Interest,
    cursor: string,
    limit: number,
  ): DurablePage | undefined {
    // One time for the whole look: what is not over at its start is delivered.
    const nowMs = this.#options.now();
    const page = this.#messages.read(interest, cursor, limit, nowMs);
    // After it: a message whose writer had to wait for longer than its TTL is
    // over when it is committed, and that may be just now.
    if (hasExpiredAfter(this.#connection, cursor, nowMs)) return undefined;
    return { ...page, lost: lostBy(this.#connection, reader) };
  }

  /** Purges what expired after a cursor, by bounded steps. */
  async #purgeExpiredAfter(act: string, cursor: string): Promise<void> {
    for (;;) {
      const deleted = await this.#write(
        act,
        (tx) => purgeExpiredAfter(tx, cursor),
      );
      if (deleted < STEP_MESSAGES_MAX) return;
    }
  }

  async advanceDurable(
    reader: DurableReader,
    cursor?: string,
  ): Promise<DurableReader> {
    return await this.#write(
      `acknowledge as "${reader.name}"`,
      (tx) => advanceDurable(tx, reader, cursor),
    );
  }

  async releaseDurable(reader: DurableReader): Promise<void> {
    // Whatever comes of it: a disk that fails now is no reason to refuse the
    // name to who asks for it next.
    this.#givenUp.add(reader.token);
    await this.#write(
      `end reading as "${reader.name}"`,
      (tx) => releaseDurable(tx, reader),
    );
    this.#givenUp.delete(reader.token);
  }

  async registerSession(start: SessionStart): Promise<Session> {
    const session = await this.#write(
      `register session "${start.id}"`,
      (tx) => registerSession(tx, start),
    );
    this.#incarnations.set(session.id, session);
    return session;
  }

  async updateSession(id: string, change: SessionChange): Promise<Session> {
    const session = await this.#write(
      `update session "${id}"`,
      (tx) => updateOne(tx, id, change),
    );
    // Its heartbeat keeps the bus in order, too, while nobody publishes.
    this.#purgeInPassing(0);
    return session;
  }

  async endSession(
    id: string,
    process?: Pick<Session, "pid" | "processStart">,
  ): Promise<void> {
    await this.#write(`end session "${id}"`, (tx) => {
      if (process === undefined) endSession(tx, id);
      else endIncarnation(tx, id, process);
    });
  }

  async session(id: string): Promise<Session | undefined> {
    this.#refuseClosed("look up a session");
    return await this.#connection.read(
      "look up a session",
      () => findSession(this.#connection, id),
    );
  }

  async sessions(
    filter: { readonly project: string | null; readonly ended: boolean },
  ): Promise<readonly Session[]> {
    const act = "list sessions";
    this.#refuseClosed(act);
    const list = () =>
      this.#connection.read(act, () => listSessions(this.#connection, filter));
    const found = await list();
    const dead = found.filter((session) =>
      session.status !== "terminated" && lifeOf(session) === "dead"
    );
    if (dead.length === 0) return found;
    if (this.#connection.readOnly) {
      return found.filter((session) => !dead.includes(session));
    }
    await this.#write(act, (tx) => dead.forEach(({ id }) => bury(tx, id)));
    return await list();
  }

  async acquireLock(request: LockRequest): Promise<LockOutcome> {
    return await this.#write(
      `lock "${request.target.path}"`,
      (tx) => acquire(tx, request, this.#lockBudget),
      HURRIED,
    );
  }

  async checkWaiter(waiter: string, session: string): Promise<LockOutcome> {
    const act = "wait for a lock";
    this.#refuseClosed(act);
    await this.#noted(waiter);
    // Most looks change nothing, and should keep nobody from writing.
    const outcome = await this.#connection.read(
      act,
      () => lookAtWaiter(this.#lookOnly(), waiter),
    );
    if (outcome?.state === "held") this.#noteSoon(waiter);
    return outcome ??
      await this.#write(
        act,
        (tx) => checkWaiter(tx, waiter, session),
        HURRIED,
      );
  }

  async leaveQueue(waiter: string): Promise<void> {
    await this.#noted(waiter);
    await this.#write("leave a queue", (tx) => leaveQueue(tx, waiter));
  }

  async renewLock(hold: Hold, leaseMs: number): Promise<Hold> {
    return await this.#write(
      `renew "${hold.path}"`,
      (tx) => renewHold(tx, hold, leaseMs),
    );
  }

  async releaseLock(
    hold: Hold,
    options: { readonly entirely?: boolean; readonly before?: Hold } = {},
  ): Promise<void> {
    await this.#write(
      `release "${hold.path}"`,
      (tx) => giveBack(tx, hold, options),
    );
  }

  async locks(query: LockQuery): Promise<readonly Hold[]> {
    return await this.#look("list locks", (tx) => listHolds(tx, query));
  }

  async othersFiles(
    session: string,
    scope: FileScope,
    limit: number,
  ): Promise<OthersFiles> {
    this.#refuseClosed("list files");
    return await this.#connection.read(
      "list files",
      () => othersFiles(this.#connection, session, scope, limit),
    );
  }

  async lockWaiters(target: LockTarget): Promise<readonly Blocker[]> {
    return await this.#look("list waiters", (tx) => waitersFor(tx, target));
  }

  async postTask(posting: TaskPosting): Promise<Task> {
    return await this.#write(
      `post task "${posting.id}"`,
      (tx) => postTask(tx, posting),
    );
  }

  async claimTask(id: string, claimer: Claimer): Promise<Claim> {
    return await this.#write(
      `claim task "${id}"`,
      (tx) => claimTask(tx, id, claimer),
    );
  }

  async claimNextTask(
    filter: TaskFilter,
    claimer: Claimer,
  ): Promise<Claim | undefined> {
    return await this.#write(
      "claim a task",
      (tx) => claimNextTask(tx, filter, claimer),
    );
  }

  async renewTask(claim: Claim, leaseMs: number): Promise<Claim> {
    return await this.#write(
      `renew task "${claim.id}"`,
      (tx) => renewTask(tx, claim, leaseMs),
    );
  }

  async endClaim(claim: Claim, end: ClaimEnd): Promise<Task> {
    return await this.#write(
      `end task "${claim.id}"`,
      (tx) => endClaim(tx, claim, end),
    );
  }

  async tasks(query: TaskQuery): Promise<readonly Task[]> {
    return await this.#look("list tasks", (tx) => listTasks(tx, query));
  }

  async pendingFor(
    session: string,
    after: string,
    limit: number,
    options: { readonly untold?: boolean } = {},
  ): Promise<readonly Message[]> {
    this.#refuseClosed("read the inbox");
    return await this.#connection.read(
      "read the inbox",
      () =>
        pendingFor(
          this.#connection,
          session,
          after,
          limit,
          this.#options.now(),
          options,
        ),
    );
  }

  async answerTo(session: string, id: string): Promise<Message | undefined> {
    this.#refuseClosed("wait for an answer");
    return await this.#connection.read(
      "wait for an answer",
      () => answerTo(this.#connection, session, id, this.#options.now()),
    );
  }

  async moveDeliveries(
    session: string,
    ids: readonly string[],
    state: DeliveryState,
  ): Promise<void> {
    await this.#write(
      "acknowledge a message",
      (tx) => {
        refuseEnded(tx, "acknowledge a message", session);
        moveDeliveries(tx, session, ids, state);
      },
    );
  }

  async delivery(id: string): Promise<Delivery | undefined> {
    this.#refuseClosed("look up a delivery");
    return await this.#connection.read(
      "look up a delivery",
      () => findDelivery(this.#connection, id, this.#options.now()),
    );
  }

  async watchChanges(
    topic: ChangeTopic,
    session: string | null,
    wake: () => void,
  ): Promise<Watch> {
    return await this.watch(
      { channels: [topicChannel(topic)], project: null, session },
      wake,
    );
  }

  async readNotes(
    session: string,
    keys: readonly string[],
  ): Promise<ReadonlyMap<string, string>> {
    this.#refuseClosed("read notes");
    return await this.#connection.read(
      "read notes",
      () => readNotes(this.#connection, session, keys),
    );
  }

  async noteActivity(session: string, activity: Activity): Promise<boolean> {
    return await this.#write(
      "note an activity",
      (tx) => noteActivity(tx, session, activity),
    );
  }

  async guardEdit(request: EditRequest): Promise<readonly EditObstacle[]> {
    return await this.#write(
      "take locks for an edit",
      (tx) => guardEdit(tx, request, this.#lockBudget),
    );
  }

  async touchesOf(
    path: string,
    sinceMs: number,
  ): Promise<readonly FileTouch[]> {
    this.#refuseClosed("look up changes");
    return await this.#connection.read(
      "look up changes",
      () => touchesOf(this.#connection, path, sinceMs),
    );
  }

  async touchesBelow(query: FolderQuery): Promise<readonly FolderTouch[]> {
    return await this.#look(
      "look up changes",
      (tx) => touchesBelow(tx, query),
    );
  }

  async moveBranch(move: BranchMove): Promise<boolean> {
    return await this.#write("note a branch", (tx) => moveBranch(tx, move));
  }

  async batch(
    operations: readonly Operation[],
  ): Promise<readonly OperationResult[]> {
    return await this.#write(
      "do a batch",
      (tx) => operations.map((operation) => perform(tx, operation)),
    );
  }

  async purge(): Promise<Purged> {
    return await this.#purge(purgeStep);
  }

  async #purge(step: typeof purgeStep): Promise<Purged> {
    const purged = await this.#write(
      "purge",
      (tx) => step(tx, this.#purgeRound, this.#options.channelMessagesMax),
    );
    await this.#log.trim();
    return purged;
  }

  async stats(): Promise<Stats> {
    this.#refuseClosed("read statistics");
    return await this.#connection.read("read statistics", () => this.#stats());
  }

  async close(): Promise<void> {
    this.#closing ??= this.#close();
    await this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    this.#purgeWait?.end();
    await this.#purging;
    await Promise.all([...this.#noting.keys()].map((it) => this.#noted(it)));
    await this.#wakeUps.close();
    await this.#log.settled();
    this.#connection.close();
  }

  /**
   * Notes, in a moment, that a waiter has picked up its lock: it is held by now, and
   * who holds it need not wait for that. If it is only for a moment, it is given back
   * by then, and that is noted with it.
   */
  #noteSoon(waiter: string): void {
    const wait = new Pause(NOTE_AFTER_MS);
    const done = wait.over
      .then(() => this.#note(waiter))
      .catch((error) => this.#options.warn(`mbus: ${error.message}`))
      .finally(() => this.#noting.delete(waiter));
    this.#noting.set(waiter, { wait, done });
  }

  async #note(waiter: string): Promise<void> {
    const act = "wait for a lock";
    const isDue = await this.#connection.read(
      act,
      () => isUnnoted(this.#connection, waiter),
    );
    if (isDue) await this.#write(act, (tx) => endWaiting(tx, waiter), HURRIED);
  }

  /** Notes at once what a waiter has picked up, if it is not noted yet. */
  async #noted(waiter: string): Promise<void> {
    const noting = this.#noting.get(waiter);
    noting?.wait.end();
    await noting?.done;
  }

  /** Runs one write transaction, and rings when it is through. */
  async #write<T>(
    act: string,
    work: (tx: Transaction) => T,
    { isHurried = false }: { readonly isHurried?: boolean } = {},
  ): Promise<T> {
    this.#refuseClosed(act);
    let rings: readonly Addressed[] = [];
    let bells: ReadonlySet<string> = new Set();
    const result = await this.#connection.write(act, () => {
      const tx = new Transaction(
        this.#connection,
        this.#options.now(),
        this.#incarnations,
      );
      const result = work(tx);
      grantWaiters(tx);
      rings = tx.rings;
      // Whose bell comes later reads what is committed here by itself.
      bells = bellsFor(this.#connection, rings);
      return result;
    }, () => this.#wakeUps.committed(rings, bells));
    // Who waits itself may be the one that was granted it.
    if (!isHurried && rings.some(({ channel }) => channel === GRANTS)) {
      await Promise.all([this.#log.handedOver(), pause(GIVE_WAY_MS)]);
    } else this.#log.committed(isHurried);
    return result;
  }

  /**
   * Reads what looking at may change: whoever looks buries the dead. Where
   * nothing may be written, it is read as it stands.
   */
  async #look<T>(act: string, work: (tx: Transaction) => T): Promise<T> {
    this.#refuseClosed(act);
    if (!this.#connection.readOnly) return await this.#write(act, work);
    return await this.#connection.read(act, () => work(this.#lookOnly()));
  }

  #lookOnly(): Transaction {
    return new Transaction(
      this.#connection,
      this.#options.now(),
      this.#incarnations,
      true,
    );
  }

  #refuseClosed(act: string): void {
    // While it closes, what it does itself still goes through.
    if (this.#connection.closed) throw new ClosedError(act);
  }

  #purgeInPassing(published: number): void {
    this.#sincePurge += published;
    const isLong = this.#log.isLong(published);
    const isPressing = isLong || this.#sincePurge >= PURGE_AFTER_MOST;
    if (isPressing) this.#purgeWait?.end();
    if (this.#purging !== undefined || this.#closing !== undefined) return;
    // What is over besides messages comes as time passes, not as one publishes.
    const step = this.#isPurgeOverdue()
      ? purgeStep
      : this.#sincePurge >= PURGE_AFTER_MESSAGES
      ? purgeMessages
      : undefined;
    if (step === undefined && !isLong) return;
    this.#purgeWait = new Pause(PURGE_WAIT_MS);
    if (isPressing) this.#purgeWait.end();
    this.#purging = this.#purgeWait.over
      .then(() =>
        step === undefined ? this.#log.trim() : this.#purgeSteps(step)
      )
      .catch((error) => {
        // Whoever publishes next tries again.
        this.#options.warn(`mbus: ${error.message}`);
      })
      .finally(() => this.#purging = undefined);
  }

  /** Whether nobody has purged for a while; looked up once in that while. */
  #isPurgeOverdue(): boolean {
    const now = this.#options.now();
    // Either way: the clock may have been set back since.
    const isOver = (sinceMs: number) =>
      Math.abs(now - sinceMs) >= PURGE_AFTER_MS;
    if (!isOver(this.#askedPurgeAtMs)) return false;
    this.#askedPurgeAtMs = now;
    const row = this.#connection.sql(
      "SELECT value FROM counters WHERE name = 'purged_at'",
    ).get();
    return isOver(Number(row?.value ?? 0));
  }

  async #purgeSteps(step: typeof purgeStep): Promise<void> {
    // One step for each share of what was published, so that the debt is
    // paid even by who publishes in large batches; none where nothing is over.
    do {
      const { expired, overCap, more } = await this.#purge(step);
      step = purgeMessages;
      if (expired + overCap === 0 && !more) this.#sincePurge = 0;
      else this.#sincePurge -= PURGE_AFTER_MESSAGES;
    } while (this.#sincePurge >= PURGE_AFTER_MESSAGES);
    this.#sincePurge = Math.max(this.#sincePurge, 0);
  }

  #stats(): Stats {
    const count = (sql: string): number =>
      Number(this.#connection.sql(`SELECT count(*) AS n FROM ${sql}`).get()!.n);
    const channels = this.#connection.sql(
      `SELECT channel, count(*) AS n FROM inter_session_messages
       WHERE expires_at > ? GROUP BY channel ORDER BY n DESC, channel`,
    ).all(this.#options.now()).map((row): ChannelStats => ({
      channel: String(row.channel),
      messages: Number(row.n),
    }));
    const { databasePath } = this.#connection.location;
    return {
      location: this.location,
      messages: channels.reduce((sum, { messages }) => sum + messages, 0),
      channels,
      sessions: count("session_registry WHERE status IS NOT 'terminated'"),
      durableNames: count("durable_names"),
      storeBytes: sizeOf(databasePath),
      logBytes: sizeOf(`${databasePath}-wal`),
    };
  }
}

/** Where a bus's database file is, for programs that open it themselves. */
export function messagingDbPath(home?: string): string {
  const location: BusLocation = locateBus(home);
  return location.databasePath;
}

function perform(tx: Transaction, operation: Operation): OperationResult {
  const { kind } = operation;
  switch (kind) {
    case "append":
      return { kind, appended: appendOne(tx, operation.message) };
    case "release-lock":
      giveBack(tx, operation.hold);
      return { kind };
    case "post-task":
      return { kind, task: postTask(tx, operation.posting) };
    case "end-claim":
      return { kind, task: endClaim(tx, operation.claim, operation.end) };
    case "update-session":
      return {
        kind,
        session: updateOne(tx, operation.id, operation.change),
      };
  }
}

function updateOne(
  tx: Transaction,
  id: string,
  change: SessionChange,
): Session {
  refuseEnded(tx, `update session "${id}"`, id);
  return updateSession(tx, id, change);
}

function appendOne(tx: Transaction, message: NewMessage): Appended {
  refuseEnded(tx, "publish", message.sender);
  return tx.append(message);
}

function appendTogether(
  tx: Transaction,
  messages: readonly NewMessage[],
): Appended[] {
  for (const sender of new Set(messages.map(({ sender }) => sender))) {
    refuseEnded(tx, "publish", sender);
  }
  return tx.appendAll(messages);
}

/** Appends each for itself; nearly always all of them will do. */
function appendApart(
  tx: Transaction,
  messages: readonly NewMessage[],
): AppendResult[] {
  const together = orOwnFault(
    () => tx.savepoint(() => appendTogether(tx, messages)),
  );
  return Array.isArray(together)
    ? together
    : messages.map((message) =>
      orOwnFault(() => tx.savepoint(() => appendOne(tx, message)))
    );
}

/** What `work` returns, or its error if that is what it was given's own fault. */
function orOwnFault<T>(work: () => T): T | { readonly error: Error } {
  try {
    return work();
  } catch (error) {
    // What the disk or another writer refuses is no message's own fault.
    if (error instanceof MessageBusError || faultOf(error) === "constraint") {
      return { error: error as Error };
    }
    throw error;
  }
}

function warnOfOldSqlite(
  connection: Connection,
  warn: (message: string) => void,
): void {
  if (!connection.sqliteHasWalResetBug) return;
  warn(
    `mbus: the "${connection.driver}" driver brings SQLite ` +
      `${connection.sqliteVersion}, which can corrupt a busy database (the ` +
      `WAL-reset bug, fixed in 3.51.3); use the default driver.`,
  );
}
