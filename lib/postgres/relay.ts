/**
 * The notification relay (`mbus hub`): one listening connection for all
 * processes of a host.
 *
 * The server wakes the backend of every listener for every notification, so
 * listeners are its scarcest resource (figures in docs/postgres.md). A relay
 * listens for all processes of its host and rings their bells, which are files
 * and cost the server nothing. It stores nothing: without a relay, a process
 * opens a listening connection of its own.
 *
 * - It listens to all bells requested in `wants/`. A process finds the served
 *   version of its request in its bell.
 * - A process that is rung reads from the server. The relay sees no message.
 * - After a reconnect it rings every process.
 * - It removes the files of dead processes.
 *
 * @module
 */

import { ring } from "../store/bell_files.ts";
import { StoreError } from "../model/errors.ts";
import { watchPath } from "../store/file_watch.ts";
import { Connection } from "./connection.ts";
import { ConnectionListener } from "./connection_listener.ts";
import { isAlive, RelayFolder, type Wants } from "./relay_folder.ts";
import { parseUrl } from "./url.ts";

/** Options of a relay. */
export interface RelayOptions {
  /** The server and database: `postgres://…`. */
  readonly url: string;
  /** The time limit of an operation on the server, in milliseconds. */
  readonly busyTimeoutMs: number;
  /** Called with problems that do not stop the relay. */
  readonly warn: (message: string) => void;
}

// A watch may miss changes during a refresh, and dead processes change no file.
const REFRESH_MS = 1_000;

/** A relay that runs in this process. */
export class Relay implements AsyncDisposable {
  readonly #connection: Connection;
  readonly #folder: RelayFolder;
  readonly #listener: ConnectionListener;
  readonly #wants = new Map<string, Wants>();
  readonly #watch: Deno.FsWatcher;
  readonly #watching: Promise<void>;
  readonly #timer: ReturnType<typeof setInterval>;
  #refreshing: Promise<void> | undefined;
  #isStale = false;
  #closed = false;

  private constructor(
    connection: Connection,
    folder: RelayFolder,
    warn: (message: string) => void,
  ) {
    this.#connection = connection;
    this.#folder = folder;
    this.#listener = new ConnectionListener(connection, {
      onNotify: (bell) => this.#ring(bell),
      onDisconnect: () =>
        warn("mbus: the connection to the server is cut; reconnecting."),
      onReconnect: () => this.#ring(),
      onClosed: () => {},
    });
    this.#watch = watchPath(folder.wants);
    this.#watching = this.#follow();
    this.#timer = setInterval(() => this.#refresh(), REFRESH_MS);
  }

  /**
   * Starts the relay of this host.
   *
   * @throws {StoreError} If one runs already, or the server cannot be used.
   */
  static async start(options: RelayOptions): Promise<Relay> {
    const address = parseUrl(options.url);
    const folder = new RelayFolder(address);
    folder.create();
    const other = folder.relay();
    if (other !== undefined) {
      throw new StoreError(
        "ownership",
        address.shown,
        `Cannot run the relay: process ${other.pid} is already the relay of ` +
          `this host for ${address.shown}. End that process.`,
      );
    }
    const connection = await Connection.open(address, {
      ...options,
      now: Date.now,
    });
    const relay = new Relay(connection, folder, options.warn);
    try {
      await relay.#refresh();
      folder.setRelay(true);
      return relay;
    } catch (error) {
      await relay[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** The address of the server, without secrets. */
  get location(): string {
    return this.#connection.address.shown;
  }

  /** The number of processes that the relay serves. */
  get processes(): number {
    return this.#wants.size;
  }

  /** Ends the relay; its processes then open their own connections. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#folder.relay()?.pid === Deno.pid) this.#folder.setRelay(false);
    clearInterval(this.#timer);
    this.#watch.close();
    await this.#watching;
    await this.#refreshing;
    await this.#listener.close();
    await this.#connection.close();
  }

  async #follow(): Promise<void> {
    try {
      for await (const { kind } of this.#watch) {
        if (kind !== "access") this.#refresh();
      }
    } catch (error) {
      // Closing a watch may interrupt the loop with an error.
      if (!this.#closed) throw error;
    }
  }

  /** Reads the requests again, after a refresh that is under way. */
  async #refresh(): Promise<void> {
    this.#isStale = true;
    this.#refreshing ??= this.#refreshWhileStale()
      .finally(() => this.#refreshing = undefined);
    await this.#refreshing;
  }

  async #refreshWhileStale(): Promise<void> {
    while (this.#isStale && !this.#closed) {
      this.#isStale = false;
      const changed = this.#readWants();
      const bells = new Set<string>();
      for (const wants of this.#wants.values()) {
        for (const bell of wants.bells) bells.add(bell);
      }
      try {
        await this.#listener.listen([...bells]);
      } catch {
        // The listener listens to all bells once it reconnects. Processes that
        // wait for an answer use their own connections meanwhile.
        continue;
      }
      for (const name of changed) this.#confirm(name);
    }
  }

  /** Reads all requests; returns the names of those that changed. */
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

  /** Writes the served version of a process's request to its bell. */
  #confirm(name: string): void {
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
