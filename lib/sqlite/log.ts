/**
 * The write-ahead log, kept short.
 *
 * SQLite folds the log into the file as it goes, and begins it anew when nobody
 * reads from it. Among many readers somebody always does, the more so where
 * processes wait for a processor in the midst of a read: then the log grows by
 * all that is written (by 361 MB in a minute of 40 sessions on two processors).
 *
 * So whoever purges looks how long it is. If it is long, it folds it in and cuts
 * it off while it holds the write lock: nobody writes meanwhile, whoever begins
 * to read needs the log no more, and those who read from it are waited for. A
 * read takes less than a millisecond of work. One that takes longer than the
 * wait belongs to a process that stands still: then the log must be twice as
 * long before it is tried again, so that nobody is held up for nothing.
 *
 * @module
 */

import type { Connection } from "./connection.ts";

/** Up to this length the log is left to SQLite. */
export const LOG_BYTES_MAX: number = 8 * 1024 * 1024;

// This long everything else of the process stands still at the most.
const READERS_WAIT_MS = 100;

/** The log of one open database. */
export class WriteLog {
  readonly #connection: Connection;
  #triedAtBytes = 0;

  /** Made by the store. */
  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** Cuts it off if it is long. */
  trim(): void {
    const { location } = this.#connection;
    const { size } = Deno.statSync(`${location.databasePath}-wal`);
    if (size < this.#triedAtBytes) this.#triedAtBytes = 0;
    if (size <= Math.max(LOG_BYTES_MAX, this.#triedAtBytes * 2)) return;
    const { db } = this.#connection;
    db.exec(`PRAGMA busy_timeout=${READERS_WAIT_MS}`);
    try {
      const row = db.prepare("PRAGMA wal_checkpoint(TRUNCATE)").get()!;
      // Another process may be about it: then it is as well.
      this.#triedAtBytes = row.busy === 0 ? 0 : size;
    } finally {
      db.exec("PRAGMA busy_timeout=0");
    }
  }
}
