/**
 * One write transaction, or one look: what rules and upkeep run in.
 *
 * Bells are rung after the commit, so the transaction notes what it appended and
 * changed, and the store rings.
 *
 * @module
 */

import { type Addressed, topicChannel } from "../model/topics.ts";
import { processAlive } from "../process/host.ts";
import type { Life, ProcessIdentity } from "../model/process.ts";
import type { Incarnation } from "../model/session.ts";
import type { ChangeTopic } from "../model/message.ts";
import type { Connection } from "./connection.ts";

/** Where the purge of a process stands: each step looks at some more. */
export interface PurgeRound {
  /**
   * The last channel whose count was brought up to date, in bytes, because a
   * foreign program's channel may not be readable as text.
   */
  channel: Uint8Array;
  /** The last bell whose process was judged. */
  bell: string;
}

/** Returns a round at its beginning. */
export function newPurgeRound(): PurgeRound {
  return { channel: new Uint8Array(), bell: "" };
}

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
  /** Where the purge of this process stands. */
  readonly round: PurgeRound;
  readonly #lives = new Map<string, Life>();

  /** Made by the store for each attempt at a write. */
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
   * Returns whether a process of `host` lives. Looked up once: among ten waiters
   * for one lock each blocks all behind it.
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

  /** Wakes the watchers of a topic after the commit; `session` narrows it to one. */
  ring(topic: ChangeTopic, session: string | null): void {
    this.rings.push({
      channel: topicChannel(topic),
      project: null,
      to: session ?? undefined,
    });
  }

  /** Runs `work` so that nothing of it stays if it throws. */
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
