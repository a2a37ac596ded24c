/**
 * The hub: one listening connection for all sessions of a host.
 *
 * The server wakes the backend of every listener for every notification, so
 * listeners are what it can have least of (docs/postgres.md has figures). A hub
 * listens for the sessions of its host, and rings their bells: files, which
 * cost the server nothing. It holds no truth and no state: sessions that find
 * none, or lose theirs, listen for themselves.
 *
 * - It hears what any session wants (`wants/`), and tells a session by its bell
 *   up to which version of that.
 * - Whoever is rung reads by itself: the hub never sees a message.
 * - After its own connection was cut it rings everybody.
 * - What processes that died have left is cleared away.
 *
 * @module
 */

import { ring } from "../store/bell_files.ts";
import { StoreError } from "../model/errors.ts";
import { watchPath } from "../store/file_watch.ts";
import { Connection } from "./connection.ts";
import { HubFolder, isAlive, type Wants } from "./hub_folder.ts";
import { OwnEar } from "./own_ear.ts";
import { parseUrl } from "./url.ts";

/** How to run a hub. */
export interface HubOptions {
  /** The server and database: `postgres://…`. */
  readonly url: string;
  /** How long a question to the server is tried, in milliseconds. */
  readonly busyTimeoutMs: number;
  /** Is told of what does not stop it. */
  readonly warn: (message: string) => void;
}

// A watch may miss what happens while it looks; the dead tell nobody.
const LOOK_MS = 1_000;

/** A hub that runs in this process. */
export class Hub implements AsyncDisposable {
  readonly #connection: Connection;
  readonly #folder: HubFolder;
  readonly #ear: OwnEar;
  readonly #wants = new Map<string, Wants>();
  readonly #watch: Deno.FsWatcher;
  readonly #watching: Promise<void>;
  readonly #look: ReturnType<typeof setInterval>;
  #looking: Promise<void> | undefined;
  #again = false;
  #closed = false;

  private constructor(
    connection: Connection,
    folder: HubFolder,
    warn: (message: string) => void,
  ) {
    this.#connection = connection;
    this.#folder = folder;
    this.#ear = new OwnEar(connection, {
      heard: (bell) => this.#ring(bell),
      interrupted: () => warn("mbus: the server is gone; waiting for it."),
      resumed: () => this.#ring(),
      lost: () => {},
    });
    this.#watch = watchPath(folder.wants);
    this.#watching = this.#follow();
    this.#look = setInterval(() => this.#lookAgain(), LOOK_MS);
  }

  /**
   * Starts the hub of this host.
   *
   * @throws {StoreError} If there is one already, or the server cannot be used.
   */
  static async start(options: HubOptions): Promise<Hub> {
    const address = parseUrl(options.url);
    const folder = new HubFolder(address);
    folder.make();
    const other = folder.hub();
    if (other !== undefined) {
      throw new StoreError(
        "ownership",
        address.shown,
        `Cannot run the hub: process ${other.pid} is that of this host for ` +
          `${address.shown}; end it first.`,
      );
    }
    const connection = await Connection.open(address, {
      ...options,
      now: Date.now,
    });
    const hub = new Hub(connection, folder, options.warn);
    try {
      await hub.#lookAgain();
      folder.setHub(true);
      return hub;
    } catch (error) {
      await hub[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Where its server is, without what is secret. */
  get location(): string {
    return this.#connection.address.shown;
  }

  /** How many processes it hears for. */
  get sessions(): number {
    return this.#wants.size;
  }

  /** Ends it; the sessions listen for themselves from then on. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#folder.hub()?.pid === Deno.pid) this.#folder.setHub(false);
    clearInterval(this.#look);
    this.#watch.close();
    await this.#watching;
    await this.#looking;
    await this.#ear.close();
    await this.#connection.close();
  }

  async #follow(): Promise<void> {
    try {
      for await (const { kind } of this.#watch) {
        if (kind !== "access") this.#lookAgain();
      }
    } catch (error) {
      // Closing a watch may show as an interruption of who waits for it.
      if (!this.#closed) throw error;
    }
  }

  /** Looks what is wanted, now or once it is done with looking. */
  async #lookAgain(): Promise<void> {
    this.#again = true;
    this.#looking ??= this.#lookAll().finally(() => this.#looking = undefined);
    await this.#looking;
  }

  async #lookAll(): Promise<void> {
    while (this.#again && !this.#closed) {
      this.#again = false;
      const changed = this.#readWants();
      const bells = new Set<string>();
      for (const wants of this.#wants.values()) {
        for (const bell of wants.bells) bells.add(bell);
      }
      try {
        await this.#ear.listen([...bells]);
      } catch {
        // It is listened for as soon as the server is there again, and those
        // who wait for it listen for themselves meanwhile.
        continue;
      }
      for (const name of changed) this.#answer(name);
    }
  }

  /** Reads what is wanted; returns whose it is that changed. */
  #readWants(): string[] {
    const found = new Set<string>();
    const changed: string[] = [];
    for (const { name } of Deno.readDirSync(this.#folder.wants)) {
      if (name.endsWith(".new")) continue;
      const wants = this.#folder.wantsOf(name);
      if (wants === undefined) continue;
      if (!isAlive(wants)) {
        this.#folder.remove(name);
        continue;
      }
      found.add(name);
      if (this.#wants.get(name)?.version === wants.version) continue;
      this.#wants.set(name, wants);
      changed.push(name);
    }
    for (const name of this.#wants.keys()) {
      if (!found.has(name)) this.#wants.delete(name);
    }
    return changed;
  }

  /** Says up to which version of its wants a process is heard for. */
  #answer(name: string): void {
    try {
      Deno.writeTextFileSync(
        `${this.#folder.bells}/${name}`,
        String(this.#wants.get(name)!.version),
        { create: false },
      );
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }

  #ring(bell?: string): void {
    const names: string[] = [];
    for (const [name, { bells }] of this.#wants) {
      if (bell === undefined || bells.includes(bell)) names.push(name);
    }
    ring(this.#folder.bells, names);
  }
}
