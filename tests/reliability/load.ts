/**
 * Load: many sessions, each a process that publishes at a steady rate and reads
 * what others publish, for a while; and what it came to.
 *
 * Each session reads one channel. A message says who published it and which of
 * his it is, so its reader finds by itself whether one is missing, comes twice
 * or in the wrong order; the last one says so. Publishers keep to a schedule, as
 * far as the machine lets them: what they came to is told, and must all arrive.
 *
 * @module
 */

import { getMessagingDbPath } from "../../mod.ts";
import { TextLineStream } from "../text_lines.ts";
import { LIBRARY } from "./crash.ts";
import { Chance } from "./seed.ts";
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
  /**
   * How many sessions publish on the channel that it reads.
   * @default {1}
   */
  readonly writers?: number;
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
  /** What its choices follow from. */
  readonly seed: number;
  /** How often it looks at its memory, in milliseconds. */
  readonly sampleEveryMs: number;
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
  /** How many messages it published, beside the one that is the last. */
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
   * What its choices follow from.
   * @default {1}
   */
  readonly seed?: number;
  /**
   * The `mod.ts` of the library.
   * @default {LIBRARY}
   */
  readonly library?: string;
  /**
   * How long after all was published they tell how far they came, if they have
   * not read all, in milliseconds: far above what that takes when all is well.
   * @default {120000}
   */
  readonly latestAfterMs?: number;
}

const STARTED_AT_A_TIME = 8;

// To look at its memory a process tidies it up, which takes some milliseconds:
// all together they must not be busy with that.
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
    for (const one of running) await one.say("go");
    const longest = Math.max(...sessions.map(({ seconds }) => seconds));
    const latestMs = longest * 1_000 + latestAfterMs;
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

/** How late messages were, in a memory that does not grow with them. */
export class Lateness {
  // By steps of a tenth, from a hundredth of a millisecond on.
  readonly #counts = new Uint32Array(256);
  #total = 0;

  /** Adds one, in milliseconds. */
  add(lateMs: number): void {
    const step = Math.ceil(Math.log(Math.max(lateMs, 0.01) / 0.01) / STEP);
    this.#counts[Math.min(step, this.#counts.length - 1)]++;
    this.#total++;
  }

  /** At most how late that part of them was, within a tenth. */
  quantile(part: number): number {
    let seen = 0;
    const step = this.#counts.findIndex((count) =>
      (seen += count) >= this.#total * part
    );
    return Number((0.01 * Math.exp(STEP * step)).toPrecision(2));
  }
}

const STEP = Math.log(1.1);

/** By how much `y` grows for each `x`, by least squares. */
export function slope(points: readonly (readonly [number, number])[]): number {
  const mean = (of: 0 | 1) =>
    points.reduce((sum, point) => sum + point[of], 0) / points.length;
  const [x, y] = [mean(0), mean(1)];
  const product = points.reduce((sum, p) => sum + (p[0] - x) * (p[1] - y), 0);
  const square = points.reduce((sum, p) => sum + (p[0] - x) ** 2, 0);
  return square === 0 ? 0 : product / square;
}

/**
 * By how many bytes the resident memory of a process grows in a minute, after
 * the first part of its time, in which it warms up.
 */
export function growthPerMinute(samples: readonly MemorySample[]): number {
  const lastMs = samples.at(-1)?.atMs ?? 0;
  return slope(
    samples.filter(({ atMs }) => atMs >= lastMs * 0.4)
      .map(({ atMs, rss }) => [atMs / 60_000, rss]),
  );
}

/** What is demanded of a load. */
export interface Demands {
  /** The most that the log may be, in bytes. */
  readonly logBytesMax: number;
  /** The most that a process may grow in a minute, in bytes; else not asked. */
  readonly growthPerMinuteMax?: number;
}

/** All that speaks against a load. */
export function judgeLoad(
  { reports, logBytesMax }: Load,
  sessions: readonly LoadSession[],
  demands: Demands,
): string[] {
  const complaints: string[] = [];
  const publishedOn = (channel: string | undefined): number =>
    sessions.filter(({ writes }) => writes !== undefined && writes === channel)
      .flatMap(({ session }) =>
        reports.filter((one) => one.session === session)
      )
      .reduce((sum, { published }) => sum + published, 0);
  for (const { session, writes, reads } of sessions) {
    const report = reports.find((one) => one.session === session);
    if (report === undefined) {
      complaints.push(`${session} said nothing`);
      continue;
    }
    if (writes !== undefined && report.published === 0) {
      complaints.push(`${session} published nothing`);
    }
    const expected = publishedOn(reads);
    if (report.delivered !== expected) {
      complaints.push(`${session} got ${report.delivered} of ${expected}`);
    }
    complaints.push(...report.wrong.map((what) => `${session}: ${what}`));
    const growth = growthPerMinute(report.memory);
    const { growthPerMinuteMax = Infinity } = demands;
    if (growth > growthPerMinuteMax) {
      complaints.push(
        `${session} grows by ${Math.round(growth)} bytes a minute`,
      );
    }
  }
  if (logBytesMax > demands.logBytesMax) {
    complaints.push(`the log was ${logBytesMax} bytes long`);
  }
  return complaints;
}
