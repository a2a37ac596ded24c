/**
 * What the operations of the domain work with inside one write transaction.
 *
 * Who is to be rung can only be rung after the commit, so the transaction
 * keeps note of what it appended; the store rings when it is through.
 *
 * @module
 */

import { type Life, processAlive, type ProcessIdentity } from "../host.ts";
import type { Incarnation } from "../sessions.ts";
import type { Appended, ChangeTopic, NewMessage } from "../store.ts";
import { type Addressed, topicChannel } from "./bells.ts";
import type { Connection } from "./connection.ts";
import { moveDeliveries } from "./deliveries.ts";
import type { Row } from "./driver.ts";
import { insert, insertAll } from "./messages.ts";
import { resolveSession } from "./sessions.ts";

/** A write transaction that is under way, or a look without one. */
export class Transaction {
  /** The database it runs on. */
  readonly connection: Connection;
  /** The time at which it happens, in milliseconds since 1970. */
  readonly nowMs: number;
  /** The sessions that its store has registered, and with which process. */
  readonly incarnations: ReadonlyMap<string, Incarnation>;
  /** Whether it may only look: then what is over is left out, and stays. */
  readonly readOnly: boolean;
  /** What it has appended and changed, for ringing. */
  readonly rings: Addressed[] = [];
  /**
   * The rows of holds and waiters that are in nobody's way any more, with their
   * columns kind, extent and folds_case.
   */
  readonly freed: Row[] = [];
  readonly #lives = new Map<string, Life>();

  /** Made by the store for each attempt at a write. */
  constructor(
    connection: Connection,
    nowMs: number,
    incarnations: ReadonlyMap<string, Incarnation> = new Map(),
    readOnly: boolean = connection.readOnly,
  ) {
    this.connection = connection;
    this.nowMs = nowMs;
    this.incarnations = incarnations;
    this.readOnly = readOnly;
  }

  /**
   * Appends a message.
   *
   * @throws {UnknownSessionError} If it is for a session that is not there.
   */
  append(message: NewMessage): Appended {
    const { sender, replyTo } = message;
    if (replyTo !== undefined) moveDeliveries(this, sender, [replyTo], "acked");
    if (message.to === undefined) {
      const id = insert(this.connection, message, this.nowMs);
      this.rings.push(message);
      return { id };
    }
    const addressee = resolveSession(
      this.connection,
      `send to "${message.to}"`,
      message.to,
    );
    const addressed = { ...message, to: addressee.id };
    const id = insert(this.connection, addressed, this.nowMs);
    this.rings.push(addressed);
    return {
      id,
      to: addressee.id,
      notRunning: addressee.status === "terminated",
    };
  }

  /**
   * Appends messages, in order.
   *
   * @throws {UnknownSessionError} If one is for a session that is not there.
   */
  appendAll(messages: readonly NewMessage[]): Appended[] {
    const appended: Appended[] = [];
    // Those of a run that ask for nothing more are inserted together.
    let run: NewMessage[] = [];
    const insertRun = (): void => {
      for (const id of insertAll(this.connection, run, this.nowMs)) {
        appended.push({ id });
      }
      this.rings.push(...run);
      run = [];
    };
    for (const message of messages) {
      if (message.to === undefined && message.replyTo === undefined) {
        run.push(message);
        continue;
      }
      insertRun();
      appended.push(this.append(message));
    }
    insertRun();
    return appended;
  }

  /**
   * Whether a process of `host` lives. Looked up once: among ten that wait for one
   * lock each is in the way of all behind it, while everybody waits for this.
   */
  life(process: ProcessIdentity, host: string): Life {
    // Threads of one daemon may share a process, and live on their own.
    const key = `${process.pid} ${process.startTime} ${host} ${
      process.keeper?.codex?.id ?? ""
    }`;
    let life = this.#lives.get(key);
    if (life === undefined) {
      life = processAlive(process, host);
      this.#lives.set(key, life);
    }
    return life;
  }

  /** Notes that who watches a topic is to be woken; `session` narrows it to one. */
  ring(topic: ChangeTopic, session: string | null): void {
    this.rings.push({
      channel: topicChannel(topic),
      project: null,
      to: session ?? undefined,
    });
  }

  /** Runs `work` so that nothing of it stays if it throws. */
  savepoint<T>(work: () => T): T {
    const [rings, freed] = [this.rings.length, this.freed.length];
    try {
      return this.connection.savepoint(work);
    } catch (error) {
      this.rings.length = rings;
      this.freed.length = freed;
      throw error;
    }
  }

  /** The next number of the counter that only grows. */
  nextFencingToken(): number {
    const row = this.connection.sql(
      "UPDATE counters SET value = value + 1 WHERE name = 'fencing' RETURNING value",
    ).get();
    return Number(row!.value);
  }
}
