/**
 * An idle subscriber: the cost of a subscription without messages.
 *
 * Subscribers of the library, from modules and bundled, and an installed `mbus
 * tail` wait on one bus. One of them is the leader that polls for other
 * programs' rows. Programs that sleep, programs with an empty timer at the
 * interval of the safety poll, the floor (a database and a file watch without a
 * bus), and programs that only load the library run at the same time. Processor
 * time is of all threads, over 20 s. Each process counts as a round.
 *
 * @module
 */

import { SMALL_MEMORY } from "../lib/packaging/package_install.ts";
import { runScript, startProgram } from "./children.ts";
import { pause } from "./clock.ts";
import { installed, succeed } from "./installation.ts";
import {
  type Memory,
  memoryOf,
  ProcessorMeter,
  TELLS_PROCESS_COST,
} from "./process_cost.ts";
import type { Bar, Finding, Row } from "./report.ts";

const PROCESSES = 3;
const SETTLE_MS = 4_000;
const MEASURED_MS = 20_000;

const PROCESSOR_BAR: Bar = { of: "figure", max: 0.2 };
const MEMORY_BAR: Bar = { of: "figure", max: 45 };
const MB_PER_MIB = 1.048576;

/** The cost of the processes of one kind. */
interface Cost {
  readonly percent: readonly number[];
  readonly memory: readonly Memory[];
}

/** Measures idle processes. Returns no rows unless the system is Linux. */
export async function benchIdle(folder: string): Promise<Finding> {
  if (!TELLS_PROCESS_COST) return { rows: [], contestants: [] };
  const { launcher } = await installed(folder);
  const home = `${folder}/home`;
  const env = { MBUS_HOME: home, MBUS_SESSION: "tail" };
  // The first run fills V8's code cache for the later ones.
  await succeed(
    new Deno.Command(launcher, {
      args: ["tail", "state", "--timeout", "1s"],
      env,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }),
  );
  await using programs = new AsyncDisposableStack();
  const several = (
    program: string,
    args: (number: number) => string[],
  ): number[] =>
    Array.from(
      { length: PROCESSES },
      (_, i) => programs.use(startProgram(program, args(i), env)).pid,
    );
  const deno = Deno.execPath();
  const floorFolder = `${folder}/floor`;
  await Deno.mkdir(floorFolder);
  const bundle = await bundledSubscriber(`${folder}/bundle`);
  const [library, small, tail, asleep, ticking, floor, loaded] = await costsOf([
    several(
      deno,
      (i) => runScript("idle_subscriber.ts", home, `idle-${i}`),
    ),
    several(deno, (i) => [
      ...["run", "--quiet", "--no-config", "--allow-all"],
      ...[...SMALL_MEMORY, bundle, home, `small-${i}`],
    ]),
    several(launcher, () => ["tail", "state"]),
    several(deno, () => runScript("idle_sleeper.ts")),
    several(deno, () => runScript("idle_timer.ts")),
    several(deno, (i) => runScript("idle_floor.ts", floorFolder, `floor-${i}`)),
    several(deno, () => runScript("idle_import.ts")),
  ]);
  return {
    rows: [
      ...rowsOf("subscriber", library, { floor, ticking }),
      ...rowsOf("bundled subscriber", small, { floor, ticking }),
      ...rowsOf("mbus tail", tail, { floor, ticking }),
      ...memoryRows("floor", floor, { name: "asleep", cost: asleep }),
      ...memoryRows("loaded", loaded, { name: "asleep", cost: asleep }),
    ],
    contestants: [
      "subscriber, bundled subscriber, mbus tail: woken by bells, with the safety " +
      "poll every 250 ms",
      "bundled subscriber: the same program as a bundle in parts, without the " +
      "PostgreSQL client, run with the " +
      `options of mbus tail (${SMALL_MEMORY.join(" ")})`,
      "asleep: an empty Deno program with one timer that does not fire",
      "floor: an empty Deno program with a node:sqlite database in WAL mode, one " +
      "watched file and a query every 250 ms: the minimum of any subscriber",
      "loaded: a Deno program that loads the library, opens nothing and sleeps: " +
      "the cost of the modules",
      "empty timer: an empty Deno program with an empty timer every 250 ms",
      "memory: in MB of 1,000,000 bytes; 45 MB are 42.9 MiB",
    ],
  };
}

/**
 * Bundles the subscriber in parts, without the PostgreSQL client. Returns the
 * program's path.
 */
async function bundledSubscriber(folder: string): Promise<string> {
  const script = new URL("idle_subscriber.ts", import.meta.url).pathname;
  const program = `${folder}/idle_subscriber.js`;
  const bundle = [
    ...["bundle", "--quiet", "--minify", "--code-splitting"],
    ...["--external", "postgres", "--outdir", folder, script],
  ];
  // Cached in advance, as an installed program is.
  for (const args of [bundle, ["cache", "--quiet", "--no-config", program]]) {
    await succeed(
      new Deno.Command(Deno.execPath(), {
        args,
        stdin: "null",
        stdout: "null",
        stderr: "piped",
      }),
    );
  }
  return program;
}

/** Measures the processes of several kinds at the same time. */
async function costsOf(kinds: readonly (readonly number[])[]): Promise<Cost[]> {
  await pause(SETTLE_MS);
  const meters = kinds.map((pids) =>
    pids.map((pid) => new ProcessorMeter(pid))
  );
  await pause(MEASURED_MS);
  return kinds.map((pids, kind) => ({
    percent: meters[kind].map((meter) => meter.percent()),
    memory: pids.map(memoryOf),
  }));
}

function rowsOf(
  what: string,
  cost: Cost,
  { floor, ticking }: { readonly floor: Cost; readonly ticking: Cost },
): Row[] {
  return [
    {
      bench: "idle",
      what: `${what}, processor`,
      unit: "%",
      rounds: cost.percent,
      baseline: { name: "empty timer", rounds: ticking.percent },
      bar: PROCESSOR_BAR,
    },
    ...memoryRows(what, cost, { name: "floor", cost: floor }, MEMORY_BAR),
  ];
}

function memoryRows(
  what: string,
  cost: Cost,
  baseline: { readonly name: string; readonly cost: Cost },
  residentBar?: Bar,
): Row[] {
  const row = (name: string, field: keyof Memory, bar?: Bar): Row => ({
    bench: "idle",
    what: `${what}, ${name}`,
    unit: "MB",
    rounds: inMb(cost, field),
    baseline: { name: baseline.name, rounds: inMb(baseline.cost, field) },
    bar,
  });
  return [
    row("resident", "residentMib", residentBar),
    row("private", "privateMib"),
    row("proportional", "proportionalMib"),
  ];
}

function inMb({ memory }: Cost, field: keyof Memory): number[] {
  return memory.map((each) => each[field] * MB_PER_MIB);
}
