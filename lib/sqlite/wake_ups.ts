/**
 * The wake-ups of one process: its bell, and a safety poll.
 *
 * ```text
 *           ┌─ first watch ──▶ bell file, row, file watch ─┐
 *  silent ──┤                                              ├─▶ waking ──▶ silent
 *           └─ file watch unavailable ──▶ poll only ───────┘  last watch closed
 * ```
 *
 * The poll reads `PRAGMA data_version`, which changes with each commit of another
 * connection, and wakes all watches after a change.
 *
 * - It finds commits without a ring: of a process that crashed before it, or of
 *   another program while no process is the leader (external_writes.ts).
 * - It repairs the bell: a missing file is made and watched again, with its rows.
 * - Its period starts again at each ring, because a woken reader reads all commits. So
 *   under steady traffic the poll wakes no reader.
 *
 * A message of this process wakes its own watches without a bell.
 *
 * @module
 */

import type { Addressed } from "../model/topics.ts";
import { newBellName, removeBellFile, ring } from "../store/bell_files.ts";
import { openWatch } from "../store/open_watch.ts";
import { StoreError } from "../model/errors.ts";
import { watchPath } from "../store/file_watch.ts";
import type { Watch, WatchMode } from "../store/store.ts";
import type { Interest } from "../model/message.ts";
import {
  addBell,
  addInterest,
  includesAny,
  includesMessages,
  removeBell,
  removeInterest,
} from "./bells.ts";
import { pause } from "./busy.ts";
import type { Connection } from "./connection.ts";
import {
  ExternalWrites,
  type ExternalWritesOptions,
} from "./external_writes.ts";
import type { Transaction } from "./transaction.ts";

/**
 * How a process is woken: `watch` by a file watch, `poll` by polls, `auto` by a file
 * watch or, if that is unavailable, by polls.
 */
export type Notify = "auto" | "watch" | "poll";

/** The options of {@linkcode WakeUps}, and the functions of its store. */
export interface WakeUpsOptions extends ExternalWritesOptions {
  /** How the process is woken. `watch` throws if a file watch is unavailable. */
  readonly notify: Notify;
  /** Period of the safety poll, in milliseconds. */
  readonly pollIntervalMs: number;
}

// How often the bell's file is checked. The watch reports a removed file, but not a moved
// folder.
const CHECK_BELL_MS = 5_000;

interface Watcher {
  readonly id: number;
  readonly interest: Interest;
  readonly wake: () => void;
}

/** The wake-ups of one process on one bus. */
export class WakeUps {
  readonly #connection: Connection;
  readonly #options: WakeUpsOptions;
  readonly #externalWrites: ExternalWrites;
  readonly #watchers = new Map<number, Watcher>();
  #nextWatch = 1;
  // Empty while silent. Each start makes a new name, because the previous bell may still
  // be in removal.
  #bell = "";
  #mode: WatchMode = "poll";
  #bellWatch: Deno.FsWatcher | undefined;
  #bellSeenAt = -Infinity;
  #rungAt = -Infinity;
  #timer: ReturnType<typeof setInterval> | undefined;
  #periodMs = 0;
  #dataVersion: number | string = 0;
  #warned = false;
  // The last change of rows. Changes are serialized, so that a close does not overtake
  // its open.
  #rows: Promise<void> = Promise.resolve();

  /** Makes wake-ups that are silent until the first watch. */
  constructor(connection: Connection, options: WakeUpsOptions) {
    this.#connection = connection;
    this.#options = options;
    this.#externalWrites = new ExternalWrites(connection, options);
  }

  /**
   * Calls `wake` whenever there may be a new message or change of an interest.
   *
   * @throws {StoreError} If `notify` is `watch` and a file watch is unavailable.
   */
  async watch(interest: Interest, wake: () => void): Promise<Watch> {
    const watcher: Watcher = { id: this.#nextWatch++, interest, wake };
    this.#watchers.set(watcher.id, watcher);
    try {
      if (this.#watchers.size === 1) this.#start();
      else this.#watchExternalWrites();
      const bell = this.#bell;
      await this.#change("watch for messages", (tx) => {
        addBell(tx, bell);
        addInterest(tx, bell, watcher.id, interest);
      });
    } catch (error) {
      this.#close(watcher);
      throw error;
    }
    return openWatch(() => this.#mode, () => this.#close(watcher));
  }

  /**
   * Wakes the readers of a commit.
   *
   * @param bells The bells of the readers, as of that transaction. A later reader
   * reads the commit anyway.
   */
  committed(
    messages: readonly Addressed[],
    bells: ReadonlySet<string>,
  ): void {
    this.#externalWrites.committed();
    if (messages.length === 0) return;
    try {
      const others = [...bells].filter((bell) => bell !== this.#bell);
      ring(this.#connection.location.bellsFolder, others);
    } catch (error) {
      // The messages are committed, and the other readers' safety poll finds them.
      this.#warnOnce(`a bell cannot be rung (${(error as Error).message})`);
    }
    // Own watches are last, because they read at once, within this call.
    for (const watcher of this.#watchers.values()) {
      if (includesAny(watcher.interest, messages)) watcher.wake();
    }
  }

  /** Ends all watches and removes the bell. */
  async close(): Promise<void> {
    this.#watchers.clear();
    if (this.#timer !== undefined) this.#stop();
    await this.#rows;
  }

  /** Whether this process has a bell. Otherwise it only polls. */
  get #usesBell(): boolean {
    return this.#options.notify !== "poll" && !this.#connection.readOnly;
  }

  get #bellPath(): string {
    return `${this.#connection.location.bellsFolder}/${this.#bell}`;
  }

  #start(): void {
    this.#bell = newBellName();
    this.#dataVersion = this.#connection.dataVersion();
    this.#pollEvery(this.#options.pollIntervalMs);
    if (!this.#usesBell) return;
    try {
      this.#watchBell();
    } catch (error) {
      if (this.#options.notify === "watch") throw this.#unavailableError(error);
      this.#fallBackToPolling(error);
    }
  }

  #watchBell(): void {
    try {
      this.#makeBell();
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      // The folder of the bells was removed. Without the bus folder this fails again.
      const { bellsFolder } = this.#connection.location;
      Deno.mkdirSync(bellsFolder, { mode: 0o700 });
      this.#makeBell();
    }
    this.#bellWatch = watchPath(this.#bellPath);
    this.#mode = "push";
    this.#listen(this.#bellWatch);
    this.#watchExternalWrites();
  }

  /** Starts only for interests in messages, because other programs insert only those. */
  #watchExternalWrites(): void {
    if (this.#bellWatch === undefined) return;
    const readers = [...this.#watchers.values()]
      .some(({ interest }) => includesMessages(interest));
    if (readers) this.#externalWrites.start(this.#bell);
  }

  #makeBell(): void {
    Deno.openSync(this.#bellPath, { create: true, write: true, mode: 0o600 })
      .close();
  }

  async #listen(watch: Deno.FsWatcher): Promise<void> {
    try {
      for await (const event of watch) {
        this.#wakeAll();
        if (event.kind === "remove") break;
        // Date.now() is the cheapest clock, and each ring reads it.
        this.#rungAt = Date.now();
      }
    } catch (error) {
      // Closing a watch may interrupt this iteration with an error.
      if (this.#bellWatch === watch) this.#fallBackToPolling(error);
    }
    if (this.#bellWatch === watch) {
      // The bell's file is gone. The next poll makes and watches it again.
      this.#rungAt = -Infinity;
      this.#bellWatch = undefined;
      this.#mode = "poll";
      try {
        watch.close();
      } catch (error) {
        if (!(error instanceof Deno.errors.BadResource)) throw error;
      }
    }
  }

  #unavailableError(error: unknown): StoreError {
    const { bellsFolder } = this.#connection.location;
    return new StoreError(
      "io",
      bellsFolder,
      `Cannot watch for messages: a file watch is unavailable in ${bellsFolder} ` +
        `(${
          (error as Error).message
        }). End programs that watch many files, or ` +
        `open the bus with notify "auto" to poll instead.`,
      { cause: error },
    );
  }

  #fallBackToPolling(error: unknown): void {
    this.#mode = "poll";
    this.#warnOnce(
      `a file watch is unavailable (${
        (error as Error).message
      }); polling every ` +
        `${this.#options.pollIntervalMs} ms instead`,
    );
  }

  #warnOnce(state: string): void {
    if (this.#warned) return;
    this.#warned = true;
    this.#options.warn(`mbus: ${state}.`);
  }

  /** Polls with a period. Reuses the timer, because making one costs a tenth of a poll. */
  #pollEvery(ms: number): void {
    clearInterval(this.#timer);
    this.#periodMs = ms;
    const timer = setInterval(() => {
      const { pollIntervalMs } = this.#options;
      const sinceMs = Date.now() - this.#rungAt;
      // A negative duration means that the clock was set back.
      const leftMs = sinceMs < 0 ? 0 : pollIntervalMs - sinceMs;
      if (leftMs <= 0) {
        this.#lookForCommits();
        this.#repairBell();
      }
      if (this.#usesBell) this.#externalWrites.poll();
      // A warning's callback may have stopped and restarted the poll.
      if (this.#timer !== timer) return;
      const nextMs = leftMs > 0 ? leftMs : pollIntervalMs;
      if (nextMs !== this.#periodMs) this.#pollEvery(nextMs);
    }, ms);
    this.#timer = timer;
  }

  #lookForCommits(): void {
    try {
      const dataVersion = this.#connection.dataVersion();
      if (dataVersion !== this.#dataVersion) {
        this.#dataVersion = dataVersion;
        this.#wakeAll();
      }
    } catch {
      // The woken readers read, and get the error.
      this.#wakeAll();
    }
  }

  #repairBell(): void {
    if (!this.#usesBell) return;
    try {
      if (!this.#hasBell()) {
        this.#watchBell();
        this.#restoreRows();
      }
    } catch (error) {
      this.#fallBackToPolling(error);
    }
  }

  #hasBell(): boolean {
    if (this.#bellWatch === undefined) return false;
    const now = Date.now();
    if (Math.abs(now - this.#bellSeenAt) < CHECK_BELL_MS) return true;
    try {
      Deno.statSync(this.#bellPath);
      this.#bellSeenAt = now;
      return true;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      this.#closeBellWatch();
      return false;
    }
  }

  /** Restores the rows of the bell, because a purge removes them with the file. */
  #restoreRows(): void {
    const bell = this.#bell;
    const watchers = [...this.#watchers.values()];
    this.#change("watch for messages", (tx) => {
      addBell(tx, bell);
      for (const { id, interest } of watchers) {
        // The watch may have been closed while this waited.
        if (this.#watchers.has(id)) addInterest(tx, bell, id, interest);
      }
    }).catch((error) => this.#options.warn(`mbus: ${error.message}`));
  }

  #wakeAll(): void {
    for (const watcher of this.#watchers.values()) watcher.wake();
  }

  #close(watcher: Watcher): void {
    if (!this.#watchers.delete(watcher.id)) return;
    if (this.#watchers.size === 0) this.#stop();
    else {
      const bell = this.#bell;
      this.#end((tx) => removeInterest(tx, bell, watcher.id));
    }
  }

  #stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#closeBellWatch();
    this.#externalWrites.stop();
    const bell = this.#bell;
    const path = this.#bellPath;
    this.#bell = "";
    this.#end((tx) => {
      this.#externalWrites.release(tx, bell);
      removeBell(tx, bell);
    }, () => removeBellFile(path));
  }

  /** Removes rows, after the caller has continued, because it does not need this. */
  #end(work: (tx: Transaction) => void, then?: () => void): void {
    this.#rows = this.#rows.then(() => pause(0));
    this.#change("end a watch", work)
      .then(then)
      .catch((error) => this.#options.warn(`mbus: ${error.message}`));
  }

  #closeBellWatch(): void {
    const watch = this.#bellWatch;
    this.#bellWatch = undefined;
    this.#mode = "poll";
    watch?.close();
  }

  /** Changes rows of this bell, after all earlier changes. */
  #change(act: string, work: (tx: Transaction) => void): Promise<void> {
    if (!this.#usesBell) return Promise.resolve();
    const change = this.#rows.then(() => this.#options.write(act, work));
    this.#rows = change.catch(() => {});
    return change;
  }
}
