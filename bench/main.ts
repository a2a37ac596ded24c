/**
 * The benchmarks, one command each.
 *
 * ```text
 * deno task bench:gate      the acceptance test; exits with 1 if it is not met
 * deno task bench:matrix    this bus among its rivals
 * deno task bench:growth    costs as messages, locks and sessions grow
 * deno task bench:start     the cost of a command as a whole process
 * deno task bench           delivery, hooks, publishing, idling, coordination
 * deno task bench:pages     renders the pages from the results
 * ```
 *
 * Results go to `docs/benchmarks`, or to `--out DIR`. `--quick` is short and
 * writes to `dist/benchmarks`, because a short run proves nothing. `--json`
 * prints the verdicts as JSON.
 *
 * A figure counts as a ratio to a contestant of the same run. Only the gate's
 * bars fail a run, because a machine may be busy. Otherwise it exits with 1
 * only if a benchmark could not run. It works in a temporary folder, and
 * removes it.
 *
 * @module
 */

import { parseArgs } from "node:util";
import { endChildren } from "./children.ts";
import { benchCoordination } from "./coordination.ts";
import { benchDelivery } from "./delivery.ts";
import { benchGate } from "./gate.ts";
import { benchGrowth } from "./growth.ts";
import { benchHook } from "./hook.ts";
import { benchIdle } from "./idle.ts";
import { type Machine, machineOf } from "./machine.ts";
import { benchMatrix } from "./matrix.ts";
import { benchPostgres } from "./postgres.ts";
import { benchPublish } from "./publish.ts";
import { type Finding, tableOf, type Verdict } from "./report.ts";
import type { Outcome, Result, Task } from "./result.ts";
import { Run } from "./run.ts";
import { writeResult } from "./pages.ts";
import { endServers } from "./servers.ts";
import { benchStart } from "./start.ts";
import { availability } from "../tests/postgres/server.ts";

// A task takes less than 10 min. Busy machines get more.
const TASK_MINUTES_MAX = 15;

/** Benchmarks that write a result and a page. */
const TASKS: Readonly<Record<Task, (run: Run) => Promise<Outcome>>> = {
  gate: benchGate,
  matrix: benchMatrix,
  growth: benchGrowth,
  start: benchStart,
};

/** Benchmarks that only print. */
const BENCHES: Readonly<
  Record<string, (folder: string) => Promise<Finding>>
> = {
  delivery: benchDelivery,
  hook: benchHook,
  publish: benchPublish,
  idle: benchIdle,
  coordination: benchCoordination,
  // Absent where PostgreSQL is not installed.
  ...(availability.ignore ? {} : { postgres: benchPostgres }),
};

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    args: Deno.args,
    options: {
      json: { type: "boolean", default: false },
      quick: { type: "boolean", default: false },
      out: { type: "string" },
    },
    allowPositionals: true,
  });
  const unknown = positionals.find((name) =>
    !(name in { ...TASKS, ...BENCHES })
  );
  if (unknown !== undefined) {
    console.error(
      `Cannot run "${unknown}": it is not a benchmark. Use one of ` +
        `${Object.keys({ ...TASKS, ...BENCHES }).join(", ")}.`,
    );
    return 2;
  }
  const root = new URL("..", import.meta.url).pathname;
  const out = values.out ??
    `${root}${values.quick ? "dist" : "docs"}/benchmarks`;
  const names = positionals.length > 0 ? positionals : Object.keys(BENCHES);
  const machine = await machineOf();
  const folder = await Deno.makeTempDir({ prefix: "mbus-bench-" });
  const end = (code: number): never => {
    endChildren();
    endServers();
    removeFolder(folder);
    Deno.exit(code);
  };
  const interrupted = (): never => end(130);
  Deno.addSignalListener("SIGINT", interrupted);
  Deno.addSignalListener("SIGTERM", interrupted);
  let failures = 0;
  try {
    for (const name of names) {
      const place = `${folder}/${name}`;
      await Deno.mkdir(place, { mode: 0o700 });
      const run = new Run(name, place, values.quick);
      const late = setTimeout(() => {
        console.error(
          `Cannot finish ${name}: it has run for ${TASK_MINUTES_MAX} min. ` +
            "Run it on an idle machine.",
        );
        end(1);
      }, TASK_MINUTES_MAX * 60_000);
      try {
        const remarks = name in TASKS
          ? await runTask(name as Task, run, machine, out)
          : await runBench(name, run);
        report(run, machine, remarks, values.json);
      } catch (error) {
        console.error(`${name}: ${(error as Error).message}`);
        failures++;
      }
      clearTimeout(late);
      for (const what of run.failed) console.error(`NOT MET ${what}`);
      failures += run.failed.length;
    }
  } finally {
    endChildren();
    endServers();
    removeFolder(folder);
    Deno.removeSignalListener("SIGINT", interrupted);
    Deno.removeSignalListener("SIGTERM", interrupted);
  }
  return failures > 0 ? 1 : 0;
}

const REMOVE_TRIES_MAX = 50;

/**
 * Removes a folder. Retries, because a killed process may still write there.
 */
function removeFolder(folder: string): void {
  for (let tries = 1;; tries++) {
    try {
      return Deno.removeSync(folder, { recursive: true });
    } catch (error) {
      if (tries === REMOVE_TRIES_MAX) throw error;
    }
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
  }
}

async function runTask(
  task: Task,
  run: Run,
  machine: Machine,
  out: string,
): Promise<readonly string[]> {
  const outcome = await TASKS[task](run);
  const result: Result = {
    task,
    date: new Date().toISOString(),
    seconds: Math.round(run.seconds),
    quick: run.quick,
    command: `deno task bench:${task}${run.quick ? " --quick" : ""}`,
    machine,
    verdicts: run.verdicts,
    ...outcome,
    contestants: outcome.contestants.map(({ label, durability, remark }) => ({
      label,
      durability,
      remark,
    })),
  };
  const page = await writeResult(out, result);
  return [
    ...outcome.contestants.map(({ label, durability }) =>
      `${label}: ${durability}`
    ),
    `written: ${page}`,
  ];
}

async function runBench(name: string, run: Run): Promise<readonly string[]> {
  run.progress("…");
  const { rows, contestants } = await BENCHES[name](run.folder);
  run.judge(rows);
  return contestants;
}

function report(
  { verdicts }: Run,
  machine: Machine,
  remarks: readonly string[],
  json: boolean,
): void {
  if (json) {
    console.log(JSON.stringify({ machine, verdicts, remarks }));
    return;
  }
  const { system, cores, versions, load } = machine;
  console.log(
    `Deno ${versions.Deno}, ${system}, ${cores} cores, load ` +
      `${load.toFixed(1)}; medians of rounds (min–max)\n`,
  );
  console.log(tableOf(verdicts));
  console.log(`\n${remarks.join("\n")}`);
  console.log(`\n${summaryOf(verdicts)}\n`);
}

function summaryOf(verdicts: readonly Verdict[]): string {
  const judged = verdicts.filter(({ met }) => met !== undefined);
  const missed = judged.filter(({ met }) => !met);
  return `${judged.length - missed.length} of ${judged.length} bars met` +
    (missed.length === 0
      ? "."
      : `; not: ${
        missed.map(({ bench, what }) => `${bench} ${what}`).join("; ")
      }.`);
}

if (import.meta.main) Deno.exit(await main());
