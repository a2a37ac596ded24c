/**
 * The store in PostgreSQL: one server for the sessions of many hosts.
 *
 * Puts together what the files beside it know: the connection runs statements
 * and transactions, messages, sessions, durable names and the purge say what
 * happens in them, and the wake-ups ring after the commit.
 *
 * A publish is one statement, which commits and then rings (schema.ts). What a
 * transaction has changed is rung for when its commit is answered.
 *
 * Purging rides along: after every so many messages, or when nobody has done
 * it for a while, a step is taken behind the publisher's back, and never two
 * at a time. Closing waits for the one that runs.
 *
 * @module
 */

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
import { parseCursor, START_CURSOR } from "../coordination/message_rows.ts";
import { PURGE_AFTER_MS } from "../coordination/purge_rules.ts";
import { lifeOf } from "../coordination/registry.ts";
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
import { appendApart, appendTogether } from "./append.ts";
import { perform } from "./batch.ts";
import {
  Connection,
  type Ending,
  type Queryable,
  readOnlyError,
} from "./connection.ts";
import {
  answerTo,
  findDelivery,
  moveDeliveries,
  pendingFor,
} from "./deliveries.ts";
import {
  advanceDurable,
  lostBy,
  releaseDurable,
  takeDurable,
} from "./durable.ts";
import { guardEdit } from "./edit_guard.ts";
import {
  buryDead,
  endIncarnation,
  endSession,
  refuseEnded,
  registerSession,
  updateOne,
} from "./liveness.ts";
import {
  acquire,
  checkWaiter,
  giveBack,
  leaveQueue,
  removeGoneWaiters,
  renewHold,
} from "./lock_queue.ts";
import {
  grantWaiters,
  listHolds,
  type Look,
  removeStale,
  stillWaiting,
  waitersFor,
} from "./locks.ts";
import { endCursor, read } from "./messages.ts";
import { noteActivity, readNotes, touchesOf } from "./notes.ts";
import {
  hasExpiredAfter,
  purgeExpiredAfter,
  type PurgeRound,
  purgeStep,
  STEP_MESSAGES_MAX,
} from "./purge.ts";
import { findSession, listSessions, othersFiles } from "./sessions.ts";
import {
  claimNextTask,
  claimTask,
  endClaim,
  listTasks,
  postTask,
  renewTask,
  returnClaims,
} from "./tasks.ts";
import { Transaction } from "./transaction.ts";
import { parseUrl } from "./url.ts";
import { type Notify, topicChannel, WakeUps } from "./wake_ups.ts";
import { endDeadBelow, moveBranch, touchesBelow } from "./worktrees.ts";

/** How to open a store in PostgreSQL. */
export interface PostgresStoreOptions {
  /** The server and database: `postgres://…`. */
  readonly url: string;
  /** Whether nothing may be written, although it could. */
  readonly readOnly?: boolean;
  /** How readers are woken. */
  readonly notify: Notify;
  /**
   * How often to look for what did not ring, in milliseconds.
   * @default {2000}
   */
  readonly pollIntervalMs?: number;
  /** How long an operation is tried, in milliseconds; at least a second. */
  readonly busyTimeoutMs: number;
  /** How long an operation is tried at the most, in milliseconds. */
  readonly busyTotalMs?: number;
  /** Messages kept on a channel at the most. */
  readonly channelMessagesMax: number;
  /** Locks a session may hold and wait for at a time. */
  readonly locksMax: number;
  /** The clock; one that is not the system's shifts the server's. */
  readonly now: () => number;
  /** Is told once of whatever does not stop the store. */
  readonly warn: (message: string) => void;
}

const POLL_INTERVAL_MS = 2_000;

// A step of the purge after so many messages of this process deletes up to
// STEP_MESSAGES_MAX: what is over always goes faster than it comes.
const PURGE_AFTER_MESSAGES = STEP_MESSAGES_MAX / 2;

/** A bus in one schema of a PostgreSQL database. */
export class PostgresStore implements Store {
  readonly capabilities: StoreCapabilities = {
    pushesWakeUps: true,
    atomicBatches: true,
    exactLossCounts: true,
    acceptsForeignRows: true,
  };
  readonly startCursor: string = START_CURSOR;
  readonly #connection: Connection;
  readonly #options: PostgresStoreOptions;
  readonly #wakeUps: WakeUps;
  readonly #purgeRound: PurgeRound = { channel: "", session: "" };
  // What is done in the name of a session is refused once it is another's.
  readonly #incarnations = new Map<string, Incarnation>();
  readonly #writing = new Set<Promise<void>>();
  readonly #givenUp = new Set<number>();
  #sincePurge = 0;
  #askPurgeAtMs = 0;
  #purging: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  private constructor(connection: Connection, options: PostgresStoreOptions) {
    this.#connection = connection;
    this.#options = options;
    this.#wakeUps = new WakeUps(connection, {
      notify: options.notify,
      pollIntervalMs: options.pollIntervalMs ?? POLL_INTERVAL_MS,
      warn: options.warn,
    });
  }

  /**
   * Opens a bus, making it if it is new.
   *
   * @throws {InvalidInputError} If the URL is none.
   * @throws {StoreError} If it cannot be used; the `fault` says why.
   */
  static async open(options: PostgresStoreOptions): Promise<PostgresStore> {
    const connection = await Connection.open(parseUrl(options.url), options);
    return new PostgresStore(connection, options);
  }

  get location(): string {
    return this.#connection.address.shown;
  }

  now(): number {
    return this.#connection.clock.nowMs;
  }

  async append(
    messages: readonly NewMessage[],
    options: { readonly atomic: boolean },
  ): Promise<readonly AppendResult[]> {
    this.#refuseClosed("publish");
    this.#refuseReadOnly("publish");
    const append = options.atomic ? appendTogether : appendApart;
    const results = messages.some(({ replyTo }) => replyTo !== undefined)
      ? await this.#appendAnswers(messages, options)
      : await append(
        this.#connection,
        this.#wakeUps,
        this.#incarnations,
        messages,
      );
    this.#purgeInPassing(messages.length);
    return results;
  }

  /** Appends messages some of which answer others, and so acknowledge them. */
  async #appendAnswers(
    messages: readonly NewMessage[],
    { atomic }: { readonly atomic: boolean },
  ): Promise<readonly AppendResult[]> {
    const append = (some: readonly NewMessage[]) =>
      this.#write("publish", async (tx) => {
        const appended: Appended[] = [];
        for (const message of some) {
          await refuseEnded(tx, "publish", message.sender);
          appended.push(await tx.append(message));
        }
        return appended;
      }, { coordinates: false });
    if (atomic) return await append(messages);
    const results: AppendResult[] = [];
    for (const message of messages) {
      try {
        results.push(...await append([message]));
      } catch (error) {
        // What the server or another refuses is no message's own fault.
        if (!(error instanceof MessageBusError) || error.kind === "store") {
          throw error;
        }
        results.push({ error });
      }
    }
    return results;
  }

  async read(interest: Interest, cursor: string, limit: number): Promise<Page> {
    const act = "read messages";
    this.#refuseClosed(act);
    return await this.#connection.read(
      act,
      (at) => read(at, interest, cursor, limit),
    );
  }

  async endCursor(): Promise<string> {
    this.#refuseClosed("read messages");
    return await this.#connection.read("read messages", endCursor);
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
      (at) => hasExpiredAfter(at, from),
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
    this.#refuseClosed(act);
    const look = (at: Queryable) =>
      Promise.all([
        hasExpiredAfter(at, cursor),
        read(at, interest, cursor, limit),
        lostBy(at, reader),
      ]);
    // Most of the time nothing has expired, and reading needs no write.
    let [expired, page, lost] = await this.#connection.read(act, look);
    if (expired) {
      await this.#purgeExpiredAfter(act, cursor);
      [, page, lost] = await this.#connection.read(act, look);
    }
    return { ...page, lost };
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
    const act = `acknowledge as "${reader.name}"`;
    this.#refuseClosed(act);
    return await this.#connection.read(
      act,
      (at) => advanceDurable(at, reader, cursor),
    );
  }

  async releaseDurable(reader: DurableReader): Promise<void> {
    const act = `end reading as "${reader.name}"`;
    this.#refuseClosed(act);
    // Whatever comes of it: a server that is gone now is no reason to refuse
    // the name to who asks for it next.
    this.#givenUp.add(reader.token);
    await this.#connection.read(act, (at) => releaseDurable(at, reader));
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
      { coordinates: false },
    );
    // Its heartbeat keeps the bus in order, too, while nobody publishes.
    this.#purgeInPassing(0);
    return session;
  }

  async endSession(
    id: string,
    process?: Pick<Session, "pid" | "processStart">,
  ): Promise<void> {
    await this.#write(`end session "${id}"`, async (tx) => {
      if (process === undefined) await endSession(tx, id);
      else await endIncarnation(tx, id, process);
    });
  }

  async session(id: string): Promise<Session | undefined> {
    const act = "look up a session";
    this.#refuseClosed(act);
    return await this.#connection.read(act, (at) => findSession(at, id));
  }

  async sessions(
    filter: { readonly project: string | null; readonly ended: boolean },
  ): Promise<readonly Session[]> {
    const act = "list sessions";
    this.#refuseClosed(act);
    const list = () =>
      this.#connection.read(act, (at) => listSessions(at, filter));
    const found = await list();
    const dead = found.filter((session) =>
      session.status !== "terminated" && lifeOf(session) === "dead"
    );
    if (dead.length === 0) return found;
    if (this.#connection.readOnly) {
      return found.filter((session) => !dead.includes(session));
    }
    const ids = dead.map(({ id }) => id);
    await this.#write(act, (tx) => buryDead(tx, ids));
    return await list();
  }

  async acquireLock(request: LockRequest): Promise<LockOutcome> {
    return await this.#write(
      `lock "${request.target.path}"`,
      (tx) => acquire(tx, request, this.#options.locksMax),
    );
  }

  async checkWaiter(waiter: string, session: string): Promise<LockOutcome> {
    const act = "wait for a lock";
    this.#refuseClosed(act);
    // Most looks change nothing, and should keep nobody from writing.
    const waiting = await this.#connection.read(
      act,
      (at) => stillWaiting(at, waiter),
    );
    return waiting ??
      await this.#write(act, (tx) => checkWaiter(tx, waiter, session));
  }

  async leaveQueue(waiter: string): Promise<void> {
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
    return await this.#look(
      "list locks",
      (at) => listHolds(at, query),
      (tx) => removeStale(tx, query),
    );
  }

  async othersFiles(
    session: string,
    scope: FileScope,
    limit: number,
  ): Promise<OthersFiles> {
    const act = "list files";
    this.#refuseClosed(act);
    return await this.#connection.read(
      act,
      (at) => othersFiles(at, session, scope, limit),
    );
  }

  async lockWaiters(target: LockTarget): Promise<readonly Blocker[]> {
    return await this.#look(
      "list waiters",
      (at) => waitersFor(at, target),
      removeGoneWaiters,
    );
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
    return await this.#look(
      "list tasks",
      (at) => listTasks(at, query),
      returnClaims,
    );
  }

  async pendingFor(
    session: string,
    after: string,
    limit: number,
    options: { readonly untold?: boolean } = {},
  ): Promise<readonly Message[]> {
    const act = "read the inbox";
    this.#refuseClosed(act);
    return await this.#connection.read(
      act,
      (at) => pendingFor(at, session, after, limit, options),
    );
  }

  async answerTo(session: string, id: string): Promise<Message | undefined> {
    const act = "wait for an answer";
    this.#refuseClosed(act);
    return await this.#connection.read(act, (at) => answerTo(at, session, id));
  }

  async moveDeliveries(
    session: string,
    ids: readonly string[],
    state: DeliveryState,
  ): Promise<void> {
    await this.#write(
      "acknowledge a message",
      async (tx) => {
        await refuseEnded(tx, "acknowledge a message", session);
        await moveDeliveries(tx, session, ids, state);
      },
      { coordinates: false },
    );
  }

  async delivery(id: string): Promise<Delivery | undefined> {
    const act = "look up a delivery";
    this.#refuseClosed(act);
    return await this.#connection.read(act, (at) => findDelivery(at, id));
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
    const act = "read notes";
    this.#refuseClosed(act);
    return await this.#connection.read(
      act,
      (at) => readNotes(at, session, keys),
    );
  }

  async noteActivity(session: string, activity: Activity): Promise<boolean> {
    return await this.#write(
      "note an activity",
      (tx) => noteActivity(tx, session, activity),
      { coordinates: false },
    );
  }

  async guardEdit(request: EditRequest): Promise<readonly EditObstacle[]> {
    return await this.#write(
      "take locks for an edit",
      (tx) => guardEdit(tx, request, this.#options.locksMax),
    );
  }

  async touchesOf(
    path: string,
    sinceMs: number,
  ): Promise<readonly FileTouch[]> {
    const act = "look up changes";
    this.#refuseClosed(act);
    return await this.#connection.read(
      act,
      (at) => touchesOf(at, path, sinceMs),
    );
  }

  async touchesBelow(query: FolderQuery): Promise<readonly FolderTouch[]> {
    return await this.#look(
      "look up changes",
      (at) => touchesBelow(at, query),
      (tx) => endDeadBelow(tx, query),
    );
  }

  async moveBranch(move: BranchMove): Promise<boolean> {
    return await this.#write("note a branch", (tx) => moveBranch(tx, move));
  }

  async batch(
    operations: readonly Operation[],
  ): Promise<readonly OperationResult[]> {
    return await this.#write("do a batch", async (tx) => {
      const results: OperationResult[] = [];
      for (const operation of operations) {
        results.push(await perform(tx, operation));
      }
      return results;
    });
  }

  async purge(): Promise<Purged> {
    return await this.#write("purge", (tx) => this.#purgeStep(tx));
  }

  async stats(): Promise<Stats> {
    const act = "read statistics";
    this.#refuseClosed(act);
    return await this.#connection.read(act, async (at) => {
      const rows = await at.all(
        `SELECT channel, count(*) AS n FROM inter_session_messages
         WHERE expires_at > now_ms($1) AND id > 0
         GROUP BY channel ORDER BY n DESC, channel`,
        [at.clockShiftMs],
      );
      const channels = rows.map((row): ChannelStats => ({
        channel: String(row.channel),
        messages: Number(row.n),
      }));
      const row = await at.get(
        `SELECT (SELECT count(*) FROM session_registry
             WHERE status IS DISTINCT FROM 'terminated') AS sessions,
           (SELECT count(*) FROM durable_names) AS names,
           (SELECT sum(pg_total_relation_size(oid)) FROM pg_class
             WHERE relnamespace = current_schema()::regnamespace
               AND relkind = 'r') AS bytes`,
      );
      return {
        location: this.location,
        messages: channels.reduce((sum, { messages }) => sum + messages, 0),
        channels,
        sessions: Number(row!.sessions),
        durableNames: Number(row!.names),
        storeBytes: Number(row!.bytes),
        // The server's log is everybody's.
        logBytes: 0,
      };
    });
  }

  async close(): Promise<void> {
    this.#closing ??= this.#close();
    await this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    await this.#purging;
    await this.#wakeUps.close();
    // Who waited for a lock gives up its place.
    await Promise.all(this.#writing);
    await this.#connection.close();
  }

  /** Runs one write transaction, and rings when it is through. */
  async #write<T>(
    act: string,
    work: (tx: Transaction) => Promise<T>,
    options: { readonly coordinates?: boolean } = {},
  ): Promise<T> {
    this.#refuseClosed(act);
    this.#refuseReadOnly(act);
    const writing = this.#transact(act, work, options);
    const ended = writing.then(() => {}, () => {});
    this.#writing.add(ended);
    try {
      return await writing;
    } finally {
      this.#writing.delete(ended);
    }
  }

  async #transact<T>(
    act: string,
    work: (tx: Transaction) => Promise<T>,
    options: { readonly coordinates?: boolean },
  ): Promise<T> {
    return await this.#ringing(
      work,
      (work, end) => this.#connection.write(act, work, end, options),
    );
  }

  /** Has a transaction run by `run`, and rings when it is through. */
  async #ringing<T, R>(
    work: (tx: Transaction) => Promise<T>,
    run: (
      work: (at: Queryable, nowMs: number) => Promise<T>,
      end: (key: string) => Ending,
    ) => Promise<R>,
  ): Promise<R> {
    let tx: Transaction | undefined;
    const result = await run(
      async (at, nowMs) => {
        tx = new Transaction(at, nowMs, this.#incarnations);
        const result = await work(tx);
        if (tx.released) await grantWaiters(tx);
        return result;
      },
      (key) => tx!.end(this.#connection.schemaVersion, key),
    );
    this.#wakeUps.committed(this.#wakeUps.bellsFor(tx?.rings ?? []));
    return result;
  }

  /**
   * Reads what looking at may change: whoever looks buries the dead. Where
   * nothing may be written, or is to be, reading is all.
   */
  async #look<T>(
    act: string,
    look: (at: Queryable) => Promise<Look<T>>,
    mend: (tx: Transaction) => Promise<void>,
  ): Promise<T> {
    this.#refuseClosed(act);
    const seen = await this.#connection.read(act, look);
    if (!seen.stale || this.#connection.readOnly) return seen.found;
    await this.#write(act, mend);
    return (await this.#connection.read(act, look)).found;
  }

  #refuseClosed(act: string): void {
    // While it closes, what it does itself still goes through.
    if (this.#connection.closed) throw new ClosedError(act);
  }

  #refuseReadOnly(act: string): void {
    if (!this.#connection.readOnly) return;
    throw readOnlyError(act, this.#connection.address);
  }

  #purgeInPassing(published: number): void {
    this.#sincePurge += published;
    if (this.#purging !== undefined || this.#closing !== undefined) return;
    const now = performance.now();
    const isDue = this.#sincePurge >= PURGE_AFTER_MESSAGES;
    if (!isDue && now < this.#askPurgeAtMs) return;
    this.#askPurgeAtMs = now + PURGE_AFTER_MS;
    this.#purging = this.#purgeSteps(isDue).catch((error) => {
      // Whoever publishes next tries again.
      this.#options.warn(`mbus: ${error.message}`);
    }).finally(() => this.#purging = undefined);
  }

  async #purgeSteps(isDue: boolean): Promise<void> {
    if (!isDue && !await this.#isPurgeOverdue()) return;
    // One step for each share of what was published, so that the debt is
    // paid even by who publishes in large batches; none where nothing is over.
    do {
      // Whoever is at work with what sessions share goes first.
      const purged = await this.#ringing(
        (tx) => this.#purgeStep(tx),
        (work, end) => this.#connection.writeIfFree(work, end),
      );
      if (purged === undefined) return;
      const { expired, overCap, more } = purged;
      if (expired + overCap === 0 && !more) this.#sincePurge = 0;
      else this.#sincePurge -= PURGE_AFTER_MESSAGES;
    } while (this.#sincePurge >= PURGE_AFTER_MESSAGES);
    this.#sincePurge = Math.max(this.#sincePurge, 0);
  }

  async #purgeStep(tx: Transaction): Promise<Purged> {
    return await purgeStep(
      tx,
      this.#purgeRound,
      this.#options.channelMessagesMax,
    );
  }

  /** Whether nobody has purged for a while. */
  async #isPurgeOverdue(): Promise<boolean> {
    const row = await this.#connection.get(
      `SELECT abs(now_ms($1) - value) >= $2 AS overdue FROM counters
       WHERE name = 'purged_at'`,
      [this.#connection.clockShiftMs, PURGE_AFTER_MS],
    );
    return row?.overdue === true;
  }
}
