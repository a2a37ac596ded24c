/**
 * An advisory lock for processes that write without a pause.
 *
 * SQLite gives its write lock to any writer that asks at the right moment, and
 * a checkpoint needs a moment in which no other process writes. Among ten
 * processes that write flat out the WAL grows without bound. So a long-lived
 * process takes an advisory lock on a file of our own first, for the time of one
 * transaction. Then a checkpoint, which is part of a commit, is alone.
 *
 * - **SQLite's own lock decides.** Hooks and other programs do not take this
 *   one. Where the file cannot be had, or its holder is stuck, a process writes
 *   without it.
 * - **A process yields to others.** A process that writes flat out would take the
 *   lock again before those that wait try. So it pauses before one write in three,
 *   while others were met lately.
 * - **It is taken and released without waiting**, within one step of the
 *   program, so that no process keeps it while it sleeps. The system releases it
 *   for a process that dies. Both together take a microsecond.
 *
 * @module
 */

// A process that met another writer this lately, and that wrote just now, yields
// before so many of its writes.
const MET_MS = 100;
const JUST_NOW_MS = 1;
const YIELDS_OF_WRITES = 1 / 3;

/** The writer lock, as one connection takes it. */
export class WriterLock {
  readonly #path: string;
  // Undefined until it is first needed, null if it cannot be had.
  #file: Deno.FsFile | null | undefined;
  #metAt = -Infinity;
  #releasedAt = -Infinity;

  /** Opens nothing yet. */
  constructor(path: string) {
    this.#path = path;
  }

  /** Takes the lock; returns false while another process has it. */
  tryTake(): boolean {
    if (this.#file === undefined) this.#file = this.#open();
    try {
      const isTaken = this.#file?.tryLockSync(true) ?? true;
      if (!isTaken) this.#metAt = performance.now();
      return isTaken;
    } catch {
      // No such locks here.
      this.close();
      return true;
    }
  }

  /** Releases the lock. */
  release(): void {
    this.#file?.unlockSync();
    if (this.#hasMet) this.#releasedAt = performance.now();
  }

  /** Returns whether this process pauses before it takes the lock again. */
  yields(): boolean {
    if (!this.#hasMet) return false;
    const now = performance.now();
    if (now - this.#metAt < MET_MS) {
      return now - this.#releasedAt < JUST_NOW_MS &&
        Math.random() < YIELDS_OF_WRITES;
    }
    this.#metAt = -Infinity;
    return false;
  }

  // A process that met no other writer does not look at the clock.
  get #hasMet(): boolean {
    return this.#metAt > -Infinity;
  }

  /** Closes the file; a write that still waits goes on without the lock. */
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
