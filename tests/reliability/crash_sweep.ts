/**
 * A sweep of crashes: runs one step of a process, and kills it at its first
 * system call of a kind, at its second, and so on.
 *
 * strace kills the process on entry to the call, so the nth kill leaves the
 * effects of n − 1 calls. Only calls on the bus's files count. SQLite writes
 * the WAL index through memory, without calls, so only crash.ts kills between
 * those writes.
 *
 * @module
 */

import type { MessageBus, OpenBusOptions } from "../../mod.ts";
import { check, type Violation } from "./checker.ts";
import { endOf, LIBRARY } from "./crash.ts";
import { flawOfMigration } from "./crash_schema.ts";
import { CHANNELS, type CrashStep, errorText } from "./crash_workload.ts";
import { readHistories, Recorder } from "./history.ts";
import type { Chance } from "./seed.ts";

/** All steps. */
export const STEPS: readonly CrashStep[] = [
  "first open",
  "commit",
  "checkpoint",
  "purge",
  "migration",
  "last close",
];

/** The calls by which SQLite and the creation of the folder change files. */
const CALLS = [
  "pwrite64",
  "fsync",
  "fdatasync",
  "ftruncate",
  "fallocate",
  "unlink",
  "rename",
  "mmap",
  "openat",
  "mkdir",
  "chmod",
] as const;

/** Options of a sweep. */
export interface SweepOptions {
  /** The source of random choices. */
  readonly chance: Chance;
  /** The maximum number of calls of a kind. More calls are sampled. */
  readonly callsMax: number;
  /**
   * The URL of the library's `mod.ts`.
   * @default {LIBRARY}
   */
  readonly library?: string;
}

/** The result of a sweep. */
export interface Sweep {
  /** The number of the step's calls, by kind. */
  readonly calls: Readonly<Record<string, number>>;
  /** The number of killed processes. */
  readonly kills: number;
  /** The broken rules. */
  readonly violations: readonly Violation[];
}

/** Sweeps a step. */
export async function sweep(
  step: CrashStep,
  options: SweepOptions,
): Promise<Sweep> {
  const { chance, callsMax, library = LIBRARY } = options;
  const root = await Deno.makeTempDir({ prefix: "mbus-sweep-" });
  try {
    const sweeper = new Sweeper(root, step, library);
    await sweeper.prepare();
    const calls = await sweeper.countCalls();
    const violations: Violation[] = [];
    let kills = 0;
    const one = async (call: string, n: number): Promise<boolean> => {
      const { killed, found } = await sweeper.killAt(call, n);
      if (killed) kills++;
      violations.push(...found.map(({ rule, what }) => ({
        rule,
        what: `${step}, killed at ${call} ${n}: ${what}`,
      })));
      return killed;
    };
    for (const [call, count] of Object.entries(calls)) {
      for (const n of positions(count, callsMax, chance)) await one(call, n);
      // A later run may make more calls than the counted one.
      for (let n = count + 1; callsMax >= count && await one(call, n); n++);
    }
    return { calls, kills, violations };
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

/** Returns the positions of all `count` calls, or of `max` spread over them. */
function positions(count: number, max: number, chance: Chance): number[] {
  const stride = Math.max(1, count / max);
  const first = chance.next() * stride;
  return Array.from(
    { length: Math.min(count, max) },
    (_, i) => 1 + Math.floor(stride === 1 ? i : first + i * stride),
  );
}

class Sweeper {
  readonly #root: string;
  readonly #step: CrashStep;
  readonly #library: string;
  readonly #template: string;
  #runs = 0;

  constructor(root: string, step: CrashStep, library: string) {
    this.#root = root;
    this.#step = step;
    this.#library = library;
    this.#template = `${root}/template`;
  }

  /** Opens a bus in this process by the tested library. */
  async #open(home: string, session: string): Promise<MessageBus> {
    const { openBus } = await import(this.#library);
    const options: OpenBusOptions = { home, project: null, session };
    return await openBus(options);
  }

  /** Makes the bus that each run copies. */
  async prepare(): Promise<void> {
    await Deno.mkdir(`${this.#template}/histories`, { recursive: true });
    if (this.#step === "first open") return;
    using recorder = new Recorder(`${this.#template}/histories/founder.jsonl`);
    await using bus = await this.#open(`${this.#template}/bus`, "founder");
    const publish = async (
      channel: string,
      count: number,
      ttlSeconds: number,
    ): Promise<void> => {
      const keys = Array.from({ length: count }, (_, i) => `${channel}/${i}`);
      recorder.record({ action: "publishing", channel, keys });
      const published = await bus.publishMany(
        keys.map((payload) => ({ channel, payload, ttlSeconds })),
      );
      const ids = published.map(({ id }) => id);
      recorder.record({ action: "published", channel, keys, ids });
    };
    const durable = CHANNELS.brief;
    const reader = bus.subscribe(CHANNELS.brief, { durable, from: "start" });
    await reader.ready;
    recorder.record({
      action: "subscribed",
      subscription: "founder",
      channel: CHANNELS.brief,
      cursor: reader.cursor,
      durable,
    });
    await reader.close();
    await publish(CHANNELS.kept, 3, 24 * 60 * 60);
    // Expired at the start of a run, and more than one purge step.
    if (this.#step === "purge") await publish(CHANNELS.brief, 250, 0.001);
  }

  /** Counts the calls of a run without a kill, by kind. */
  async countCalls(): Promise<Record<string, number>> {
    const { folder, success } = await this.#run([]);
    if (!success) {
      throw new Error(`Cannot count calls: "${this.#step}" failed unkilled.`);
    }
    const trace = await Deno.readTextFile(`${folder}/trace`);
    const calls: Record<string, number> = {};
    for (const line of trace.split("\n")) {
      const call = /^\d+ +(\w+)\(/.exec(line)?.[1];
      if (call !== undefined) calls[call] = (calls[call] ?? 0) + 1;
    }
    await Deno.remove(folder, { recursive: true });
    return calls;
  }

  /** Kills a run at its nth call of a kind, and judges the bus. */
  async killAt(
    call: string,
    n: number,
  ): Promise<{ killed: boolean; found: Violation[] }> {
    const { folder, signal } = await this.#run([
      "-e",
      `inject=${call}:signal=SIGKILL:when=${n}`,
    ]);
    const found = await this.#judge(folder);
    await Deno.remove(folder, { recursive: true });
    return { killed: signal === "SIGKILL", found };
  }

  async #run(
    injection: readonly string[],
  ): Promise<{ folder: string; success: boolean; signal: string | null }> {
    const folder = `${this.#root}/${this.#runs++}`;
    await Deno.mkdir(folder);
    for (const name of ["bus", "bus/db", "bus/bells", "histories"]) {
      await copyFiles(`${this.#template}/${name}`, `${folder}/${name}`);
    }
    const home = `${folder}/bus`;
    const database = `${home}/db/messaging.db`;
    const paths = [home, `${home}/db`, `${home}/bells`]
      .concat(["", "-wal", "-shm", "-journal"].map((end) => database + end));
    const { success, signal } = await new Deno.Command("strace", {
      args: [
        "-f",
        "-qq",
        "-o",
        `${folder}/trace`,
        ...paths.flatMap((path) => ["-P", path]),
        "-e",
        `trace=${CALLS.join()}`,
        ...injection,
        Deno.execPath(),
        "run",
        "--quiet",
        "--allow-all",
        new URL("./peers/crash_step.ts", import.meta.url).pathname,
        JSON.stringify({
          home,
          history: `${folder}/histories/stepper.jsonl`,
          step: this.#step,
          library: this.#library,
        }),
      ],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).output();
    return { folder, success, signal };
  }

  async #judge(folder: string): Promise<Violation[]> {
    const home = `${folder}/bus`;
    const histories = `${folder}/histories`;
    {
      using recorder = new Recorder(`${histories}/survivor.jsonl`);
      try {
        await this.#survive(home, recorder);
      } catch (error) {
        recorder.record({
          action: "failed",
          act: "look",
          error: errorText(error),
        });
      }
    }
    return check({
      histories: readHistories(histories),
      end: { ...endOf(home), heldByDead: [] },
    });
  }

  /** Uses the bus after the kill, as the next process does. */
  async #survive(home: string, recorder: Recorder): Promise<void> {
    if (this.#step === "migration") {
      const flaw = flawOfMigration(home);
      if (flaw !== undefined) throw new Error(flaw);
    }
    await using bus = await this.#open(home, "survivor");
    const messages = { channel: CHANNELS.kept, keys: ["survivor/0"] };
    recorder.record({ action: "publishing", ...messages });
    const { id } = await bus.publish(CHANNELS.kept, messages.keys[0], {
      ttlSeconds: 60,
    });
    recorder.record({ action: "published", ...messages, ids: [id] });
    if (this.#step === "purge") await bus.purge();
  }
}

/** Copies the files of a folder, if the folder exists. */
async function copyFiles(from: string, to: string): Promise<void> {
  let entries;
  try {
    entries = [...Deno.readDirSync(from)];
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    throw error;
  }
  await Deno.mkdir(to, { mode: 0o700 });
  for (const { name, isFile } of entries) {
    if (isFile) await Deno.copyFile(`${from}/${name}`, `${to}/${name}`);
  }
}
