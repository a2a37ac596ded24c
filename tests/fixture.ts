/**
 * A fresh bus for one test, with its folder, buses and processes, which end with the
 * test.
 *
 * @module
 */

import { DatabaseSync } from "node:sqlite";
import {
  getMessagingDbPath,
  type Json,
  type Message,
  type MessageBus,
  openBus,
  type OpenBusOptions,
} from "../mod.ts";
import { Peer, type PeerOptions } from "./peer.ts";

export { until, within } from "./waiting.ts";

/** A clock for tests. It starts at the real time, because external rows use that. */
export class Clock {
  /** The time, in milliseconds since 1970. */
  nowMs: number = Date.now();

  /** Returns the time, for the `now` option. */
  readonly now = (): number => this.nowMs;

  /** Advances the time. */
  advance(ms: number): void {
    this.nowMs += ms;
  }
}

/** A fresh bus folder, with its buses and processes. */
export class Home implements AsyncDisposable {
  /** The bus folder. */
  readonly path: string;
  /** The warnings of the buses in this process. */
  readonly warnings: string[] = [];
  readonly #root: string;
  readonly #buses: MessageBus[] = [];
  readonly #databases: DatabaseSync[] = [];
  readonly #peers: Peer[] = [];

  /** Names the bus folder, which the first open makes. */
  constructor(name = "bus") {
    this.#root = Deno.makeTempDirSync({ prefix: "mbus-test-" });
    this.path = `${this.#root}/${name}`;
  }

  /** The parent of the bus folder, for other files of the test. */
  get root(): string {
    return this.#root;
  }

  /** The database file. */
  get database(): string {
    return getMessagingDbPath(this.path);
  }

  /** Opens a bus in this process. */
  async open(options: OpenBusOptions = {}): Promise<MessageBus> {
    const bus = await openBus({
      home: this.path,
      project: null,
      warn: (message) => this.warnings.push(message),
      ...options,
    });
    this.#buses.push(bus);
    return bus;
  }

  /** Starts a process that opens a bus here. */
  async start(
    options: OpenBusOptions = {},
    peerOptions: PeerOptions = {},
  ): Promise<Peer> {
    const peer = this.spawn(peerOptions);
    await peer.call("open", { home: this.path, project: null, ...options });
    return peer;
  }

  /** Starts a process that opens nothing yet. */
  spawn(options: PeerOptions = {}): Peer {
    const peer = new Peer(options);
    this.#peers.push(peer);
    return peer;
  }

  /** Opens the database as another program does: without foreign keys and rings. */
  foreign(): DatabaseSync {
    const database = new DatabaseSync(this.database, {
      enableForeignKeyConstraints: false,
      timeout: 5_000,
    });
    this.#databases.push(database);
    return database;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const database of this.#databases) {
      if (database.isOpen) database.close();
    }
    await Promise.all(this.#peers.map((peer) => peer.end()));
    for (const bus of this.#buses) await bus.close();
    await Deno.remove(this.#root, { recursive: true });
  }
}

/** Takes messages from an iteration until there are `count`. */
export async function take<T>(
  from: AsyncIterator<T>,
  count: number,
): Promise<T[]> {
  const taken: T[] = [];
  while (taken.length < count) {
    const { done, value } = await from.next();
    if (done) break;
    taken.push(value);
  }
  return taken;
}

/** Returns the payloads of messages. */
export function payloadsOf(messages: readonly Message[]): Json[] {
  return messages.map(({ payload }) => payload);
}

/** Runs SQL in the sqlite3 shell, which waits for other writers. Returns its output. */
export function shell(path: string, sql: string): Promise<string> {
  return run("sqlite3", ["-cmd", ".timeout 5000", path, sql]);
}

/** Returns `count` integers from `first` on. */
export function numbers(first: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => first + i);
}

/** Returns whether a program is installed. */
export function hasProgram(name: string): boolean {
  try {
    return new Deno.Command(name, {
      args: ["--version"],
      stdout: "null",
      stderr: "null",
    }).outputSync().success;
  } catch {
    return false;
  }
}

/** Whether this user may mount file systems in a namespace of its own. */
export const canMount: boolean = Deno.build.os === "linux" &&
  hasProgram("unshare") &&
  new Deno.Command("unshare", {
    args: ["-m", "mount", "-t", "tmpfs", "none", "/mnt"],
    stdout: "null",
    stderr: "null",
  }).outputSync().success;

/** Runs a program. Returns its stdout, or throws its stderr if it fails. */
export async function run(
  program: string,
  args: readonly string[],
  input?: string,
): Promise<string> {
  const child = new Deno.Command(program, {
    args: [...args],
    stdin: input === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  if (input !== undefined) {
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(input));
    await writer.close();
  }
  const { success, stdout, stderr } = await child.output();
  const text = new TextDecoder();
  if (!success) throw new Error(`${program}: ${text.decode(stderr)}`);
  return text.decode(stdout);
}

/** The limits of file watches in a user namespace. */
export const WATCH_LIMITS = {
  /** Maximum number of watchers. The runtime needs one per process. */
  instances: "/proc/sys/user/max_inotify_instances",
  /** Maximum number of watched files. */
  files: "/proc/sys/user/max_inotify_watches",
} as const;

/** Returns the prefix of a command whose process has a limit of its own. */
export function watchesAtMost(
  count: number,
  of: keyof typeof WATCH_LIMITS,
): readonly string[] {
  const script = `echo ${count} > ${WATCH_LIMITS[of]} && exec "$@"`;
  return ["unshare", "-Ur", "sh", "-c", script, "sh"];
}

/** Whether file watches can be limited for one process. */
export const canLimitWatches: boolean = Deno.build.os === "linux" &&
  hasProgram("unshare") &&
  new Deno.Command("unshare", {
    args: [...watchesAtMost(1, "files").slice(1), "true"],
    stdout: "null",
    stderr: "null",
  }).outputSync().success;
