/**
 * External writes: wakes readers for rows of programs that touch no bells.
 *
 * Such rows are recognised by `rung` = 0, because the library's inserts write 1. At
 * most one process of a host, the leader, watches `messaging.db-wal`. It holds a
 * leader lease, and touches the bells of the processes that are interested.
 *
 * Watching that one file is safe, unlike its folder or the database. A file watcher
 * opens and closes a changed file, which drops this process's POSIX locks on it.
 * SQLite takes no locks on the `-wal`.
 *
 * A watch reports the writes of a commit. The commit becomes visible only through the
 * shared index, which is written after them. So an event starts looks, which go on
 * until no process has written for a while. The watch is closed meanwhile, because
 * under steady traffic each written page is an event, which costs more than the looks.
 * While only the library writes, the looks become rarer, because each wakes this
 * process without a result.
 *
 * ```text
 *  watching ──event──▶ looking ──quiet──▶ watching, one more look
 * ```
 *
 * @module
 */

import type { Addressed } from "../model/topics.ts";
import { hostId, processAlive, processStart } from "../process/host.ts";
import { ring } from "../store/bell_files.ts";
import { watchPath } from "../store/file_watch.ts";
import { bellsFor } from "./bells.ts";
import type { Connection } from "./connection.ts";
import type { Transaction } from "./transaction.ts";

// The names of the lease's table and of its row are part of the schema.
const LEASE = "foreign-rows";
const LEASE_MS = 30_000;

// How often a follower tries to acquire the lease, and the leader renews it.
const ACQUIRE_EVERY_MS = 5_000;
const RENEW_EVERY_MS = 10_000;

// Pauses between looks: after the event, after an external write, and the maximum
// while only the library writes.
const FIRST_LOOK_MS = 1;
const LOOK_MS_MIN = 5;
const LOOK_MS_MAX = 160;
// Looks without a commit, after which the watch begins again.
const QUIET_LOOKS = 3;

const ROWS_MAX = 1_000;

/** The functions of the store that {@linkcode ExternalWrites} needs. */
export interface ExternalWritesOptions {
  /** Runs a write transaction of the store. */
  readonly write: <T>(act: string, work: (tx: Transaction) => T) => Promise<T>;
  /** Returns the time, in milliseconds since 1970. */
  readonly now: () => number;
  /** Called with each failure that does not stop the watch. */
  readonly warn: (message: string) => void;
}

/** The part of one process in watching for external writes. */
export class ExternalWrites {
  readonly #connection: Connection;
  readonly #options: ExternalWritesOptions;
  readonly #warnedActs = new Set<string>();
  #bell = "";
  #watch: Deno.FsWatcher | undefined;
  #isRunning = false;
  #isLeader = false;
  #isAcquiring = false;
  #acquireAt = 0;
  #nextLook: ReturnType<typeof setTimeout> | undefined;
  #dataVersion: number | string = -1;
  // Whether this process has committed since the last look. Its own commits do not
  // change `data_version`, but would end its watch at once.
  #hasCommitted = false;

  /** Makes one that is stopped. */
  constructor(connection: Connection, options: ExternalWritesOptions) {
    this.#connection = connection;
    this.#options = options;
  }

  /** Starts to try for the lease, for the process that has `bell`. */
  start(bell: string): void {
    if (this.#isRunning) return;
    this.#bell = bell;
    this.#isRunning = true;
    this.#acquireAt = 0;
    this.poll();
  }

  /** Notes a commit of this process. */
  committed(): void {
    this.#hasCommitted = true;
  }

  /** Tries to acquire or renew the lease if that is due. Called by each safety poll. */
  poll(): void {
    if (!this.#isRunning) return;
    if (this.#isLeader) this.#lead();
    const now = performance.now();
    if (this.#isAcquiring || now < this.#acquireAt) return;
    this.#isAcquiring = true;
    this.#acquireAt = now + ACQUIRE_EVERY_MS;
    this.#tryAcquireLease()
      // A later poll tries again, and each reader polls by itself meanwhile.
      .catch((error) => this.#warnOnce("acquire", error))
      .finally(() => this.#isAcquiring = false);
  }

  /** Ends the watch. */
  stop(): void {
    this.#isRunning = false;
    this.#isLeader = false;
    this.#closeWatch();
  }

  /** Releases the lease of the process that has `bell`. */
  release(tx: Transaction, bell: string): void {
    tx.connection.sql("DELETE FROM duties WHERE duty = ? AND bell = ?")
      .run(LEASE, bell);
  }

  async #tryAcquireLease(): Promise<void> {
    // Nearly always another process leads, and a read does not delay writers.
    const isLedByOther = await this.#connection.read(
      "watch for other programs' rows",
      () => this.#isLedByOther(this.#options.now()),
    );
    const isLeader = !isLedByOther && await this.#options.write(
      "watch for other programs' rows",
      (tx) => {
        // stop() may have been called while this waited for other writers.
        if (!this.#isRunning || this.#isLedByOther(tx.nowMs)) return false;
        tx.connection.sql(
          `INSERT OR REPLACE INTO duties
           (duty, host, bell, pid, process_start, expires_at)
         VALUES (?, ?, ?, ?, ?, ?)`,
        ).run(
          LEASE,
          hostId(),
          this.#bell,
          Deno.pid,
          processStart(Deno.pid) ?? null,
          tx.nowMs + LEASE_MS,
        );
        return true;
      },
    );
    if (!this.#isRunning) return;
    this.#isLeader = isLeader;
    if (!isLeader) return this.#closeWatch();
    this.#acquireAt = performance.now() + RENEW_EVERY_MS;
    this.#lead();
  }

  /** Returns whether another living process of this host holds the lease. */
  #isLedByOther(nowMs: number): boolean {
    const holder = this.#connection.sql(
      `SELECT bell, host, pid, process_start, expires_at FROM duties
       WHERE duty = ? AND host = ?`,
    ).get(LEASE, hostId());
    if (holder === undefined || holder.bell === this.#bell) return false;
    const process = {
      pid: Number(holder.pid),
      startTime: String(holder.process_start ?? ""),
    };
    return Number(holder.expires_at) > nowMs &&
      processAlive(process, String(holder.host)) !== "dead";
  }

  /** Watches the WAL and looks once. Releases the lease if that cannot be watched. */
  #lead(): void {
    if (this.#nextLook !== undefined) return;
    try {
      this.#watch ??= this.#watchWal();
    } catch (error) {
      this.#warnOnce("watch", error);
      this.#isLeader = false;
      this.#acquireAt = performance.now() + RENEW_EVERY_MS;
      this.#write("leave the watch for other programs' rows", (tx) => {
        this.release(tx, this.#bell);
      });
    }
    this.#look();
  }

  #watchWal(): Deno.FsWatcher {
    const watch = watchPath(`${this.#connection.location.databasePath}-wal`);
    this.#lookAfterEvent(watch);
    return watch;
  }

  async #lookAfterEvent(watch: Deno.FsWatcher): Promise<void> {
    await watch[Symbol.asyncIterator]().next();
    if (this.#watch !== watch) return;
    this.#closeWatch();
    this.#lookUntilQuiet(FIRST_LOOK_MS, LOOK_MS_MIN, 0);
  }

  #lookUntilQuiet(pauseMs: number, nextMs: number, quietLooks: number): void {
    this.#nextLook = setTimeout(() => {
      this.#nextLook = undefined;
      if (quietLooks === QUIET_LOOKS) return this.#lead();
      const seen = this.#look();
      if (seen === "nothing") {
        this.#lookUntilQuiet(nextMs, nextMs, quietLooks + 1);
      } else {
        const laterMs = seen === "external" ? LOOK_MS_MIN : 2 * nextMs;
        this.#lookUntilQuiet(nextMs, Math.min(laterMs, LOOK_MS_MAX), 0);
      }
    }, pauseMs);
  }

  /** Looks for commits since the last look, and returns their kind. */
  #look(): "nothing" | "own" | "external" {
    const hasCommitted = this.#hasCommitted;
    this.#hasCommitted = false;
    try {
      const dataVersion = this.#connection.dataVersion();
      if (dataVersion === this.#dataVersion) {
        return hasCommitted ? "own" : "nothing";
      }
      this.#dataVersion = dataVersion;
      return this.#ringForExternalRows() ? "external" : "own";
    } catch (error) {
      // Each reader finds the rows, or the error, at its own poll.
      this.#warnOnce("look", error);
      return "own";
    }
  }

  /** Touches the bells for external rows. Returns whether there were any. */
  #ringForExternalRows(): boolean {
    const rows = this.#connection.sql(
      `SELECT id, channel, project_id, recipient_id
       FROM inter_session_messages INDEXED BY idx_messages_unrung
       WHERE rung = 0 ORDER BY id LIMIT ${ROWS_MAX}`,
    ).all();
    if (rows.length === 0) return false;
    const messages = rows.map((row): Addressed => ({
      channel: String(row.channel),
      project: row.project_id === null ? null : String(row.project_id),
      to: row.recipient_id === null ? undefined : String(row.recipient_id),
    }));
    // The bells include the one of this process, which wakes its own readers.
    ring(
      this.#connection.location.bellsFolder,
      bellsFor(this.#connection, messages),
    );
    const last = rows[rows.length - 1].id;
    this.#write("mark what was rung", (tx) => {
      tx.connection.sql(
        `UPDATE inter_session_messages INDEXED BY idx_messages_unrung
         SET rung = 1 WHERE rung = 0 AND id <= ?`,
      ).run(last);
    }, () => {
      // There may be more rows. This process's own commit does not start a look.
      if (rows.length < ROWS_MAX || !this.#isRunning) return;
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
      .catch((error) => this.#warnOnce(act, error));
  }

  /** Warns of the first failure of an act, unless this was stopped. */
  #warnOnce(act: string, error: unknown): void {
    if (!this.#isRunning || this.#warnedActs.has(act)) return;
    this.#warnedActs.add(act);
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
