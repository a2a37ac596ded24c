/**
 * Histories: the actions of processes, one line each.
 *
 * - **Written before and after.** A process writes its intent, acts, and writes
 *   the result. So its history is true at any moment of a kill: a published
 *   message was acknowledged, and a hold lasts from `acquired` to the next line
 *   on it.
 * - **One file each**, opened for appending, with one `write` per line. A
 *   written line survives SIGKILL. Only the last line can be incomplete, and
 *   readers skip it.
 * - **One clock for all.** Times are milliseconds of `CLOCK_MONOTONIC`, which
 *   all processes share and no change of the time of day moves.
 *   (`performance.timeOrigin` is the time of day at the start of a process.)
 *
 * @module
 */

/** A hold in a history. */
export interface HoldMark {
  /** The kind of hold. */
  readonly kind: "lock" | "claim";
  /** The path or the task. */
  readonly resource: string;
  /** The fencing token. */
  readonly token: number;
}

/** An action of a process: intended, finished or failed. */
export type Action =
  | {
    readonly action: "started";
    readonly pid: number;
    readonly session: string;
  }
  /** Before a publish. A `group` is stored whole or not at all. */
  | {
    readonly action: "publishing";
    readonly channel: string;
    readonly keys: readonly string[];
    readonly group?: boolean;
  }
  /** A publish was acknowledged, with the `ids` of the `keys`. */
  | {
    readonly action: "published";
    readonly channel: string;
    readonly keys: readonly string[];
    readonly ids: readonly string[];
  }
  /** A subscription is ready, and starts after `cursor`. */
  | {
    readonly action: "subscribed";
    readonly subscription: string;
    readonly channel: string;
    readonly cursor: string;
    readonly durable?: string;
  }
  | {
    readonly action: "delivered";
    readonly subscription: string;
    readonly id: string;
    readonly key: string;
  }
  /** The acknowledgement of a delivery returned. */
  | {
    readonly action: "acked";
    readonly subscription: string;
    readonly id: string;
  }
  | ({ readonly action: "acquired"; readonly exclusive: boolean } & HoldMark)
  /** Before a release or completion. */
  | ({ readonly action: "releasing" } & HoldMark)
  /** A task was acknowledged as done. */
  | ({ readonly action: "completed" } & HoldMark)
  /** The bus rejected the token of a hold. */
  | ({ readonly action: "lost-hold" } & HoldMark)
  | { readonly action: "posted"; readonly task: string }
  /** Written by the killer, before the kill. */
  | { readonly action: "killing"; readonly victim: string }
  /** An unexpected error. */
  | { readonly action: "failed"; readonly act: string; readonly error: string }
  /** Progress, for people. */
  | { readonly action: "noted"; readonly text: string };

/** An action with its time, in milliseconds of the monotonic clock. */
export type Event = { readonly at: number } & Action;

/** The history of one process. */
export interface History {
  /** The name of the process, unique in the run. */
  readonly peer: string;
  /** The events, in order. */
  readonly events: readonly Event[];
}

const CLOCK_MONOTONIC = 1;

// The runtime has no API for Linux's monotonic clock.
const libc = Deno.build.os === "linux"
  ? Deno.dlopen("libc.so.6", {
    clock_gettime: { parameters: ["i32", "buffer"], result: "i32" },
  })
  : undefined;
const timespec = new BigInt64Array(2);

/** Returns the time that all processes share, in milliseconds. */
export function monotonicMs(): number {
  if (libc === undefined) return performance.timeOrigin + performance.now();
  libc.symbols.clock_gettime(CLOCK_MONOTONIC, timespec);
  return Number(timespec[0]) * 1_000 + Number(timespec[1]) / 1e6;
}

/** Writes the history of this process. */
export class Recorder implements Disposable {
  readonly #file: Deno.FsFile;
  readonly #encoder = new TextEncoder();

  /** Opens a file for appending, and creates it if missing. */
  constructor(path: string) {
    this.#file = Deno.openSync(path, { create: true, append: true });
  }

  /** Writes an action. After its return the line survives SIGKILL. */
  record(action: Action): void {
    const line = `${JSON.stringify({ at: monotonicMs(), ...action })}\n`;
    const bytes = this.#encoder.encode(line);
    const written = this.#file.writeSync(bytes);
    if (written !== bytes.length) {
      throw new Error("Cannot write a line: the write was short.");
    }
  }

  [Symbol.dispose](): void {
    this.#file.close();
  }
}

/** Reads a history, without an incomplete last line. */
export function readHistory(path: string): Event[] {
  const lines = Deno.readTextFileSync(path).split("\n");
  // The text after the last newline is empty or incomplete.
  return lines.slice(0, -1).map((line) => JSON.parse(line) as Event);
}

/** Reads all histories of a folder, named by their processes. */
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
