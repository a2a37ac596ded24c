/**
 * An advisory writer lock, for fairness. Correctness relies on SQLite's own lock.
 *
 * SQLite grants its write lock to any writer that tries at the right moment, and a
 * checkpoint needs a moment without writers. If many processes write without a
 * pause, some starve and the WAL grows without bound. So a long-lived process
 * locks a file of ours for each transaction. A checkpoint within a commit is then
 * alone.
 *
 * - **The lock is optional.** Hooks and other programs do not take it. A process
 *   writes without it if the file cannot be opened or its holder is stuck.
 * - **A process yields to others.** A process that writes without a pause would
 *   take the lock again before a waiting process tries. So it pauses before one
 *   write in three while it has recently met other writers.
 * - **Acquiring and releasing never wait.** Both happen in one synchronous step, so
 *   no process sleeps while it holds the lock. The system releases the lock of a
 *   process that dies.
 *
 * @module
 */

// A process yields if it met another writer within CONTENDED_MS and released the
// lock within JUST_RELEASED_MS, with this probability.
const CONTENDED_MS = 100;
const JUST_RELEASED_MS = 1;
const YIELD_PROBABILITY = 1 / 3;

/** The writer lock of one connection. */
export class WriterLock {
  readonly #path: string;
  // Undefined until its first use, null if it cannot be opened.
  #file: Deno.FsFile | null | undefined;
  #metAt = -Infinity;
  #releasedAt = -Infinity;

  /** Makes the lock of the file at `path`, which is opened at its first use. */
  constructor(path: string) {
    this.#path = path;
  }

  /** Acquires the lock. Returns false if another process holds it. */
  tryAcquire(): boolean {
    if (this.#file === undefined) this.#file = this.#open();
    try {
      const isAcquired = this.#file?.tryLockSync(true) ?? true;
      if (!isAcquired) this.#metAt = performance.now();
      return isAcquired;
    } catch {
      // This file system has no such locks.
      this.close();
      return true;
    }
  }

  /** Releases the lock. */
  release(): void {
    this.#file?.unlockSync();
    if (this.#hasMet) this.#releasedAt = performance.now();
  }

  /** Returns whether this process pauses before its next write. */
  shouldYield(): boolean {
    if (!this.#hasMet) return false;
    const now = performance.now();
    if (now - this.#metAt < CONTENDED_MS) {
      return now - this.#releasedAt < JUST_RELEASED_MS &&
        Math.random() < YIELD_PROBABILITY;
    }
    this.#metAt = -Infinity;
    return false;
  }

  // A process that met no other writer does not read the clock.
  get #hasMet(): boolean {
    return this.#metAt > -Infinity;
  }

  /** Closes the file. A write that still waits goes on without the lock. */
  close(): void {
    this.#file?.close();
    this.#file = null;
  }

  #open(): Deno.FsFile | null {
    try {
      return Deno.openSync(this.#path, {
        create: true,
        write: true,
        mode: 0o600,
      });
    } catch {
      return null;
    }
  }
}
