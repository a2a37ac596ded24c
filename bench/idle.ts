/**
 * An idle subscriber: what it costs to be on the bus while nobody speaks.
 *
 * Subscribers of the library, from its modules and bundled, and `mbus tail`, as it
 * is installed, wait on one bus for a message that does not come; one of them has
 * the duty to watch for other programs' rows. Beside them, in the same seconds,
 * programs that only sleep, some whose timer does nothing as often as a subscriber
 * looks whether it missed something, the floor: a database and a watch on a file,
 * with no bus around them, and what only loads the library. Processor time is of all
 * threads, over 20 s; each process counts as a round.
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

const PROCESSOR_BAR: Bar = { of: "figure", most: 0.2 };
const MEMORY_BAR: Bar = { of: "figure", most: 45 };
const MB_PER_MIB = 1.048576;

/** What the processes of one kind cost. */
interface Cost {
  readonly percent: readonly number[];
  readonly memory: readonly Memory[];
}

/** Measures it. */
export async function benchIdle(folder: string): Promise<Finding> {
  if (!TELLS_PROCESS_COST) return { rows: [], contestants: [] };
  const { launcher } = await installed(folder);
  const home = `${folder}/home`;
  const env = { MBUS_HOME: home, MBUS_SESSION: "tail" };
  // The first one compiles what those after it find compiled.
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
      "subscriber, bundled subscriber, mbus tail: pushed to, with the safety poll " +
      "every 250 ms",
      "bundled subscriber: the same program as a bundle in parts, without the " +
      "client of PostgreSQL, run by the " +
      `options that mbus tail is run by (${SMALL_MEMORY.join(" ")})`,
      "asleep: an empty Deno program with one timer that does not come",
      "floor: an empty Deno program with a node:sqlite database in WAL mode, one " +
      "watched file and a look every 250 ms: what no subscriber can be below",
      "loaded: a Deno program that loads the library, opens nothing and sleeps: " +
      "what its modules are",
      "empty timer: an empty Deno program whose timer does nothing every 250 ms",
      "memory: in MB of 1,000,000 bytes; 45 MB are 42.9 MiB",
    ],
  };
}

/**
 * The subscriber as a bundle in parts, without the client of PostgreSQL; returns the
 * program's path.
 */
async function bundledSubscriber(folder: string): Promise<string> {
  const script = new URL("idle_subscriber.ts", import.meta.url).pathname;
  const program = `${folder}/idle_subscriber.js`;
  const bundle = [
    ...["bundle", "--quiet", "--minify", "--code-splitting"],
    ...["--external", "postgres", "--outdir", folder, script],
  ];
  // As with an installed program, nobody who runs it has to read it first.
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

/** What the processes of several kinds cost, measured in the same seconds. */
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
