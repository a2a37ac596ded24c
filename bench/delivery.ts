/**
 * Delivery between processes: from publishing to the reader's hands.
 *
 * Ten sessions, each a process, publish 100 messages a second together on
 * mixed channels, and each gets what the nine others say. Beside it a mesh of
 * Unix sockets between the same number of processes does the same work without
 * storing anything. They take turns; each round has processes of its own.
 *
 * Two times are reported: from the start of `publish` (or of the writes), which
 * has the commit in it, and from its end. The second can be negative: the
 * reader may have the message before its publisher is told that it is stored.
 *
 * @module
 */

import { type Child, startChild } from "./children.ts";
import { pause } from "./clock.ts";
import { memoryOf, processorMs, TELLS_PROCESS_COST } from "./process_cost.ts";
import { type Distribution, distributionOf } from "./quantiles.ts";
import type { Bar, Finding, Row } from "./report.ts";
import type { SessionAccount, SessionTask } from "./workload.ts";

const SESSIONS = 10;
const MESSAGES_PER_SECOND = 100;
const ROUNDS = 3;
const WARM_UP_MS = 1_000;
const MEASURED_MS = 4_000;

interface Round {
  readonly fromStart: Distribution;
  readonly fromEnd: Distribution;
  /** Share of one core that all processes used together, in percent. */
  readonly processorPercent: number;
  /** What all processes would free together, in MB. */
  readonly privateMb: number;
}

/** Measures it. */
export async function benchDelivery(folder: string): Promise<Finding> {
  const [bus, socket]: [Round[], Round[]] = [[], []];
  for (let round = 0; round < ROUNDS; round++) {
    bus.push(await runRound("delivery_bus.ts", `${folder}/bus-${round}`));
    socket.push(
      await runRound("delivery_socket.ts", `${folder}/socket-${round}`),
    );
  }
  const row = (
    what: string,
    unit: string,
    of: (round: Round) => number,
    bar?: Bar,
  ): Row => ({
    bench: "delivery",
    what,
    unit,
    rounds: bus.map(of),
    baseline: { name: "Unix sockets", rounds: socket.map(of) },
    bar,
  });
  const p50: Bar = { of: "figure", most: 0.6 };
  const p99: Bar = { of: "figure", most: 2 };
  return {
    rows: [
      row("p50 from start", "ms", ({ fromStart }) => fromStart.p50, p50),
      row("p90 from start", "ms", ({ fromStart }) => fromStart.p90),
      row("p99 from start", "ms", ({ fromStart }) => fromStart.p99, p99),
      row("max from start", "ms", ({ fromStart }) => fromStart.max),
      row("p50 from commit", "ms", ({ fromEnd }) => fromEnd.p50, p50),
      row("p90 from commit", "ms", ({ fromEnd }) => fromEnd.p90),
      row("p99 from commit", "ms", ({ fromEnd }) => fromEnd.p99, p99),
      row("max from commit", "ms", ({ fromEnd }) => fromEnd.max),
      ...(TELLS_PROCESS_COST
        ? [
          row("processor, all", "%", (round) => round.processorPercent),
          row("private memory, all", "MB", (round) => round.privateMb),
        ]
        : []),
    ],
    contestants: [
      `this bus: stored, WAL, synchronous=NORMAL: survives the death of any ` +
      `process, ${SESSIONS} sessions, each message to ${SESSIONS - 1} readers`,
      "Unix sockets: a mesh, nothing stored: what was not read yet dies with " +
      "its reader",
    ],
  };
}

async function runRound(script: string, folder: string): Promise<Round> {
  await Deno.mkdir(folder, { mode: 0o700 });
  await using started = new AsyncDisposableStack();
  const children: Child[] = [];
  for (let session = 0; session < SESSIONS; session++) {
    const task: SessionTask = {
      session,
      sessions: SESSIONS,
      folder,
      messagesPerSecond: MESSAGES_PER_SECOND / SESSIONS,
      warmUpMs: WARM_UP_MS,
      measuredMs: MEASURED_MS,
    };
    children.push(started.use(startChild(script, task)));
  }
  const all = <T>(act: (child: Child) => Promise<T>): Promise<T[]> =>
    Promise.all(children.map(act));
  for (let step = 0; step < 2; step++) {
    await all((child) => child.next());
    await all((child) => child.tell("go on"));
  }
  const cost = await costOf(children);
  const accounts = await all((child) => child.next<SessionAccount>());
  // Together, as each waits for the others to hang up.
  await all((child) => child.end());
  return { ...latencies(accounts), ...cost };
}

async function costOf(
  children: readonly Child[],
): Promise<Pick<Round, "processorPercent" | "privateMb">> {
  if (!TELLS_PROCESS_COST) return { processorPercent: NaN, privateMb: NaN };
  const used = (): number =>
    children.reduce((sum, { pid }) => sum + processorMs(pid), 0);
  await pause(WARM_UP_MS);
  const [before, beganAt] = [used(), performance.now()];
  await pause(MEASURED_MS * 0.9);
  return {
    processorPercent: 100 * (used() - before) / (performance.now() - beganAt),
    privateMb: children.reduce(
      (sum, { pid }) => sum + memoryOf(pid).privateMb,
      0,
    ),
  };
}

function latencies(
  accounts: readonly SessionAccount[],
): Pick<Round, "fromStart" | "fromEnd"> {
  const arrivals = new Map<string, number[]>();
  for (const { heard } of accounts) {
    for (const [session, number, at] of heard) {
      const key = `${session}#${number}`;
      const times = arrivals.get(key);
      if (times === undefined) arrivals.set(key, [at]);
      else times.push(at);
    }
  }
  const [fromStart, fromEnd]: [number[], number[]] = [[], []];
  accounts.forEach(({ said }, session) => {
    for (const [number, start, end] of said) {
      const times = arrivals.get(`${session}#${number}`) ?? [];
      if (times.length !== accounts.length - 1) {
        throw new Error(
          `message ${number} of session ${session} came ${times.length} times ` +
            `to ${accounts.length - 1} readers`,
        );
      }
      for (const at of times) {
        fromStart.push(at - start);
        fromEnd.push(at - end);
      }
    }
  });
  return {
    fromStart: distributionOf(fromStart),
    fromEnd: distributionOf(fromEnd),
  };
}
