/**
 * Histories: what processes say of themselves, line by line, as they go.
 *
 * - **Written before and after.** A process writes down what it is about to do,
 *   then does it, then writes down what came of it. So whatever instant it is
 *   killed at, its history says at most what was true: a message that it calls
 *   published was acknowledged, and from `acquired` to the next mention of a
 *   hold it held it.
 * - **One file each**, opened for appending, one `write` a line: what was
 *   written outlives SIGKILL, and a line that was cut short is the last one
 *   and is left out.
 * - **One clock for all.** Times are milliseconds of `CLOCK_MONOTONIC`, which
 *   is the same for every process of a machine, and no setting of the time of
 *   day moves it. (`performance.timeOrigin` comes from the time of day as a
 *   process starts, so times built on it differ wherever that was set between.)
 *
 * @module
 */

/** What is told of a hold. */
export interface HoldMark {
  /** Whether a lock or the claim of a task. */
  readonly kind: "lock" | "claim";
  /** The path or the task. */
  readonly resource: string;
  /** The fencing token. */
  readonly token: number;
}

/** Something that a process did, is about to do, or met. */
export type Deed =
  | { readonly deed: "started"; readonly pid: number; readonly session: string }
  /** Before a publish; what one call stores all or nothing is a `group`. */
  | {
    readonly deed: "publishing";
    readonly channel: string;
    readonly keys: readonly string[];
    readonly group?: boolean;
  }
  /** It was acknowledged: `ids` are those of the `keys`. */
  | {
    readonly deed: "published";
    readonly channel: string;
    readonly keys: readonly string[];
    readonly ids: readonly string[];
  }
  /** A subscription stands; messages after `cursor` come. */
  | {
    readonly deed: "subscribed";
    readonly subscription: string;
    readonly channel: string;
    readonly cursor: string;
    readonly durable?: string;
  }
  | {
    readonly deed: "delivered";
    readonly subscription: string;
    readonly id: string;
    readonly key: string;
  }
  /** The acknowledgement of a delivery returned. */
  | {
    readonly deed: "acked";
    readonly subscription: string;
    readonly id: string;
  }
  | ({ readonly deed: "acquired"; readonly exclusive: boolean } & HoldMark)
  /** Before it is given back, ended or renewed no more. */
  | ({ readonly deed: "releasing" } & HoldMark)
  /** A task was acknowledged as done. */
  | ({ readonly deed: "completed" } & HoldMark)
  /** It was told, by its token, that it holds this no more. */
  | ({ readonly deed: "lost-hold" } & HoldMark)
  | { readonly deed: "posted"; readonly task: string }
  /** By whoever does it, before it does. */
  | { readonly deed: "killing"; readonly victim: string }
  /** What should not have happened. */
  | { readonly deed: "failed"; readonly act: string; readonly error: string }
  /** Where it is, for people. */
  | { readonly deed: "noted"; readonly text: string };

/** A deed with its time, in milliseconds of the monotonic clock. */
export type Event = { readonly at: number } & Deed;

/** The history of one process. */
export interface History {
  /** The process, by a name that no other of the run has. */
  readonly peer: string;
  /** What it wrote, in order. */
  readonly events: readonly Event[];
}

const CLOCK_MONOTONIC = 1;

/** The monotonic clock of Linux, asked directly: it is nowhere in the runtime. */
const libc = Deno.build.os === "linux"
  ? Deno.dlopen("libc.so.6", {
    clock_gettime: { parameters: ["i32", "buffer"], result: "i32" },
  })
  : undefined;
const timespec = new BigInt64Array(2);

/** The time by which histories of several processes compare, in milliseconds. */
export function monotonicMs(): number {
  if (libc === undefined) return performance.timeOrigin + performance.now();
  libc.symbols.clock_gettime(CLOCK_MONOTONIC, timespec);
  return Number(timespec[0]) * 1_000 + Number(timespec[1]) / 1e6;
}

/** Writes the history of this process. */
export class Recorder implements Disposable {
  readonly #file: Deno.FsFile;
  readonly #encoder = new TextEncoder();

  /** Appends to a file, which it makes. */
  constructor(path: string) {
    this.#file = Deno.openSync(path, { create: true, append: true });
  }

  /** Writes one deed down; when it returns, no SIGKILL can take it back. */
  record(deed: Deed): void {
    const line = `${JSON.stringify({ at: monotonicMs(), ...deed })}\n`;
    const bytes = this.#encoder.encode(line);
    const written = this.#file.writeSync(bytes);
    if (written !== bytes.length) throw new Error("A line was cut short");
  }

  [Symbol.dispose](): void {
    this.#file.close();
  }
}

/** Reads a history; a last line that was cut short is left out. */
export function readHistory(path: string): Event[] {
  const lines = Deno.readTextFileSync(path).split("\n");
  // What follows the last end of a line is empty, or was cut short.
  return lines.slice(0, -1).map((line) => JSON.parse(line) as Event);
}

/** Reads all histories of a folder; each file's name is its process's. */
export function readHistories(folder: string): History[] {
  return [...Deno.readDirSync(folder)]
    .map(({ name }) => name)
    .filter((name) => name.endsWith(".jsonl"))
    .sort()
    .map((name) => ({
      peer: name.slice(0, -".jsonl".length),
      events: readHistory(`${folder}/${name}`),
    }));
}
