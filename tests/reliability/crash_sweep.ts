/**
 * A sweep of crashes: one step of a process, killed at its 1st system call of a
 * kind, at its 2nd, and so on to the last.
 *
 * strace kills it as it enters the call, before the call does anything, so the
 * nth kill leaves what n − 1 calls did. Only calls on the database's files
 * count. What SQLite writes to the shared index goes through memory and is no
 * call: kills between those writes come at random only (crash.ts).
 *
 * @module
 */

import type { MessageBus, OpenBusOptions } from "../../mod.ts";
import { check, type Violation } from "./checker.ts";
import { endOf, LIBRARY } from "./crash.ts";
import { flawOfMigration } from "./crash_schema.ts";
import { CHANNELS, type CrashStep, told } from "./crash_workload.ts";
import { readHistories, Recorder } from "./history.ts";
import type { Chance } from "./seed.ts";

/** The steps. */
export const STEPS: readonly CrashStep[] = [
  "first open",
  "commit",
  "checkpoint",
  "purge",
  "migration",
  "last close",
];

/** The calls by which SQLite, and the making of the folder, change files. */
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

/** How to sweep. */
export interface SweepOptions {
  /** What its choices follow from. */
  readonly chance: Chance;
  /** How many calls of a kind at the most, taken at random; else every one. */
  readonly most: number;
  /**
   * The `mod.ts` of the library.
   * @default {LIBRARY}
   */
  readonly library?: string;
}

/** What a sweep came to. */
export interface Sweep {
  /** How many calls of each kind the step makes, those it makes none of left out. */
  readonly calls: Readonly<Record<string, number>>;
  /** How many processes were killed. */
  readonly kills: number;
  /** What speaks against it. */
  readonly violations: readonly Violation[];
}

/** Sweeps a step. */
export async function sweep(
  step: CrashStep,
  options: SweepOptions,
): Promise<Sweep> {
  const { chance, most, library = LIBRARY } = options;
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
      for (const n of positions(count, most, chance)) await one(call, n);
      // The count may differ from run to run: to the end of this one, too.
      for (let n = count + 1; most >= count && await one(call, n); n++);
    }
    return { calls, kills, violations };
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

/** Which of `count` calls: all, or so many spread over them. */
function positions(count: number, most: number, chance: Chance): number[] {
  const stride = Math.max(1, count / most);
  const first = chance.next() * stride;
  return Array.from(
    { length: Math.min(count, most) },
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

  /** Opens a bus in this process, by the library that is swept. */
  async #open(home: string, session: string): Promise<MessageBus> {
    const { openBus } = await import(this.#library);
    const options: OpenBusOptions = { home, project: null, session };
    return await openBus(options);
  }

  /** Makes what each run begins with. */
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
      recorder.record({ deed: "publishing", channel, keys });
      const published = await bus.publishMany(
        keys.map((payload) => ({ channel, payload, ttlSeconds })),
      );
      const ids = published.map(({ id }) => id);
      recorder.record({ deed: "published", channel, keys, ids });
    };
    const durable = CHANNELS.brief;
    const reader = bus.subscribe(CHANNELS.brief, { durable, from: "start" });
    await reader.ready;
    recorder.record({
      deed: "subscribed",
      subscription: "founder",
      channel: CHANNELS.brief,
      cursor: reader.cursor,
      durable,
    });
    await reader.close();
    await publish(CHANNELS.kept, 3, 24 * 60 * 60);
    // Over by the time that a run begins, and more than a step of the purge.
    if (this.#step === "purge") await publish(CHANNELS.brief, 250, 0.001);
  }

  /** How many calls of each kind a run makes that nobody kills. */
  async countCalls(): Promise<Record<string, number>> {
    const { folder, success } = await this.#run([]);
    if (!success) {
      throw new Error(`Nobody killed it, and "${this.#step}" failed`);
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

  /** Kills a run at its nth call of a kind, and judges what it leaves. */
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
        recorder.record({ deed: "failed", act: "look", error: told(error) });
      }
    }
    return check({
      histories: readHistories(histories),
      end: { ...endOf(home), heldByDead: [] },
    });
  }

  /** Goes on with what was left, as the next process does. */
  async #survive(home: string, recorder: Recorder): Promise<void> {
    if (this.#step === "migration") {
      const flaw = flawOfMigration(home);
      if (flaw !== undefined) throw new Error(flaw);
    }
    await using bus = await this.#open(home, "survivor");
    const said = { channel: CHANNELS.kept, keys: ["survivor/0"] };
    recorder.record({ deed: "publishing", ...said });
    const { id } = await bus.publish(CHANNELS.kept, said.keys[0], {
      ttlSeconds: 60,
    });
    recorder.record({ deed: "published", ...said, ids: [id] });
    if (this.#step === "purge") await bus.purge();
  }
}

/** Copies the files of a folder; one that is not there is passed over. */
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
