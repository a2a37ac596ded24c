/**
 * Load: many sessions, each a process that publishes at a steady rate and reads
 * one channel.
 *
 * A message has its publisher and number, and the last one is marked. So a
 * reader detects messages that are missing, repeated or out of order.
 * Publishers keep to a schedule as far as the machine permits, and report their
 * numbers.
 *
 * @module
 */

import { getMessagingDbPath } from "../../mod.ts";
import { TextLineStream } from "../text_lines.ts";
import { LIBRARY } from "./crash.ts";
import { Chance } from "./seed.ts";
import { resume, stop } from "./time.ts";

/** The work of one session. */
export interface LoadSession {
  /** The id of the session. */
  readonly session: string;
  /** The channel for its messages; undefined if it only reads. */
  readonly writes?: string;
  /** The number of messages a second. */
  readonly perSecond: number;
  /** The duration of publishing, in seconds. */
  readonly seconds: number;
  /** The filling of each message, in bytes. */
  readonly payloadBytes: number;
  /** The channel that it reads; undefined if it only publishes. */
  readonly reads?: string;
  /**
   * The number of sessions that publish on the read channel.
   * @default {1}
   */
  readonly writers?: number;
  /** Whether it reads under a durable name, acknowledged by tens. */
  readonly durable?: boolean;
  /** The time that it takes for each read message, in milliseconds. */
  readonly slowMs?: number;
  /** The duration of a SIGSTOP, one second after the start, in milliseconds. */
  readonly stoppedMs?: number;
}

/** The argument of a session's process. */
export interface LoadStart extends LoadSession {
  /** The URL of the library's `mod.ts`. */
  readonly library: string;
  /** The bus folder. */
  readonly home: string;
  /** The seed of its random choices. */
  readonly seed: number;
  /** The interval of memory samples, in milliseconds. */
  readonly sampleEveryMs: number;
}

/** The memory of a process at one time. */
export interface MemorySample {
  /** The time since the start, in milliseconds. */
  readonly atMs: number;
  /** The number of published and read messages so far. */
  readonly messages: number;
  /** Resident memory, in bytes. */
  readonly rss: number;
  /** The heap in use after a garbage collection, in bytes. */
  readonly heap: number;
}

/** The final report of a session. */
export interface LoadReport {
  /** The id of the session. */
  readonly session: string;
  /** The number of published messages, without the last one. */
  readonly published: number;
  /** The number of read messages. */
  readonly delivered: number;
  /** Gaps, repetitions and errors. */
  readonly wrong: readonly string[];
  /** The latency of the read messages, in milliseconds. */
  readonly lateMs: { readonly p50: number; readonly p99: number };
  readonly memory: readonly MemorySample[];
}

/** The result of a load. */
export interface Load {
  readonly reports: readonly LoadReport[];
  /** The maximum size of the WAL, in bytes. */
  readonly walBytesMax: number;
  /** The maximum size of the database, in bytes. */
  readonly storeBytesMax: number;
  /** The time from the start to the last read message, in milliseconds. */
  readonly tookMs: number;
}

/** Options of a load. */
export interface LoadOptions {
  /** The bus folder. */
  readonly home: string;
  readonly sessions: readonly LoadSession[];
  /**
   * The seed of random choices.
   * @default {1}
   */
  readonly seed?: number;
  /**
   * The URL of the library's `mod.ts`.
   * @default {LIBRARY}
   */
  readonly library?: string;
  /**
   * The time after the end of publishing at which sessions report although they
   * have not read all, in milliseconds.
   * @default {120000}
   */
  readonly latestAfterMs?: number;
}

const STARTED_AT_A_TIME = 8;

// A sample collects garbage, so all samples together must not occupy the
// machine.
const SAMPLE_COST_MS = 150;

/** Runs a load to its end. */
export async function runLoad(options: LoadOptions): Promise<Load> {
  const { home, sessions, library = LIBRARY, latestAfterMs = 120_000 } =
    options;
  const chance = new Chance(options.seed ?? 1);
  const running: Running[] = [];
  for (let i = 0; i < sessions.length; i += STARTED_AT_A_TIME) {
    const some = sessions.slice(i, i + STARTED_AT_A_TIME).map((session) =>
      new Running({
        ...session,
        home,
        library,
        seed: chance.seed(),
        sampleEveryMs: Math.max(1_000, sessions.length * SAMPLE_COST_MS),
      })
    );
    running.push(...some);
    await Promise.all(some.map((one) => one.line()));
  }
  const log = new FileSizes(getMessagingDbPath(home));
  const startedAt = performance.now();
  try {
    for (const one of running) await one.write("go");
    const longest = Math.max(...sessions.map(({ seconds }) => seconds));
    const latestMs = longest * 1_000 + latestAfterMs;
    const reports = await Promise.all(running.map((one) => one.end(latestMs)));
    return {
      reports,
      tookMs: performance.now() - startedAt,
      walBytesMax: log.walBytesMax,
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

  /** Returns the next line of its stdout. */
  async line(): Promise<string> {
    const { done, value } = await this.#lines.next();
    if (done) throw new Error(`${this.#start.session} ended early`);
    return value;
  }

  async write(text: string): Promise<void> {
    await this.#input.write(new TextEncoder().encode(`${text}\n`));
  }

  /** Waits for its report, and asks for an early one after `latestMs`. */
  async end(latestMs: number): Promise<LoadReport> {
    const late = setTimeout(() => this.write("stop").catch(() => {}), latestMs);
    try {
      await this.#pauseProcess();
      const report = JSON.parse(await this.line()) as LoadReport;
      await this.#input.close();
      await this.#lines.next();
      await this.#child.status;
      return report;
    } finally {
      clearTimeout(late);
    }
  }

  async #pauseProcess(): Promise<void> {
    const { stoppedMs } = this.#start;
    if (stoppedMs === undefined) return;
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    await stop(this.#child.pid);
    await new Promise((resolve) => setTimeout(resolve, stoppedMs));
    resume(this.#child.pid);
  }
}

/** Polls the sizes of the database's files. */
class FileSizes {
  walBytesMax = 0;
  storeBytesMax = 0;
  readonly #timer: ReturnType<typeof setInterval>;

  constructor(path: string) {
    this.#timer = setInterval(() => {
      // `stat` opens no file, which keeps SQLite's POSIX locks.
      this.walBytesMax = Math.max(this.walBytesMax, sizeOf(`${path}-wal`));
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

/** A histogram of latencies, of fixed size. */
export class Lateness {
  // Buckets grow by a tenth each, from 0.01 ms on.
  readonly #counts = new Uint32Array(256);
  #total = 0;

  /** Adds a latency, in milliseconds. */
  add(lateMs: number): void {
    const step = Math.ceil(Math.log(Math.max(lateMs, 0.01) / 0.01) / STEP);
    this.#counts[Math.min(step, this.#counts.length - 1)]++;
    this.#total++;
  }

  /** Returns a quantile, in milliseconds, within a tenth. */
  quantile(part: number): number {
    let seen = 0;
    const step = this.#counts.findIndex((count) =>
      (seen += count) >= this.#total * part
    );
    return Number((0.01 * Math.exp(STEP * step)).toPrecision(2));
  }
}

const STEP = Math.log(1.1);

/** Returns the slope of a line through points, by least squares. */
export function slope(points: readonly (readonly [number, number])[]): number {
  const mean = (of: 0 | 1) =>
    points.reduce((sum, point) => sum + point[of], 0) / points.length;
  const [x, y] = [mean(0), mean(1)];
  const product = points.reduce((sum, p) => sum + (p[0] - x) * (p[1] - y), 0);
  const square = points.reduce((sum, p) => sum + (p[0] - x) ** 2, 0);
  return square === 0 ? 0 : product / square;
}

/**
 * Returns the growth of a process's resident memory in a minute, in bytes,
 * without the first part of its time, in which it warms up.
 */
export function growthPerMinute(samples: readonly MemorySample[]): number {
  const lastMs = samples.at(-1)?.atMs ?? 0;
  return slope(
    samples.filter(({ atMs }) => atMs >= lastMs * 0.4)
      .map(({ atMs, rss }) => [atMs / 60_000, rss]),
  );
}

/** The limits of a load. */
export interface Limits {
  /** The maximum size of the WAL, in bytes. */
  readonly walBytesMax: number;
  /** The maximum growth of a process in a minute, in bytes (default: none). */
  readonly growthPerMinuteMax?: number;
}

/** Returns the faults of a load. */
export function judgeLoad(
  { reports, walBytesMax }: Load,
  sessions: readonly LoadSession[],
  limits: Limits,
): string[] {
  const faults: string[] = [];
  const publishedOn = (channel: string | undefined): number =>
    sessions.filter(({ writes }) => writes !== undefined && writes === channel)
      .flatMap(({ session }) =>
        reports.filter((one) => one.session === session)
      )
      .reduce((sum, { published }) => sum + published, 0);
  for (const { session, writes, reads } of sessions) {
    const report = reports.find((one) => one.session === session);
    if (report === undefined) {
      faults.push(`${session} did not report`);
      continue;
    }
    if (writes !== undefined && report.published === 0) {
      faults.push(`${session} published nothing`);
    }
    const expected = publishedOn(reads);
    if (report.delivered !== expected) {
      faults.push(`${session} got ${report.delivered} of ${expected}`);
    }
    faults.push(...report.wrong.map((what) => `${session}: ${what}`));
    const growth = growthPerMinute(report.memory);
    const { growthPerMinuteMax = Infinity } = limits;
    if (growth > growthPerMinuteMax) {
      faults.push(
        `${session} grows by ${Math.round(growth)} bytes a minute`,
      );
    }
  }
  if (walBytesMax > limits.walBytesMax) {
    faults.push(`the WAL was ${walBytesMax} bytes long`);
  }
  return faults;
}
