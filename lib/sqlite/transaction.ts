/**
 * One write transaction, or one read, in which rules and upkeep run.
 *
 * Bells are touched after the commit. So the transaction collects what it appended and
 * changed, and the store touches the bells.
 *
 * @module
 */

import { type Addressed, topicChannel } from "../model/topics.ts";
import { processAlive } from "../process/host.ts";
import type { Life, ProcessIdentity } from "../model/process.ts";
import type { Incarnation } from "../model/session.ts";
import type { ChangeTopic } from "../model/message.ts";
import type { Connection } from "./connection.ts";

/** The progress of a process's purge, whose steps each check a few more rows. */
export interface PurgeRound {
  /**
   * The last channel whose count was updated. As bytes, because the channel of another
   * program may not be valid UTF-8.
   */
  channel: Uint8Array;
  /** The last bell whose process was checked. */
  bell: string;
}

/** Returns the start of a purge. */
export function newPurgeRound(): PurgeRound {
  return { channel: new Uint8Array(), bell: "" };
}

/** A running write transaction, or a read without one. */
export class Transaction {
  /** The connection that runs the transaction. */
  readonly connection: Connection;
  /** The time of the transaction, in milliseconds since 1970. */
  readonly nowMs: number;
  /** The sessions that the store has registered, each with its process. */
  readonly incarnations: ReadonlyMap<string, Incarnation>;
  /** Whether the transaction only reads. Expired records are then omitted, and stay. */
  readonly readOnly: boolean;
  /** The messages and changes whose watchers are woken after the commit. */
  readonly rings: Addressed[] = [];
  /** The progress of this process's purge. */
  readonly round: PurgeRound;
  readonly #lives = new Map<string, Life>();

  /** Makes the transaction of one attempt. */
  constructor(
    connection: Connection,
    nowMs: number,
    incarnations: ReadonlyMap<string, Incarnation> = new Map(),
    readOnly: boolean = connection.readOnly,
    round: PurgeRound = newPurgeRound(),
  ) {
    this.connection = connection;
    this.nowMs = nowMs;
    this.incarnations = incarnations;
    this.readOnly = readOnly;
    this.round = round;
  }

  /**
   * Returns whether a process of `host` lives. Each process is checked once, because a
   * rule asks for it repeatedly: each waiter blocks all later ones.
   */
  life(process: ProcessIdentity, host: string): Life {
    // Threads of one daemon share a process, but not their lifetime.
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

  /**
   * Wakes the watchers of a topic after the commit.
   *
   * @param session The session whose watchers are woken; `null` for all watchers.
   */
  ring(topic: ChangeTopic, session: string | null): void {
    this.rings.push({
      channel: topicChannel(topic),
      project: null,
      to: session ?? undefined,
    });
  }

  /** Runs `work` in a savepoint, which is rolled back if it throws. */
  savepoint<T>(work: () => T): T {
    const rings = this.rings.length;
    try {
      return this.connection.savepoint(work);
    } catch (error) {
      this.rings.length = rings;
      throw error;
    }
  }
}
