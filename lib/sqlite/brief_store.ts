/**
 * The way into a bus for a process that lives for one call of an agent's hook:
 * what starting up costs is all that anybody waits for.
 *
 * It does what the store does (store.ts), with these differences:
 *
 * - It loads and knows only what hooks need: it watches nothing, has no durable
 *   names and no tasks, and leaves purging to who lives longer.
 * - It rings bells after a commit, but has none itself.
 * - It serves with the runtime's own SQLite.
 * - Its process may end without closing it, which is what a crash is to
 *   SQLite: what was committed stays, in the log. Who ends and finds the log
 *   long folds it in; closing as the last one would do that every time, and wait
 *   for the disk.
 *
 * @module
 */

import { START_CURSOR } from "../coordination/message_rows.ts";
import { PURGE_AFTER_MS } from "../coordination/purge_rules.ts";
import { LockBudget } from "./lock_budget.ts";
import type { DeliveryState } from "../inbox.ts";
import type { Hold } from "../locks.ts";
import type { Session, SessionChange, SessionStart } from "../sessions.ts";
import type {
  Activity,
  Appended,
  AppendResult,
  BranchMove,
  BriefStore,
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
  OthersFiles,
  Page,
} from "../store.ts";
import type { Addressed } from "./bells.ts";
import { Connection } from "./connection.ts";
import { moveDeliveries, pendingFor } from "./deliveries.ts";
import { guardEdit } from "./edit_guard.ts";
import { endSession, registerSession } from "./liveness.ts";
import type { Database } from "./driver.ts";
import type { BusLocation } from "./location.ts";
import { openSound, trimLog } from "./sound.ts";
import { grantWaiters } from "./lock_queue.ts";
import { listHolds } from "./locks.ts";
import { MessageReader } from "./messages.ts";
import { noteActivity, readNotes, touchesOf } from "./notes.ts";
import { ringFor } from "./ringing.ts";
import {
  findSession,
  listSessions,
  othersFiles,
  updateSession,
} from "./sessions.ts";
import { Transaction } from "./transaction.ts";

/** How to open a bus for one call. */
export interface BriefStoreOptions {
  /** Where it is. */
  readonly location: BusLocation;
  /** The bus there, if it is open already. */
  readonly db?: Database;
  /** How long all operations together wait for other writers, in milliseconds. */
  readonly busyTotalMs: number;
  /** Locks the session may hold at a time. */
  readonly locksMax: number;
  /** The clock, in milliseconds since 1970. */
  readonly now: () => number;
  /** Is told of whatever does not stop the store. */
  readonly warn: (message: string) => void;
}

/** A bus in one SQLite file, for one call. */
export class SqliteBriefStore implements BriefStore {
  readonly startCursor: string = START_CURSOR;
  readonly #connection: Connection;
  readonly #options: BriefStoreOptions;
  readonly #lockBudget: LockBudget;

  /**
   * Opens a bus, making it if it is new.
   *
   * @throws {StoreError} If it cannot be used; the `fault` says why.
   */
  constructor(options: BriefStoreOptions) {
    const { location, busyTotalMs, locksMax } = options;
    const { db = openSound(location) } = options;
    const waiting = { busyTimeoutMs: busyTotalMs, busyTotalMs, brief: true };
    this.#options = options;
    this.#connection = db === undefined
      ? Connection.open(location, waiting)
      : Connection.over(db, location, waiting);
    this.#lockBudget = new LockBudget(locksMax);
  }

  session(id: string): Promise<Session | undefined> {
    return this.#read(
      "look up a session",
      () => findSession(this.#connection, id),
    );
  }

  registerSession(start: SessionStart): Promise<Session> {
    return this.#write(
      `register session "${start.id}"`,
      (tx) => registerSession(tx, start),
    );
  }

  updateSession(id: string, change: SessionChange): Promise<Session> {
    return this.#write(
      `update session "${id}"`,
      (tx) => updateSession(tx, id, change),
    );
  }

  endSession(id: string): Promise<void> {
    return this.#write(`end session "${id}"`, (tx) => endSession(tx, id));
  }

  othersFiles(
    session: string,
    scope: FileScope,
    limit: number,
  ): Promise<OthersFiles> {
    return this.#read(
      "list files",
      () => othersFiles(this.#connection, session, scope, limit),
    );
  }

  locks(query: LockQuery): Promise<readonly Hold[]> {
    return this.#write("list locks", (tx) => listHolds(tx, query));
  }

  guardEdit(request: EditRequest): Promise<readonly EditObstacle[]> {
    return this.#write(
      "take locks for an edit",
      (tx) => guardEdit(tx, request, this.#lockBudget),
    );
  }

  readNotes(
    session: string,
    keys: readonly string[],
  ): Promise<ReadonlyMap<string, string>> {
    return this.#read(
      "read notes",
      () => readNotes(this.#connection, session, keys),
    );
  }

  noteActivity(session: string, activity: Activity): Promise<boolean> {
    return this.#write(
      "note an activity",
      (tx) => noteActivity(tx, session, activity),
    );
  }

  touchesOf(path: string, sinceMs: number): Promise<readonly FileTouch[]> {
    return this.#read(
      "look up changes",
      () => touchesOf(this.#connection, path, sinceMs),
    );
  }

  async touchesBelow(query: FolderQuery): Promise<readonly FolderTouch[]> {
    const { touchesBelow } = await import("./worktrees.ts");
    return await this.#write(
      "look up changes",
      (tx) => touchesBelow(tx, query),
    );
  }

  async moveBranch(move: BranchMove): Promise<boolean> {
    const { moveBranch } = await import("./worktrees.ts");
    return await this.#write("note a branch", (tx) => moveBranch(tx, move));
  }

  pendingFor(
    session: string,
    after: string,
    limit: number,
    options?: { readonly untold?: boolean },
  ): Promise<readonly Message[]> {
    const nowMs = this.#options.now();
    return this.#read(
      "read the inbox",
      () => pendingFor(this.#connection, session, after, limit, nowMs, options),
    );
  }

  moveDeliveries(
    session: string,
    ids: readonly string[],
    state: DeliveryState,
  ): Promise<void> {
    return this.#write(
      "acknowledge a message",
      (tx) => moveDeliveries(tx, session, ids, state),
    );
  }

  read(interest: Interest, cursor: string, limit: number): Promise<Page> {
    const nowMs = this.#options.now();
    return this.#read(
      "read messages",
      () =>
        new MessageReader(this.#connection)
          .read(interest, cursor, limit, nowMs),
    );
  }

  /** The sessions, those that registered first first. */
  sessions(
    filter: { readonly project: string | null; readonly ended: boolean },
  ): Promise<readonly Session[]> {
    return this.#read(
      "list sessions",
      () => listSessions(this.#connection, filter),
    );
  }

  /**
   * Publishes a message of a session, which is registered by it if it is not on
   * the bus yet, or else gives its sign of life, all at once.
   */
  speak(
    sender: SessionStart | { readonly joined: string },
    message: Omit<NewMessage, "sender">,
  ): Promise<Appended & { readonly sender: string }> {
    return this.#write("publish", (tx) => {
      const { id } = "joined" in sender
        ? updateSession(tx, sender.joined, {})
        : registerSession(tx, sender);
      return { ...tx.append({ ...message, sender: id }), sender: id };
    });
  }

  /** Takes a step of the purge if nobody has taken one for a while. */
  async purgeIfOverdue(channelMessagesMax: number): Promise<void> {
    const nowMs = this.#options.now();
    const row = this.#connection.sql(
      "SELECT value FROM counters WHERE name = 'purged_at'",
    ).get();
    if (Number(row?.value ?? 0) > nowMs - PURGE_AFTER_MS) return;
    // Seldom due, so loaded only then.
    const { FIRST_CHANNEL, purgeStep } = await import("./purge.ts");
    const round = { channel: FIRST_CHANNEL, bell: "", session: "" };
    await this.#write(
      "purge",
      (tx) => purgeStep(tx, round, channelMessagesMax),
    );
  }

  /** Always all or nothing. */
  append(messages: readonly NewMessage[]): Promise<readonly AppendResult[]> {
    return this.#write(
      "publish",
      (tx) => messages.map((message) => tx.append(message)),
    );
  }

  close(): Promise<void> {
    this.#connection.close();
    return Promise.resolve();
  }

  /** What is to be done before the process ends without closing it. */
  leave(): void {
    try {
      trimLog(this.#connection.db, this.#options.location);
    } catch (error) {
      // Whoever ends next does it.
      this.#options.warn(`mbus: ${(error as Error).message}`);
    }
  }

  async #read<T>(act: string, work: () => T): Promise<T> {
    return await this.#connection.read(act, work);
  }

  /** Runs one write transaction, and rings when it is through. */
  async #write<T>(act: string, work: (tx: Transaction) => T): Promise<T> {
    let rings: readonly Addressed[] = [];
    const result = await this.#connection.write(act, () => {
      const tx = new Transaction(this.#connection, this.#options.now());
      const result = work(tx);
      grantWaiters(tx);
      rings = tx.rings;
      return result;
    });
    this.#ring(rings);
    return result;
  }

  #ring(rings: readonly Addressed[]): void {
    const { location } = this.#connection;
    ringFor(this.#connection, location, rings, this.#options.warn);
  }
}
