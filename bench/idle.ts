/**
 * An idle subscriber: what it costs to be on the bus while nobody speaks.
 *
 * Several subscribers on one bus wait for a message that does not come; one of
 * them has the duty to watch for other programs' rows. Beside them, in the same
 * seconds, a program that only sleeps, and one whose timer does nothing as often
 * as a subscriber looks whether it missed something. Processor time is of all
 * threads, over 20 s; each subscriber counts as a round.
 *
 * @module
 */

import { startProgram } from "./children.ts";
import { pause } from "./clock.ts";
import {
  memoryOf,
  ProcessorMeter,
  TELLS_PROCESS_COST,
} from "./process_cost.ts";
import type { Finding, Row } from "./report.ts";

const SUBSCRIBERS = 3;
const SETTLE_MS = 4_000;
const MEASURED_MS = 20_000;

/** Measures it. */
export async function benchIdle(folder: string): Promise<Finding> {
  if (!TELLS_PROCESS_COST) return { rows: [], contestants: [] };
  await using programs = new AsyncDisposableStack();
  const start = (script: string, ...args: string[]): number =>
    programs.use(startProgram(script, args)).pid;
  const subscribers: number[] = [];
  const sleepers: number[] = [];
  const timers: number[] = [];
  for (let i = 0; i < SUBSCRIBERS; i++) {
    subscribers.push(start("idle_subscriber.ts", folder, `idle-${i}`));
    sleepers.push(start("idle_sleeper.ts"));
    timers.push(start("idle_timer.ts"));
  }
  await pause(SETTLE_MS);
  const groups = [subscribers, sleepers, timers];
  const meters = groups.map((pids) =>
    pids.map((pid) => new ProcessorMeter(pid))
  );
  await pause(MEASURED_MS);
  const [busy, asleep, ticking] = meters.map((group) =>
    group.map((meter) => meter.percent())
  );
  const [waiting, sleeping] = groups.map((pids) => pids.map(memoryOf));
  const memory = (
    what: string,
    field: keyof ReturnType<typeof memoryOf>,
    bar?: Row["bar"],
  ): Row => ({
    bench: "idle",
    what,
    unit: "MiB",
    rounds: waiting.map((each) => each[field]),
    baseline: {
      name: "asleep",
      rounds: sleeping.map((each) => each[field]),
    },
    bar,
  });
  return {
    rows: [
      {
        bench: "idle",
        what: "processor",
        unit: "%",
        rounds: busy,
        baseline: { name: "an empty timer", rounds: ticking },
        bar: { of: "figure", most: 0.2 },
      },
      {
        bench: "idle",
        what: "processor, asleep",
        unit: "%",
        rounds: asleep,
      },
      memory("resident", "residentMib", { of: "figure", most: 45 }),
      memory("private", "privateMib"),
      memory("proportional", "proportionalMib"),
    ],
    contestants: [
      "this bus: pushed to, with its safety poll every 250 ms",
      "asleep: an empty Deno program with one timer that never comes",
      "an empty timer: an empty Deno program whose timer does nothing every " +
      "250 ms",
    ],
  };
}
