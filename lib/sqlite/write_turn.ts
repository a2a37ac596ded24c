/**
 * Whose turn it is to write, among processes that write without a pause.
 *
 * SQLite lets anybody take its write lock who comes at the right moment. Among
 * ten that all come again at once the unlucky wait for long; and the log, which
 * can only begin anew while nobody writes or reads it, grows without bound. So
 * who writes takes an advisory lock on a file of our own first, for the time of
 * one transaction: then a checkpoint, which is part of a commit, is alone.
 *
 * - **It is a courtesy, not a guard.** SQLite's own lock decides. Hooks and
 *   other programs do not take turns; where the file cannot be had, or its
 *   holder is stuck, one writes without.
 * - **Whoever had it lets others look first**, if there were any just now: else
 *   the one that runs would take it again before those who wait are awake.
 * - **It is taken and given back without waiting**, within one step of the
 *   program, so that no process can keep it while it sleeps; the system gives
 *   it back for one that dies. Both together take a microsecond.
 *
 * @module
 */

// Whoever had to wait this lately is not alone, and lets others look once
// before it takes a turn right after its last.
const CONTENDED_MS = 100;
const RIGHT_AFTER_MS = 1;

/** The turns of one connection. */
export class WriteTurn {
  readonly #path: string;
  // Undefined until it is first needed, null if it cannot be had.
  #file: Deno.FsFile | null | undefined;
  #missedAt = -Infinity;
  #gaveBackAt = -Infinity;

  /** Nothing is opened yet. */
  constructor(path: string) {
    this.#path = path;
  }

  /** Takes the turn; false while it is another's. */
  take(): boolean {
    if (this.#file === undefined) this.#file = this.#open();
    try {
      const taken = this.#file?.tryLockSync(true) ?? true;
      if (!taken) this.#missedAt = performance.now();
      return taken;
    } catch {
      // No such locks here.
      this.close();
      return true;
    }
  }

  /** Gives it back. */
  giveBack(): void {
    this.#file?.unlockSync();
    if (this.#hasMissed) this.#gaveBackAt = performance.now();
  }

  /** Whether others are to have a look before one takes it again. */
  isOthersNext(): boolean {
    if (!this.#hasMissed) return false;
    const now = performance.now();
    if (now - this.#missedAt >= CONTENDED_MS) {
      this.#missedAt = -Infinity;
      return false;
    }
    return now - this.#gaveBackAt < RIGHT_AFTER_MS;
  }

  /** Who has met nobody lately, as most never do, need not look at the clock. */
  get #hasMissed(): boolean {
    return this.#missedAt > -Infinity;
  }

  /** Closes the file; what still waits goes on without turns. */
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
