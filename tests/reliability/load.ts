/**
 * Load: many sessions, each a process that publishes at a steady rate and reads
 * what others publish, for a while; and what it came to.
 *
 * Each session reads one channel. A message says who published it and which of
 * his it is, so its reader finds by itself whether one is missing, comes twice
 * or in the wrong order. Publishers keep to a schedule: who is late catches up,
 * so how many there are is fixed and only how long it takes is measured.
 *
 * @module
 */

import { getMessagingDbPath } from "../../mod.ts";
import { TextLineStream } from "../text_lines.ts";
import { LIBRARY } from "./crash.ts";
import { resume, stop } from "./time.ts";

/** What one session does. */
export interface LoadSession {
  /** Its name. */
  readonly session: string;
  /** The channel that it publishes on; none if it publishes nothing. */
  readonly writes?: string;
  /** How many messages it publishes in a second. */
  readonly perSecond: number;
  /** For how long, in seconds. */
  readonly seconds: number;
  /** How much fills each message, in bytes. */
  readonly payloadBytes: number;
  /** The channel that it reads; none if it reads nothing. */
  readonly reads?: string;
  /** How many messages it will read. */
  readonly expects: number;
  /** Whether under a durable name, acknowledged by tens. */
  readonly durable?: boolean;
  /** How long it takes over each message that it reads, in milliseconds. */
  readonly slowMs?: number;
  /** How long it is stopped by SIGSTOP, a second after all began. */
  readonly stoppedMs?: number;
}

/** What a session was told to do, and with what. */
export interface LoadStart extends LoadSession {
  /** The `mod.ts` of the library. */
  readonly library: string;
  /** The bus folder. */
  readonly home: string;
}

/** How much memory a process used at a time. */
export interface MemorySample {
  /** Since it began, in milliseconds. */
  readonly atMs: number;
  /** How many messages it had published and read by then. */
  readonly messages: number;
  /** Resident, in bytes. */
  readonly rss: number;
  /** Of objects that are in use, in bytes. */
  readonly heap: number;
}

/** What a session says at its end. */
export interface LoadReport {
  /** Its name. */
  readonly session: string;
  /** How many messages it published. */
  readonly published: number;
  /** How many it read. */
  readonly delivered: number;
  /** What was wrong: gaps, doubles, errors. */
  readonly wrong: readonly string[];
  /** How late the messages came that it read, in milliseconds. */
  readonly lateMs: { readonly p50: number; readonly p99: number };
  /** Its memory, all the time. */
  readonly memory: readonly MemorySample[];
}

/** What a load came to. */
export interface Load {
  /** Each session's report. */
  readonly reports: readonly LoadReport[];
  /** The largest that the write-ahead log was, in bytes. */
  readonly logBytesMax: number;
  /** The largest that the database was, in bytes. */
  readonly storeBytesMax: number;
  /** From the beginning to the last message read, in milliseconds. */
  readonly tookMs: number;
}

/** How to run a load. */
export interface LoadOptions {
  /** The bus folder. */
  readonly home: string;
  /** Who takes part. */
  readonly sessions: readonly LoadSession[];
  /**
   * The `mod.ts` of the library.
   * @default {LIBRARY}
   */
  readonly library?: string;
}

// Far above what any of them takes when all is well; then they tell how far
// they came.
const LATEST_AFTER_MS = 120_000;
const STARTED_AT_A_TIME = 8;

/** Runs a load to its end. */
export async function runLoad(options: LoadOptions): Promise<Load> {
  const { home, sessions, library = LIBRARY } = options;
  const running: Running[] = [];
  for (let i = 0; i < sessions.length; i += STARTED_AT_A_TIME) {
    const some = sessions.slice(i, i + STARTED_AT_A_TIME)
      .map((session) => new Running({ ...session, home, library }));
    running.push(...some);
    await Promise.all(some.map((one) => one.line()));
  }
  const log = new FileSizes(getMessagingDbPath(home));
  const startedAt = performance.now();
  try {
    for (const one of running) await one.say("go");
    const longest = Math.max(...sessions.map(({ seconds }) => seconds));
    const latestMs = longest * 1_000 + LATEST_AFTER_MS;
    const reports = await Promise.all(running.map((one) => one.end(latestMs)));
    return {
      reports,
      tookMs: performance.now() - startedAt,
      logBytesMax: log.logBytesMax,
      storeBytesMax: log.storeBytesMax,
    };
  } finally {
    log.close();
  }
}

/** One process of a load. */
class Running {
  readonly #start: LoadStart;
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #lines: AsyncIterator<string>;

  constructor(start: LoadStart) {
    this.#start = start;
    this.#child = new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "--quiet",
        "--allow-all",
        "--v8-flags=--expose-gc",
        new URL("./peers/load_peer.ts", import.meta.url).pathname,
        JSON.stringify(start),
      ],
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    this.#input = this.#child.stdin.getWriter();
    this.#lines = this.#child.stdout
      .pipeThrough(new TextDecoderStream())
      .pipeThrough(new TextLineStream())[Symbol.asyncIterator]();
  }

  /** The next line that it says. */
  async line(): Promise<string> {
    const { done, value } = await this.#lines.next();
    if (done) throw new Error(`${this.#start.session} ended early`);
    return value;
  }

  async say(text: string): Promise<void> {
    await this.#input.write(new TextEncoder().encode(`${text}\n`));
  }

  /** Its report; if it takes too long, that of how far it came. */
  async end(latestMs: number): Promise<LoadReport> {
    const late = setTimeout(() => this.say("stop").catch(() => {}), latestMs);
    try {
      await this.#standStill();
      const report = JSON.parse(await this.line()) as LoadReport;
      await this.#input.close();
      await this.#lines.next();
      await this.#child.status;
      return report;
    } finally {
      clearTimeout(late);
    }
  }

  async #standStill(): Promise<void> {
    const { stoppedMs } = this.#start;
    if (stoppedMs === undefined) return;
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    await stop(this.#child.pid);
    await new Promise((resolve) => setTimeout(resolve, stoppedMs));
    resume(this.#child.pid);
  }
}

/** Looks again and again how large the database's files are. */
class FileSizes {
  logBytesMax = 0;
  storeBytesMax = 0;
  readonly #timer: ReturnType<typeof setInterval>;

  constructor(path: string) {
    this.#timer = setInterval(() => {
      // To look at their sizes opens nothing.
      this.logBytesMax = Math.max(this.logBytesMax, sizeOf(`${path}-wal`));
      this.storeBytesMax = Math.max(this.storeBytesMax, sizeOf(path));
    }, 50);
  }

  close(): void {
    clearInterval(this.#timer);
  }
}

function sizeOf(path: string): number {
  try {
    return Deno.statSync(path).size;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return 0;
    throw error;
  }
}

/** By how much `y` grows for each `x`, by least squares. */
export function slope(points: readonly (readonly [number, number])[]): number {
  const mean = (of: 0 | 1) =>
    points.reduce((sum, point) => sum + point[of], 0) / points.length;
  const [x, y] = [mean(0), mean(1)];
  const product = points.reduce((sum, p) => sum + (p[0] - x) * (p[1] - y), 0);
  const square = points.reduce((sum, p) => sum + (p[0] - x) ** 2, 0);
  return square === 0 ? 0 : product / square;
}

/** The samples after the first part of the time, in which a process warms up. */
export function warm(samples: readonly MemorySample[]): MemorySample[] {
  const lastMs = samples.at(-1)?.atMs ?? 0;
  return samples.filter(({ atMs }) => atMs >= lastMs * 0.4);
}
