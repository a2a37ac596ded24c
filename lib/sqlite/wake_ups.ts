/**
 * The wake-ups of one process: its bell, and the safety poll beneath.
 *
 * ```text
 *           ┌─ first watch ─▶ bell file, row, watch on it ─┐
 *  silent ──┤                                              ├─▶ waking ──▶ silent
 *           └─ no watch to be had ─▶ poll only ────────────┘  last watch closed
 * ```
 *
 * The poll looks at `PRAGMA data_version`, which changes with any commit of
 * another connection, and wakes all watches if it did. It finds what was
 * committed without a ring (a crash in between; a program that does not ring
 * while nobody watches for it), and it repairs the bell: a file that is gone
 * is made and watched anew, and its rows with it. Who was rung reads all that is
 * committed by then, and has a bell, so it counts from the last ring: where messages
 * come all the time, nobody is woken besides.
 *
 * What this process itself publishes needs no bell: its watches are woken
 * directly.
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
  isOfMessages,
  removeBell,
  removeInterest,
  wantsAny,
} from "./bells.ts";
import { pause } from "./busy.ts";
import type { Connection } from "./connection.ts";
import {
  ExternalWrites,
  type ExternalWritesOptions,
} from "./external_writes.ts";
import type { Transaction } from "./transaction.ts";

/** How a process wants to be woken. */
export type Notify = "auto" | "watch" | "poll";

/** What {@linkcode WakeUps} needs of its store. */
export interface WakeUpsOptions extends ExternalWritesOptions {
  /** `watch` throws where no watch can be had, `auto` falls back to polling. */
  readonly notify: Notify;
  /** How often to look for what did not ring, in milliseconds. */
  readonly pollIntervalMs: number;
}

// How often the bell is looked for: that it is gone the watch itself reports, unless its
// folder was moved with it.
const LOOK_FOR_BELL_MS = 5_000;

interface Watcher {
  readonly id: number;
  readonly interest: Interest;
  readonly wake: () => void;
}

/** The wake-ups of one process on one bus. */
export class WakeUps {
  readonly #connection: Connection;
  readonly #options: WakeUpsOptions;
  readonly #foreignRows: ExternalWrites;
  readonly #watchers = new Map<number, Watcher>();
  #nextWatch = 1;
  // A name of its own each time it starts: what removes the last one's bell may
  // still be under way. Empty while it is silent.
  #bell = "";
  #mode: WatchMode = "poll";
  #bellWatch: Deno.FsWatcher | undefined;
  #bellSeenAt = -Infinity;
  #rungAt = -Infinity;
  #timer: ReturnType<typeof setInterval> | undefined;
  #periodMs = 0;
  #dataVersion: number | string = 0;
  #warned = false;
  // Changes of rows one after the other: closing must not overtake opening.
  #rows: Promise<void> = Promise.resolve();

  /** Makes them silent: the first watch starts them. */
  constructor(connection: Connection, options: WakeUpsOptions) {
    this.#connection = connection;
    this.#options = options;
    this.#foreignRows = new ExternalWrites(connection, options);
  }

  /** Calls `wake` whenever there may be something new of `interest`. */
  async watch(interest: Interest, wake: () => void): Promise<Watch> {
    const watcher: Watcher = { id: this.#nextWatch++, interest, wake };
    this.#watchers.set(watcher.id, watcher);
    try {
      if (this.#watchers.size === 1) this.#start();
      else this.#watchForeignRows();
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
   * Wakes and rings who wants what was just committed; `bells` are theirs, as they
   * were looked up in that transaction: who comes after it reads it by itself.
   */
  committed(
    messages: readonly Addressed[],
    bells: ReadonlySet<string>,
  ): void {
    this.#foreignRows.committed();
    if (messages.length === 0) return;
    try {
      const others = [...bells].filter((bell) => bell !== this.#bell);
      ring(this.#connection.location.bellsFolder, others);
    } catch (error) {
      // It is committed, and found by the safety poll of who was not rung.
      this.#warnOnce(`a bell cannot be rung (${(error as Error).message})`);
    }
    // They read at once, and after the others have begun to.
    for (const watcher of this.#watchers.values()) {
      if (wantsAny(watcher.interest, messages)) watcher.wake();
    }
  }

  /** Ends all watches and gives the bell back. */
  async close(): Promise<void> {
    this.#watchers.clear();
    if (this.#timer !== undefined) this.#stop();
    await this.#rows;
  }

  /** Whether it is to be rung; else it only polls. */
  get #wantsBell(): boolean {
    return this.#options.notify !== "poll" && !this.#connection.readOnly;
  }

  get #bellPath(): string {
    return `${this.#connection.location.bellsFolder}/${this.#bell}`;
  }

  #start(): void {
    this.#bell = newBellName();
    this.#dataVersion = this.#connection.dataVersion();
    this.#pollEvery(this.#options.pollIntervalMs);
    if (!this.#wantsBell) return;
    try {
      this.#watchBell();
    } catch (error) {
      if (this.#options.notify === "watch") throw this.#noWatch(error);
      this.#fallBack(error);
    }
  }

  #watchBell(): void {
    try {
      this.#makeBell();
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      // Somebody cleared the bells away; without the bus folder, it fails again.
      const { bellsFolder } = this.#connection.location;
      Deno.mkdirSync(bellsFolder, { mode: 0o700 });
      this.#makeBell();
    }
    this.#bellWatch = watchPath(this.#bellPath);
    this.#mode = "push";
    this.#listen(this.#bellWatch);
    this.#watchForeignRows();
  }

  /** Only for who reads messages: other programs insert nothing else. */
  #watchForeignRows(): void {
    if (this.#bellWatch === undefined) return;
    const readers = [...this.#watchers.values()]
      .some(({ interest }) => isOfMessages(interest));
    if (readers) this.#foreignRows.start(this.#bell);
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
        // The cheapest clock, as each ring pays for it.
        this.#rungAt = Date.now();
      }
    } catch (error) {
      // Closing a watch may show as an interruption of who waits for it.
      if (this.#bellWatch === watch) this.#fallBack(error);
    }
    if (this.#bellWatch === watch) {
      // The bell is gone; the next poll makes and watches it anew.
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

  #noWatch(error: unknown): StoreError {
    const { bellsFolder } = this.#connection.location;
    return new StoreError(
      "io",
      bellsFolder,
      `Cannot watch for messages: no file watch can be had in ${bellsFolder} ` +
        `(${
          (error as Error).message
        }); end programs that watch many files, or ` +
        `open the bus with notify "auto" to poll instead.`,
      { cause: error },
    );
  }

  #fallBack(error: unknown): void {
    this.#mode = "poll";
    this.#warnOnce(
      `no file watch can be had (${(error as Error).message}); polling every ` +
        `${this.#options.pollIntervalMs} ms instead`,
    );
  }

  #warnOnce(state: string): void {
    if (this.#warned) return;
    this.#warned = true;
    this.#options.warn(`mbus: ${state}.`);
  }

  /** Who is not rung keeps the timer: to begin one anew is a tenth of a poll. */
  #pollEvery(ms: number): void {
    clearInterval(this.#timer);
    this.#periodMs = ms;
    const timer = setInterval(() => {
      const { pollIntervalMs } = this.#options;
      const sinceMs = Date.now() - this.#rungAt;
      // A clock that was set back says nothing.
      const leftMs = sinceMs < 0 ? 0 : pollIntervalMs - sinceMs;
      if (leftMs <= 0) {
        this.#lookForCommits();
        this.#lookAfterBell();
      }
      if (this.#wantsBell) this.#foreignRows.poll();
      // Who was warned may have ended it, and begun anew.
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
      // Who reads next gets the error, in its own words.
      this.#wakeAll();
    }
  }

  #lookAfterBell(): void {
    if (!this.#wantsBell) return;
    try {
      if (!this.#bellStands()) {
        this.#watchBell();
        this.#restoreRows();
      }
    } catch (error) {
      this.#fallBack(error);
    }
  }

  #bellStands(): boolean {
    if (this.#bellWatch === undefined) return false;
    const now = Date.now();
    if (Math.abs(now - this.#bellSeenAt) < LOOK_FOR_BELL_MS) return true;
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

  /** Puts its rows back: whoever removed the bell's file removed them, too. */
  #restoreRows(): void {
    const bell = this.#bell;
    const watchers = [...this.#watchers.values()];
    this.#change("watch for messages", (tx) => {
      addBell(tx, bell);
      for (const { id, interest } of watchers) {
        // It may have ended while this waited.
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
    this.#foreignRows.stop();
    const bell = this.#bell;
    const path = this.#bellPath;
    this.#bell = "";
    this.#end((tx) => {
      this.#foreignRows.release(tx, bell);
      removeBell(tx, bell);
    }, () => removeBellFile(path));
  }

  /** Takes rows back. Whoever ended a watch has what it came for: it goes first. */
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

  /** Changes rows of this bell, after all changes before. */
  #change(act: string, work: (tx: Transaction) => void): Promise<void> {
    if (!this.#wantsBell) return Promise.resolve();
    const change = this.#rows.then(() => this.#options.write(act, work));
    this.#rows = change.catch(() => {});
    return change;
  }
}
