/**
 * An ear that is a hub's: the process has a bell, a file that it watches, and
 * says in another what it wants to hear.
 *
 * ```text
 * process   wants/‹name› ──▶ hub: LISTEN ──▶ bells/‹name› holds that version
 *           read by cursor ◀── touch ◀── NOTIFY
 * ```
 *
 * What it wants is heard once its bell holds the version that it wrote. It looks
 * every quarter of a second whether the hub still is one and its process lives:
 * else its sessions listen for themselves.
 *
 * @module
 */

import { newBellName } from "../store/bell_files.ts";
import { watchPath } from "../store/file_watch.ts";
import type { Ear, Hearing } from "./ear.ts";
import type { HostedProcess, HubFolder } from "./hub_folder.ts";

const LOOK_MS = 250;
const ANSWER_MS_MAX = 2_000;

/** A hub that hears for this process. */
export class HubEar implements Ear {
  readonly isShared = true;
  readonly #folder: HubFolder;
  readonly #hub: HostedProcess;
  readonly #hearing: Hearing;
  readonly #name = newBellName();
  readonly #watch: Deno.FsWatcher;
  readonly #watching: Promise<void>;
  readonly #look: ReturnType<typeof setInterval>;
  #version = 0;
  #answered = 0;
  #waiting: (() => void)[] = [];
  #closed = false;

  private constructor(
    folder: HubFolder,
    hub: HostedProcess,
    hearing: Hearing,
  ) {
    this.#folder = folder;
    this.#hub = hub;
    this.#hearing = hearing;
    Deno.writeTextFileSync(this.#bell, "0", { mode: 0o600 });
    this.#watch = watchPath(this.#bell);
    this.#watching = this.#listenToBell();
    this.#look = setInterval(() => {
      const hub = this.#folder.hub();
      if (
        hub?.pid !== this.#hub.pid || hub.startTime !== this.#hub.startTime
      ) this.#lose();
    }, LOOK_MS);
  }

  /** The ear of the hub that runs here; undefined if none does. */
  static find(folder: HubFolder, hearing: Hearing): HubEar | undefined {
    const hub = folder.hub();
    if (hub === undefined) return undefined;
    try {
      return new HubEar(folder, hub, hearing);
    } catch {
      // No watch is to be had, or the hub has just cleared up.
      return undefined;
    }
  }

  async listen(bells: readonly string[]): Promise<void> {
    const version = ++this.#version;
    this.#folder.setWants(this.#name, version, bells);
    const deadline = performance.now() + ANSWER_MS_MAX;
    while (this.#answered < version) {
      const leftMs = deadline - performance.now();
      if (leftMs <= 0 || this.#closed) {
        throw new Error("the hub does not answer");
      }
      await this.#nextRing(leftMs);
    }
  }

  // The hub asks the server for all; the poll asks by itself.
  check(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  async close(): Promise<void> {
    if (!this.#closed) {
      this.#closed = true;
      clearInterval(this.#look);
      this.#watch.close();
      this.#wakeWaiting();
      this.#folder.remove(this.#name);
    }
    await this.#watching;
  }

  get #bell(): string {
    return `${this.#folder.bells}/${this.#name}`;
  }

  async #listenToBell(): Promise<void> {
    try {
      for await (const { kind } of this.#watch) {
        if (kind === "access") continue;
        this.#answered = Number(Deno.readTextFileSync(this.#bell));
        this.#hearing.heard();
        this.#wakeWaiting();
      }
    } catch {
      // Closing a watch may show as an interruption, or the bell is gone.
      this.#lose();
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

  #lose(): void {
    if (this.#closed) return;
    this.#hearing.lost();
  }
}
