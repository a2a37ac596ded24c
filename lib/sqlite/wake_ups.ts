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
 * is made and watched anew.
 *
 * What this process itself publishes needs no bell: its watches are woken
 * directly.
 *
 * @module
 */

import type { Interest, Watch, WatchMode } from "../store.ts";
import {
  addBell,
  addInterest,
  type Addressed,
  bellsFor,
  newBellName,
  removeBell,
  removeBellFile,
  removeInterest,
  ring,
  wantsAny,
} from "./bells.ts";
import type { Connection } from "./connection.ts";
import { ForeignRows, type ForeignRowsOptions } from "./foreign_rows.ts";
import type { Transaction } from "./transaction.ts";

/** How a process wants to be woken. */
export type Notify = "auto" | "watch" | "poll";

/** What {@linkcode WakeUps} needs of its store. */
export interface WakeUpsOptions extends ForeignRowsOptions {
  /** `watch` throws where no watch can be had, `auto` falls back to polling. */
  readonly notify: Notify;
  /** How often to look for what did not ring, in milliseconds. */
  readonly pollIntervalMs: number;
}

interface Watcher {
  readonly id: number;
  readonly interest: Interest;
  readonly wake: () => void;
}

/** The wake-ups of one process on one bus. */
export class WakeUps {
  readonly #connection: Connection;
  readonly #options: WakeUpsOptions;
  readonly #bell = newBellName();
  readonly #foreignRows: ForeignRows;
  readonly #watchers = new Map<number, Watcher>();
  #nextWatch = 1;
  #mode: WatchMode = "poll";
  #bellWatch: Deno.FsWatcher | undefined;
  #timer: ReturnType<typeof setInterval> | undefined;
  #dataVersion = 0;
  #warned = false;
  // Changes of rows one after the other: closing must not overtake opening.
  #rows: Promise<void> = Promise.resolve();

  /** Makes them silent: the first watch starts them. */
  constructor(connection: Connection, options: WakeUpsOptions) {
    this.#connection = connection;
    this.#options = options;
    this.#foreignRows = new ForeignRows(connection, this.#bell, options);
  }

  /** Calls `wake` whenever there may be something new of `interest`. */
  async watch(interest: Interest, wake: () => void): Promise<Watch> {
    const watcher: Watcher = { id: this.#nextWatch++, interest, wake };
    this.#watchers.set(watcher.id, watcher);
    if (this.#watchers.size === 1) this.#start();
    try {
      await this.#change("watch for messages", (tx) => {
        addBell(tx, this.#bell);
        addInterest(tx, this.#bell, watcher.id, interest);
      });
    } catch (error) {
      this.#close(watcher);
      throw error;
    }
    const modeOf = () => this.#mode;
    const close = () => this.#close(watcher);
    return {
      get mode(): WatchMode {
        return modeOf();
      },
      close,
      [Symbol.dispose]: close,
    };
  }

  /** Wakes and rings who wants what was just committed. */
  committed(messages: readonly Addressed[]): void {
    if (messages.length === 0) return;
    for (const watcher of this.#watchers.values()) {
      if (wantsAny(watcher.interest, messages)) watcher.wake();
    }
    const bells = bellsFor(this.#connection, messages);
    bells.delete(this.#bell);
    if (bells.size > 0) ring(this.#connection.location.bellsFolder, bells);
  }

  /** Ends all watches and gives the bell back. */
  async close(): Promise<void> {
    this.#watchers.clear();
    this.#stop();
    await this.#rows;
  }

  get #bellPath(): string {
    return `${this.#connection.location.bellsFolder}/${this.#bell}`;
  }

  #start(): void {
    this.#dataVersion = this.#connection.dataVersion();
    this.#timer = setInterval(() => this.#poll(), this.#options.pollIntervalMs);
    if (this.#options.notify === "poll" || this.#connection.readOnly) return;
    try {
      this.#watchBell();
      this.#foreignRows.start();
    } catch (error) {
      if (this.#options.notify === "watch") {
        this.#stop();
        throw error;
      }
      this.#fallBack(error);
    }
  }

  #watchBell(): void {
    Deno.openSync(this.#bellPath, { create: true, write: true, mode: 0o600 })
      .close();
    this.#bellWatch = Deno.watchFs(this.#bellPath, { recursive: false });
    this.#mode = "push";
    this.#listen(this.#bellWatch);
  }

  async #listen(watch: Deno.FsWatcher): Promise<void> {
    try {
      for await (const event of watch) {
        this.#wakeAll();
        if (event.kind === "remove") break;
      }
    } catch (error) {
      // Closing a watch may show as an interruption of who waits for it.
      if (this.#bellWatch === watch) this.#fallBack(error);
    }
    if (this.#bellWatch === watch) {
      // The bell is gone; the next poll makes and watches it anew.
      this.#bellWatch = undefined;
      this.#mode = "poll";
      try {
        watch.close();
      } catch (error) {
        if (!(error instanceof Deno.errors.BadResource)) throw error;
      }
    }
  }

  #fallBack(error: unknown): void {
    this.#mode = "poll";
    if (this.#warned) return;
    this.#warned = true;
    this.#options.warn(
      `mbus: no file watch can be had (${(error as Error).message}); polling ` +
        `every ${this.#options.pollIntervalMs} ms instead.`,
    );
  }

  #poll(): void {
    try {
      const dataVersion = this.#connection.dataVersion();
      if (dataVersion !== this.#dataVersion) {
        this.#dataVersion = dataVersion;
        this.#wakeAll();
      }
      if (this.#options.notify !== "poll" && !this.#connection.readOnly) {
        if (!this.#bellStands()) this.#watchBell();
        this.#foreignRows.poll();
      }
    } catch (error) {
      this.#fallBack(error);
    }
  }

  #bellStands(): boolean {
    if (this.#bellWatch === undefined) return false;
    try {
      Deno.statSync(this.#bellPath);
      return true;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      this.#closeBellWatch();
      return false;
    }
  }

  #wakeAll(): void {
    for (const watcher of this.#watchers.values()) watcher.wake();
  }

  #close(watcher: Watcher): void {
    if (!this.#watchers.delete(watcher.id)) return;
    if (this.#watchers.size === 0) this.#stop();
    else {
      this.#change(
        "end a watch",
        (tx) => removeInterest(tx, this.#bell, watcher.id),
      ).catch((error) => this.#options.warn(`mbus: ${error.message}`));
    }
  }

  #stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#closeBellWatch();
    this.#foreignRows.stop();
    this.#change("end a watch", (tx) => {
      this.#foreignRows.release(tx);
      removeBell(tx, this.#bell);
    })
      .then(() => removeBellFile(this.#bellPath))
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
    if (this.#options.notify === "poll" || this.#connection.readOnly) {
      return Promise.resolve();
    }
    const change = this.#rows.then(() => this.#options.write(act, work));
    this.#rows = change.catch(() => {});
    return change;
  }
}
