/**
 * Checkpoints, which keep the WAL small.
 *
 * **Background checkpoints.** SQLite's automatic checkpoint runs inside a commit and
 * delays about one commit in fifty by milliseconds. So every 8th commit of a
 * process checks the WAL, after its rings. If 800 or more pages are pending, the
 * process runs a PASSIVE checkpoint when it is idle. Other processes write meanwhile.
 * The first commit after a complete checkpoint resets the WAL and flushes its header.
 * So the process that checkpointed commits at once, or another commit waits for that
 * flush. Lock operations skip checkpoints, because their caller is waiting.
 *
 * **Truncation.** With many readers, some reader is always active, so the WAL never
 * resets and grows by all that is written. So publishers and purges check its size.
 * If it is large, one process runs a TRUNCATE checkpoint, which holds the write lock
 * and waits for the readers. A new reader does not need the WAL. A read is short, so
 * a long one belongs to a process that waits for a processor or is stopped.
 *
 * - For the former, the larger the WAL, the longer the wait.
 * - For the latter, writers must not suffer: after a failed attempt no process tries
 *   for a while, and after each further one for twice as long.
 *
 * @module
 */

import { MessageBusError } from "../model/errors.ts";
import { pause } from "./busy.ts";
import type { Connection } from "./connection.ts";
import { faultOf } from "./faults.ts";

/** Size up to which the WAL is not truncated, in bytes. */
export const WAL_TRUNCATE_BYTES: number = 8 * 1024 * 1024;

// Less than what starts an automatic checkpoint (connection.ts).
const BACKGROUND_CHECKPOINT_PAGES = 800;
const COMMITS_PER_CHECK = 8;

// A message adds about 12 KiB to the WAL.
const MESSAGES_PER_SIZE_CHECK = 16;

// The minimum is less than a hook waits for the write lock. The wait is proportional
// to the size of the WAL.
const READERS_WAIT_MS_MIN = 100;
const READERS_WAIT_MS_MAX = 2_000;

// Backoff after failed truncations. A reader that never ends holds up writers for at
// most an eighth of the time.
const BACKOFF_MS_MIN = 1_000;
const BACKOFF_MS_MAX = 15_000;

// Another process may be running a checkpoint, which takes milliseconds.
const ATTEMPTS_MAX = 10;
const RETRY_MS = 3;

/** The checkpoints of one open database. */
export class Checkpointer {
  readonly #connection: Connection;
  readonly #now: () => number;
  readonly #warn: (message: string) => void;
  readonly #isBackground: boolean;
  #commits = 0;
  #messages = 0;
  #checkpointing: Promise<void> | undefined;
  #truncating: Promise<void> | undefined;

  /** Makes the checkpointer of a connection, with the clock of its store. */
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
    this.#isBackground = connection.usesBackgroundCheckpoint;
  }

  /** Counts a commit, after its rings. Starts a background checkpoint if it is due. */
  committed(): void {
    if (!this.#isBackground || ++this.#commits < COMMITS_PER_CHECK) return;
    this.#commits = 0;
    if (this.#checkpointing !== undefined || !this.#isCheckpointDue()) return;
    this.#checkpointing = pause(0).then(() => this.#checkpoint())
      .finally(() => this.#checkpointing = undefined);
  }

  /** Counts appended messages. Starts truncating the WAL if it is large. */
  appended(messages: number): void {
    this.#messages += messages;
    if (this.#messages < MESSAGES_PER_SIZE_CHECK) return;
    this.#messages = 0;
    if (this.#truncating !== undefined || !this.#isLarge()) return;
    this.#truncating = this.truncate()
      // The next publisher tries again.
      .catch((error) => this.#warn(`mbus: ${error.message}`))
      .finally(() => this.#truncating = undefined);
  }

  /** Waits for the work that has been started. */
  async settled(): Promise<void> {
    await this.#checkpointing;
    await this.#truncating;
  }

  #isCheckpointDue(): boolean {
    const { pages, checkpointed } = this.#walCheckpoint("NOOP");
    return pages - checkpointed >= BACKGROUND_CHECKPOINT_PAGES;
  }

  async #checkpoint(): Promise<void> {
    // Another process may have run a checkpoint meanwhile.
    if (!this.#isCheckpointDue()) return;
    const { pages, checkpointed } = this.#walCheckpoint("PASSIVE");
    if (pages > 0 && pages === checkpointed) await this.#resetWal();
  }

  /** Commits a write: the first one after a complete checkpoint resets the WAL. */
  async #resetWal(): Promise<void> {
    try {
      await this.#connection.write(
        "reset the WAL",
        () => this.#set("wal_reset_at", this.#now()),
      );
    } catch (error) {
      // The next write resets the WAL, or throws the same error.
      if (!(error instanceof MessageBusError)) throw error;
    }
  }

  /**
   * Runs a checkpoint. Returns the pages of the WAL, and those of them that are
   * checkpointed. No pages if the connection is closed or the checkpoint failed.
   */
  #walCheckpoint(
    mode: "NOOP" | "PASSIVE",
  ): { readonly pages: number; readonly checkpointed: number } {
    const none = { pages: 0, checkpointed: 0 };
    if (!this.#connection.isOpen) return none;
    try {
      const row = this.#connection.sql(`PRAGMA wal_checkpoint(${mode})`).get()!;
      return { pages: Number(row.log), checkpointed: Number(row.checkpointed) };
    } catch (error) {
      // Commits stay in the WAL. The next write reports a disk that is full or fails.
      if (faultOf(error) === undefined) throw error;
      return none;
    }
  }

  /** Truncates the WAL if it is large and no attempt has failed recently. */
  async truncate(): Promise<void> {
    if (!this.#isLarge()) return;
    const act = "truncate the WAL";
    if (await this.#connection.read(act, () => this.#isBackingOff())) return;
    const isOurs = await this.#connection.write(act, () => {
      if (this.#isBackingOff()) return false;
      // Counted before the attempt, so a crash counts as a failed one.
      this.#set(TRUNCATE_TRIED_AT, this.#now());
      this.#set(TRUNCATE_FAILURES, this.#counter(TRUNCATE_FAILURES) + 1);
      return true;
    });
    if (!isOurs || !await this.#tryTruncate()) return;
    await this.#connection.write(act, () => this.#set(TRUNCATE_FAILURES, 0));
  }

  #isBackingOff(): boolean {
    const failures = this.#counter(TRUNCATE_FAILURES);
    if (failures === 0) return false;
    const backoffMs = Math.min(
      BACKOFF_MS_MIN * 2 ** (failures - 1),
      BACKOFF_MS_MAX,
    );
    // The absolute value, because the clock may have been set back.
    return Math.abs(this.#now() - this.#counter(TRUNCATE_TRIED_AT)) < backoffMs;
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

  /** Returns whether the WAL was truncated. */
  async #tryTruncate(): Promise<boolean> {
    for (let attempts = 0; attempts < ATTEMPTS_MAX; attempts++) {
      if (this.#connection.closed) return false;
      const waitMs = readersWaitMs(this.#bytes());
      const startedAt = performance.now();
      if (this.#checkpointTruncate(waitMs)) return true;
      // A checkpoint that is busy at once has met another checkpoint.
      if (performance.now() - startedAt >= waitMs / 2) return false;
      await pause(RETRY_MS);
    }
    return false;
  }

  /** Runs one TRUNCATE checkpoint. Returns whether it was complete. */
  #checkpointTruncate(waitMs: number): boolean {
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

  #isLarge(): boolean {
    return this.#bytes() > WAL_TRUNCATE_BYTES;
  }

  #bytes(): number {
    return fileSize(`${this.#connection.location.databasePath}-wal`);
  }
}

const TRUNCATE_TRIED_AT = "wal_truncate_tried_at";
const TRUNCATE_FAILURES = "wal_truncate_failures";

/** Returns how long a TRUNCATE checkpoint waits for readers, in milliseconds. */
function readersWaitMs(walBytes: number): number {
  const waitMs = Math.round(
    READERS_WAIT_MS_MIN * walBytes / WAL_TRUNCATE_BYTES,
  );
  return Math.max(READERS_WAIT_MS_MIN, Math.min(waitMs, READERS_WAIT_MS_MAX));
}

/** Returns the size of a file in bytes, or 0 if there is no such file. */
export function fileSize(path: string): number {
  try {
    return Deno.statSync(path).size;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return 0;
    throw error;
  }
}
