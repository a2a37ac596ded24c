/**
 * A fresh bus for one test: its folder, buses and processes, all given back
 * at the end.
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

/** A time for tests to begin at, near the real one as foreign rows use that. */
export class Clock {
  /** What it shows, in milliseconds since 1970. */
  nowMs: number = Date.now();

  /** For the `now` option. */
  readonly now = (): number => this.nowMs;

  /** Lets time pass. */
  advance(ms: number): void {
    this.nowMs += ms;
  }
}

/** A fresh bus folder, and whoever came to use it. */
export class Home implements AsyncDisposable {
  /** The bus folder. */
  readonly path: string;
  /** What buses in this process have warned of. */
  readonly warnings: string[] = [];
  readonly #root: string;
  readonly #buses: MessageBus[] = [];
  readonly #databases: DatabaseSync[] = [];
  readonly #peers: Peer[] = [];

  /** Makes one; `name` is the folder's, which opening makes. */
  constructor(name = "bus") {
    this.#root = Deno.makeTempDirSync({ prefix: "mbus-test-" });
    this.path = `${this.#root}/${name}`;
  }

  /** The folder around it, for files of the test's own. */
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

  /** Opens the database as another program does: no foreign keys, no rings. */
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

/** What messages carry. */
export function payloadsOf(messages: readonly Message[]): Json[] {
  return messages.map(({ payload }) => payload);
}

/** What the sqlite3 shell says to SQL; it waits for other writers as we do. */
export function shell(path: string, sql: string): Promise<string> {
  return run("sqlite3", ["-cmd", ".timeout 5000", path, sql]);
}

/** The whole numbers from `first`, `count` of them. */
export function numbers(first: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => first + i);
}

/** Whether a program is there. */
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

/** Whether this user may mount things in a namespace of their own. */
export const canMount: boolean = Deno.build.os === "linux" &&
  hasProgram("unshare") &&
  new Deno.Command("unshare", {
    args: ["-m", "mount", "-t", "tmpfs", "none", "/mnt"],
    stdout: "null",
    stderr: "null",
  }).outputSync().success;

/** Runs a program to its end; fails with what it says on stderr. */
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

/** What limits the file watches of a process in a user namespace. */
export const WATCH_LIMITS = {
  /** Watchers, of which the runtime needs one for all watches of a process. */
  instances: "/proc/sys/user/max_inotify_instances",
  /** Files that are watched. */
  files: "/proc/sys/user/max_inotify_watches",
} as const;

/** The beginning of a command whose process has a limit of its own. */
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
