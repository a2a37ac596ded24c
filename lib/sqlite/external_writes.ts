/**
 * Pushing what programs insert that do not ring.
 *
 * Their rows can be recognised: `rung` is 0, as the library's own inserts
 * write 1. At most one process of a host, which holds the duty by a lease,
 * watches `messaging.db-wal` for all, and rings the bells of those who want
 * what it finds there.
 *
 * Watching that one file by name is safe, unlike its folder or the database:
 * a watcher opens and closes what changes, which drops this process's POSIX
 * locks on that file, and SQLite takes none on the `-wal`.
 *
 * The watch sees a commit's writes, but the commit becomes visible only
 * through the shared index, written after them: one in ten would be seen only
 * at the next commit. So an event starts looks that go on until nobody has
 * written for a while. The watch is closed meanwhile: under steady traffic it
 * would report each page of everybody's every commit, which costs several times
 * what the looks do. Where all that is written is the bus's own, which rings, the
 * looks become rarer, as each wakes a process for nothing.
 *
 * ```text
 *  watching ──event──▶ looking ──quiet──▶ watching, one more look
 * ```
 *
 * @module
 */

import type { Addressed } from "../model/topics.ts";
import { ring } from "../store/bell_files.ts";
import { watchPath } from "../store/file_watch.ts";
import { hostId, processAlive, processStart } from "../process/host.ts";
import { bellsFor } from "./bells.ts";
import type { Connection } from "./connection.ts";
import type { Transaction } from "./transaction.ts";

const DUTY = "foreign-rows";
const LEASE_MS = 30_000;

// How often a process without the duty asks whether it is free, and how often
// the one that has it renews it.
const ASK_EVERY_MS = 5_000;
const RENEW_EVERY_MS = 10_000;

// After the first event, and from then on until nobody has written for so many
// looks: soon after a foreign row, at last rarely while there is none.
const FIRST_LOOK_AFTER_MS = 1;
const LOOK_AGAIN_MS = 5;
const LOOK_RARELY_MS = 160;
const QUIET_LOOKS = 3;

const ROWS_MAX = 1_000;

/** What {@linkcode ExternalWrites} needs of its store. */
export interface ExternalWritesOptions {
  /** Runs a write transaction of the store. */
  readonly write: <T>(act: string, work: (tx: Transaction) => T) => Promise<T>;
  /** The time, in milliseconds since 1970. */
  readonly now: () => number;
  /** Is told of whatever does not stop it. */
  readonly warn: (message: string) => void;
}

/** One process's part in watching for foreign rows. */
export class ExternalWrites {
  readonly #connection: Connection;
  readonly #options: ExternalWritesOptions;
  readonly #told = new Set<string>();
  #bell = "";
  #watch: Deno.FsWatcher | undefined;
  #running = false;
  #onDuty = false;
  #asking = false;
  #askAt = 0;
  #nextLook: ReturnType<typeof setTimeout> | undefined;
  #dataVersion: number | string = -1;
  // Whether this process has committed since the last look: its own commits do
  // not change what it sees of the version, but would wake its watch at once.
  #hasCommitted = false;

  /** Makes one that does nothing yet. */
  constructor(connection: Connection, options: ExternalWritesOptions) {
    this.#connection = connection;
    this.#options = options;
  }

  /** Begins to ask for the duty, for the process that has `bell`, unless it has. */
  start(bell: string): void {
    if (this.#running) return;
    this.#bell = bell;
    this.#running = true;
    this.#askAt = 0;
    this.poll();
  }

  /** Is told of each commit of this process. */
  committed(): void {
    this.#hasCommitted = true;
  }

  /** Takes, renews or does the duty; called at every safety poll. */
  poll(): void {
    if (!this.#running) return;
    if (this.#onDuty) this.#do();
    const now = performance.now();
    if (this.#asking || now < this.#askAt) return;
    this.#asking = true;
    this.#askAt = now + ASK_EVERY_MS;
    this.#ask()
      // A busy or failing store: it is asked again at a later poll, and every
      // reader's own poll goes on meanwhile.
      .catch((error) => this.#tell("ask", error))
      .finally(() => this.#asking = false);
  }

  /** Ends the watch. */
  stop(): void {
    this.#running = false;
    this.#onDuty = false;
    this.#closeWatch();
  }

  /** Gives the duty of the process that has `bell` back, for the next to ask. */
  release(tx: Transaction, bell: string): void {
    tx.connection.sql("DELETE FROM duties WHERE duty = ? AND bell = ?")
      .run(DUTY, bell);
  }

  async #ask(): Promise<void> {
    // Nearly always somebody has it: a look at that keeps nobody from writing.
    const isOthers = await this.#connection.read(
      "watch for other programs' rows",
      () => this.#isOthers(this.#options.now()),
    );
    const onDuty = !isOthers && await this.#options.write(
      "watch for other programs' rows",
      (tx) => {
        // It may have waited for other writers until it was stopped.
        if (!this.#running || this.#isOthers(tx.nowMs)) return false;
        tx.connection.sql(
          `INSERT OR REPLACE INTO duties
           (duty, host, bell, pid, process_start, expires_at)
         VALUES (?, ?, ?, ?, ?, ?)`,
        ).run(
          DUTY,
          hostId(),
          this.#bell,
          Deno.pid,
          processStart(Deno.pid) ?? null,
          tx.nowMs + LEASE_MS,
        );
        return true;
      },
    );
    if (!this.#running) return;
    this.#onDuty = onDuty;
    if (!onDuty) return this.#closeWatch();
    this.#askAt = performance.now() + RENEW_EVERY_MS;
    this.#do();
  }

  /** Whether another process of this host has the duty. */
  #isOthers(nowMs: number): boolean {
    const holder = this.#connection.sql(
      `SELECT bell, host, pid, process_start, expires_at FROM duties
       WHERE duty = ? AND host = ?`,
    ).get(DUTY, hostId());
    if (holder === undefined || holder.bell === this.#bell) return false;
    const process = {
      pid: Number(holder.pid),
      startTime: String(holder.process_start ?? ""),
    };
    return Number(holder.expires_at) > nowMs &&
      processAlive(process, String(holder.host)) !== "dead";
  }

  /** Does the duty; gives it back where the log cannot be watched. */
  #do(): void {
    if (this.#nextLook !== undefined) return;
    try {
      this.#watch ??= this.#watchLog();
    } catch (error) {
      this.#tell("watch", error);
      this.#onDuty = false;
      this.#askAt = performance.now() + RENEW_EVERY_MS;
      this.#write("leave the watch for other programs' rows", (tx) => {
        this.release(tx, this.#bell);
      });
    }
    this.#look();
  }

  #watchLog(): Deno.FsWatcher {
    const watch = watchPath(`${this.#connection.location.databasePath}-wal`);
    this.#listen(watch);
    return watch;
  }

  async #listen(watch: Deno.FsWatcher): Promise<void> {
    await watch[Symbol.asyncIterator]().next();
    if (this.#watch !== watch) return;
    this.#closeWatch();
    this.#lookUntilQuiet(FIRST_LOOK_AFTER_MS, LOOK_AGAIN_MS, 0);
  }

  #lookUntilQuiet(pauseMs: number, thenMs: number, quietLooks: number): void {
    this.#nextLook = setTimeout(() => {
      this.#nextLook = undefined;
      if (quietLooks === QUIET_LOOKS) return this.#do();
      const seen = this.#look();
      if (seen === "nothing") {
        this.#lookUntilQuiet(thenMs, thenMs, quietLooks + 1);
      } else {
        const nextMs = seen === "foreign" ? LOOK_AGAIN_MS : 2 * thenMs;
        this.#lookUntilQuiet(thenMs, Math.min(nextMs, LOOK_RARELY_MS), 0);
      }
    }, pauseMs);
  }

  /** Looks, if others have committed since the last look; tells what. */
  #look(): "nothing" | "own" | "foreign" {
    const hasCommitted = this.#hasCommitted;
    this.#hasCommitted = false;
    try {
      const dataVersion = this.#connection.dataVersion();
      if (dataVersion === this.#dataVersion) {
        return hasCommitted ? "own" : "nothing";
      }
      this.#dataVersion = dataVersion;
      return this.#ringForeign() ? "foreign" : "own";
    } catch (error) {
      // Every reader finds the rows, or the error, at its own poll.
      this.#tell("look", error);
      return "own";
    }
  }

  /** Rings for what other programs inserted; tells whether there was any. */
  #ringForeign(): boolean {
    const rows = this.#connection.sql(
      `SELECT id, channel, project_id, recipient_id
       FROM inter_session_messages INDEXED BY idx_messages_unrung
       WHERE rung = 0 ORDER BY id LIMIT ${ROWS_MAX}`,
    ).all();
    if (rows.length === 0) return false;
    const wanted = rows.map((row): Addressed => ({
      channel: String(row.channel),
      project: row.project_id === null ? null : String(row.project_id),
      to: row.recipient_id === null ? undefined : String(row.recipient_id),
    }));
    // Our own bell, too: this process's readers are woken as all others are.
    ring(
      this.#connection.location.bellsFolder,
      bellsFor(this.#connection, wanted),
    );
    const last = rows[rows.length - 1].id;
    this.#write("mark what was rung", (tx) => {
      tx.connection.sql(
        `UPDATE inter_session_messages INDEXED BY idx_messages_unrung
         SET rung = 1 WHERE rung = 0 AND id <= ?`,
      ).run(last);
    }, () => {
      // One's own commit is no reason to look again, but the rest is.
      if (rows.length < ROWS_MAX || !this.#running) return;
      this.#dataVersion = -1;
      this.#look();
    });
    return true;
  }

  #write(
    act: string,
    work: (tx: Transaction) => void,
    after: () => void = () => {},
  ): void {
    this.#options.write(act, work).then(after)
      .catch((error) => this.#tell(act, error));
  }

  /** Warns of an act that failed; once, and not of what closing broke off. */
  #tell(act: string, error: unknown): void {
    if (!this.#running || this.#told.has(act)) return;
    this.#told.add(act);
    this.#options.warn(
      `mbus: rows of other programs may be found late: ` +
        `${(error as Error).message}`,
    );
  }

  #closeWatch(): void {
    clearTimeout(this.#nextLook);
    this.#nextLook = undefined;
    const watch = this.#watch;
    this.#watch = undefined;
    watch?.close();
  }
}
