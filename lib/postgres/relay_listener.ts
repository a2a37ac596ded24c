/**
 * A listener that a relay serves. The process writes its request to a file, and
 * watches another file, its bell.
 *
 * ```text
 * process   wants/‹name› ──▶ relay: LISTEN ──▶ bells/‹name› holds that version
 *           read by cursor ◀── touch ◀── NOTIFY
 * ```
 *
 * A request is served once the bell holds its version. Every 250 ms the listener
 * checks that the relay's process is alive. Otherwise it closes, and its process
 * takes a connection of its own.
 *
 * @module
 */

import { newBellName } from "../store/bell_files.ts";
import { watchPath } from "../store/file_watch.ts";
import type { Listener, ListenerEvents } from "./listener.ts";
import type { HostedProcess, RelayFolder } from "./relay_folder.ts";

const CHECK_MS = 250;
const ANSWER_MS_MAX = 2_000;

/** A listener that the relay of this host serves. */
export class RelayListener implements Listener {
  readonly isRelayed = true;
  readonly #folder: RelayFolder;
  readonly #relay: HostedProcess;
  readonly #events: ListenerEvents;
  readonly #name = newBellName();
  readonly #watch: Deno.FsWatcher;
  readonly #watching: Promise<void>;
  readonly #check: ReturnType<typeof setInterval>;
  #version = 0;
  #servedVersion = 0;
  #waiting: (() => void)[] = [];
  #closed = false;

  private constructor(
    folder: RelayFolder,
    relay: HostedProcess,
    events: ListenerEvents,
  ) {
    this.#folder = folder;
    this.#relay = relay;
    this.#events = events;
    Deno.writeTextFileSync(this.#bell, "0", { mode: 0o600 });
    this.#watch = watchPath(this.#bell);
    this.#watching = this.#watchBell();
    this.#check = setInterval(() => {
      const relay = this.#folder.relay();
      if (
        relay?.pid !== this.#relay.pid ||
        relay.startTime !== this.#relay.startTime
      ) this.#onLost();
    }, CHECK_MS);
  }

  /** Returns a listener of this host's relay; undefined if no relay runs. */
  static find(
    folder: RelayFolder,
    events: ListenerEvents,
  ): RelayListener | undefined {
    const relay = folder.relay();
    if (relay === undefined) return undefined;
    try {
      return new RelayListener(folder, relay, events);
    } catch {
      // No file watch is available, or the relay has just removed the bell.
      return undefined;
    }
  }

  async listen(bells: readonly string[]): Promise<void> {
    const version = ++this.#version;
    this.#folder.setWants(this.#name, version, bells);
    const deadline = performance.now() + ANSWER_MS_MAX;
    while (this.#servedVersion < version) {
      const leftMs = deadline - performance.now();
      if (leftMs <= 0 || this.#closed) {
        throw new Error("the relay does not answer");
      }
      await this.#nextRing(leftMs);
    }
  }

  // Without a connection here, the poll asks on another one.
  check(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  async close(): Promise<void> {
    if (!this.#closed) {
      this.#closed = true;
      clearInterval(this.#check);
      this.#watch.close();
      this.#wakeWaiting();
      this.#folder.remove(this.#name);
    }
    await this.#watching;
  }

  get #bell(): string {
    return `${this.#folder.bells}/${this.#name}`;
  }

  async #watchBell(): Promise<void> {
    try {
      for await (const { kind } of this.#watch) {
        if (kind === "access") continue;
        this.#servedVersion = Number(Deno.readTextFileSync(this.#bell));
        this.#events.onNotify();
        this.#wakeWaiting();
      }
    } catch {
      // A closed watch may throw; otherwise the bell was removed.
      this.#onLost();
    }
  }

  async #nextRing(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#waiting.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  #wakeWaiting(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }

  #onLost(): void {
    if (this.#closed) return;
    this.#events.onClosed();
  }
}
