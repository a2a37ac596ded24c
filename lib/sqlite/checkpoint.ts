/**
 * The write-ahead log, kept short.
 *
 * **Folding it in behind the commits.** SQLite would fold the log into the file
 * within some commit, one in fifty, which takes milliseconds: whoever waits for
 * what that commit brings, a message or a lock, waits for the disk. So whoever
 * has committed, and has rung, looks now and then how much there is to fold in,
 * and does it when nothing else is to be done; but not who waits for a lock, as it
 * would have it milliseconds later, and who hands one over at once. Others write
 * meanwhile. The next commit after it begins the log anew, if nobody reads from
 * it, and flushes its beginning: so whoever folded it in writes something at once,
 * or somebody's message waited for that, too.
 *
 * **Cutting it off.** Among many readers somebody always does, the more so where
 * processes wait for a processor in the midst of a read: then the log grows by
 * all that is written (by 361 MB in a minute of 40 sessions on two processors).
 * So whoever publishes looks now and then how long it is, and so does whoever
 * purges. If it is long, one of them folds it in and cuts it off while it holds
 * the write lock: nobody writes meanwhile, whoever begins to read needs the log
 * no more, and those who read from it are waited for. A read takes less than a
 * millisecond of work; one that takes longer belongs to a process that has no
 * processor, or stands still. For the first there is the more patience, the longer
 * the log is: of a hundred processes on two processors some are always in the midst
 * of a read, and get on within a second. For the second writers must not suffer:
 * after a try in vain nobody tries for a while, and after each further one for
 * twice as long.
 *
 * @module
 */

import { MessageBusError } from "../model/errors.ts";
import { pause } from "./busy.ts";
import { faultOf } from "./faults.ts";
import type { Connection } from "./connection.ts";

/** Up to this length the log is left to SQLite. */
export const WAL_TRUNCATE_BYTES: number = 8 * 1024 * 1024;

// How much there is to be folded in before somebody does, less than what a commit
// waits for, and after how many of its own commits a process looks.
const FOLD_PAGES = 800;
const LOOK_AFTER_COMMITS = 8;

// A look costs a microsecond or two; a message fills about 12 KiB of the log.
const LOOK_AFTER_MESSAGES = 16;

// How long readers are waited for: at first less than a hook waits for the write
// lock, and that much more for each time that the log is as long.
const READERS_WAIT_MS = 100;
const READERS_WAIT_MS_MOST = 2_000;

// For how long nobody tries after a try in vain, at first and at the most: writers
// are held up for an eighth of the time by a reader that never goes on.
const PAUSE_MS_FIRST = 1_000;
const PAUSE_MS_MOST = 15_000;

// Another process may be folding it in just now, which takes milliseconds.
const TRIES_MOST = 10;
const TRY_AGAIN_MS = 3;

/** The log of one open database. */
export class Checkpointer {
  readonly #connection: Connection;
  readonly #now: () => number;
  readonly #usesBackgroundCheckpoint: boolean;
  #commits = 0;
  #folding: Promise<void> | undefined;
  #trimming: Promise<void> | undefined;
  #sinceLook = 0;
  readonly #warn: (message: string) => void;

  /** Made by the store, with its clock. */
  constructor(
    connection: Connection,
    { now, warn }: {
      readonly now: () => number;
      readonly warn: (message: string) => void;
    },
  ) {
    this.#connection = connection;
    this.#now = now;
    this.#warn = warn;
    this.#usesBackgroundCheckpoint = connection.usesBackgroundCheckpoint;
  }

  /** Is told of a commit, after its rings; checkpoints soon if that is due. */
  committed(): void {
    if (
      !this.#usesBackgroundCheckpoint || ++this.#commits < LOOK_AFTER_COMMITS
    ) return;
    this.#commits = 0;
    if (this.#folding !== undefined || !this.#isFoldingDue()) return;
    this.#follow(pause(0).then(() => this.#fold()));
  }

  #follow(folding: Promise<void>): Promise<void> {
    return this.#folding = folding.finally(() => this.#folding = undefined);
  }

  /** Waits for what is being folded in. */
  async settled(): Promise<void> {
    await this.#folding;
    await this.#trimming;
  }

  #isFoldingDue(): boolean {
    const { log, checkpointed } = this.#checkpointed("NOOP");
    return log - checkpointed >= FOLD_PAGES;
  }

  async #fold(): Promise<void> {
    // Another process may have been quicker, or be about it: then it is busy.
    if (!this.#isFoldingDue()) return;
    const { log, checkpointed } = this.#checkpointed("PASSIVE");
    if (log > 0 && log === checkpointed) await this.#beginAnew();
  }

  async #beginAnew(): Promise<void> {
    try {
      await this.#connection.write(
        "begin the log anew",
        () => this.#set("log_begun_at", this.#now()),
      );
    } catch (error) {
      // Then whoever writes next begins it, or is told what stands in the way.
      if (!(error instanceof MessageBusError)) throw error;
    }
  }

  /** How many pages the log has, and how many of them are folded in by now. */
  #checkpointed(
    mode: "NOOP" | "PASSIVE",
  ): { log: number; checkpointed: number } {
    const nothing = { log: 0, checkpointed: 0 };
    // What is in hand as a bus is closed still goes through.
    if (!this.#connection.isOpen) return nothing;
    try {
      const row = this.#connection.sql(`PRAGMA wal_checkpoint(${mode})`).get()!;
      return { log: Number(row.log), checkpointed: Number(row.checkpointed) };
    } catch (error) {
      // What is committed is in the log all the same. A disk that is full or fails
      // is told of by what is written next, in its own words.
      if (faultOf(error) === undefined) throw error;
      return nothing;
    }
  }

  /** Is told of appended messages; truncates the WAL soon if it is long. */
  appended(messages: number): void {
    this.#sinceLook += messages;
    if (this.#sinceLook < LOOK_AFTER_MESSAGES) return;
    this.#sinceLook = 0;
    if (this.#trimming !== undefined || this.#bytes() <= WAL_TRUNCATE_BYTES) {
      return;
    }
    this.#trimming = this.trim()
      // The next publisher tries again.
      .catch((error) => this.#warn(`mbus: ${error.message}`))
      .finally(() => this.#trimming = undefined);
  }

  /** Cuts it off if it is long, unless that was tried in vain just now. */
  async trim(): Promise<void> {
    if (this.#bytes() <= WAL_TRUNCATE_BYTES) return;
    const act = "trim the log";
    if (await this.#connection.read(act, () => this.#isPause())) return;
    const isOurs = await this.#connection.write(act, () => {
      if (this.#isPause()) return false;
      // Who dies over it has tried in vain, too.
      this.#set("log_tried_at", this.#now());
      this.#set("log_tries", this.#counter("log_tries") + 1);
      return true;
    });
    if (!isOurs || !await this.#cutOff()) return;
    await this.#connection.write(act, () => this.#set("log_tries", 0));
  }

  /** Whether it is too early to try again. */
  #isPause(): boolean {
    const tries = this.#counter("log_tries");
    if (tries === 0) return false;
    const pauseMs = Math.min(PAUSE_MS_FIRST * 2 ** (tries - 1), PAUSE_MS_MOST);
    // Either way: the clock may have been set back since.
    return Math.abs(this.#now() - this.#counter("log_tried_at")) < pauseMs;
  }

  #counter(name: string): number {
    const row = this.#connection.sql(
      "SELECT value FROM counters WHERE name = ?",
    ).get(name);
    return Number(row?.value ?? 0);
  }

  #set(name: string, value: number): void {
    this.#connection.sql(
      `INSERT INTO counters(name, value) VALUES (?1, ?2)
       ON CONFLICT (name) DO UPDATE SET value = ?2`,
    ).run(name, value);
  }

  /** Tries to cut it off; returns whether that was done. */
  async #cutOff(): Promise<boolean> {
    for (let tries = 0; tries < TRIES_MOST; tries++) {
      if (this.#connection.closed) return false;
      const waitMs = readersWaitMs(this.#bytes());
      const startedAt = performance.now();
      if (this.#checkpoint(waitMs)) return true;
      // Busy at once is another one that folds it in.
      if (performance.now() - startedAt >= waitMs / 2) return false;
      await pause(TRY_AGAIN_MS);
    }
    return false;
  }

  /** Folds all of it in and cuts it off; returns whether that was possible. */
  #checkpoint(waitMs: number): boolean {
    const { db } = this.#connection;
    db.exec(`PRAGMA busy_timeout=${waitMs}`);
    try {
      return db.prepare("PRAGMA wal_checkpoint(TRUNCATE)").get()!.busy === 0;
    } catch (error) {
      if (faultOf(error) !== "busy") throw error;
      return false;
    } finally {
      db.exec("PRAGMA busy_timeout=0");
    }
  }

  #bytes(): number {
    return sizeOf(`${this.#connection.location.databasePath}-wal`);
  }
}

/** How long readers of a log of this length are waited for, in milliseconds. */
function readersWaitMs(bytes: number): number {
  const wait = Math.round(READERS_WAIT_MS * bytes / WAL_TRUNCATE_BYTES);
  return Math.max(READERS_WAIT_MS, Math.min(wait, READERS_WAIT_MS_MOST));
}

/** The size of a file in bytes; 0 if there is none. */
export function sizeOf(path: string): number {
  try {
    return Deno.statSync(path).size;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return 0;
    throw error;
  }
}
