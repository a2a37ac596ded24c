/**
 * Delivery between processes: from publishing to the reader's hands.
 *
 * Ten sessions, each a process, publish 100 messages a second together: first
 * each gets what the nine others say, on mixed channels; then each message has
 * one reader. Beside it a mesh of Unix sockets between as many processes does
 * the same without storing anything; and processes that only watch a file each
 * and touch the others' show the floor of being pushed by the file system. They
 * take turns; each round has processes of its own.
 *
 * Three times are reported: from the commit; from the start of `publish`, which
 * has the commit in it; and from its end, when it has rung all. The last can be
 * negative: a reader may have the message before its publisher is told. A
 * socket's commit is its start, as nothing is stored.
 *
 * @module
 */

import { type Child, startChild } from "./children.ts";
import { pause } from "./clock.ts";
import {
  memoryOf,
  ProcessorMeter,
  TELLS_PROCESS_COST,
} from "./process_cost.ts";
import { type Distribution, distributionOf } from "./quantiles.ts";
import type { Bar, Finding, Row } from "./report.ts";
import type { Audience, SessionAccount, SessionTask } from "./workload.ts";

const SESSIONS = 10;
const MESSAGES_PER_SECOND = 100;
const ROUNDS = 3;
const WARM_UP_MS = 800;
const MEASURED_MS = 3_500;

/** How long messages were under way, in ms. */
export interface Latencies {
  readonly start: Distribution;
  readonly commit: Distribution;
  readonly end: Distribution;
}

/** What one round came to. */
export interface Round extends Latencies {
  /** Share of one core that all processes used together, in percent. */
  readonly processorPercent: number;
  /** What all processes would free together, in MiB. */
  readonly privateMib: number;
}

interface Rounds {
  readonly bus: readonly Round[];
  readonly socket: readonly Round[];
  /** Only where a message is for all. */
  readonly watch: readonly Round[];
}

/** Measures it. */
export async function benchDelivery(folder: string): Promise<Finding> {
  const all = await runRounds(folder, "all");
  const one = await runRounds(folder, "one");
  const [p50, p99]: [Bar, Bar] = [
    { of: "figure", most: 0.6 },
    { of: "figure", most: 2 },
  ];
  return {
    rows: [
      ...(["commit", "start", "end"] as const).flatMap((from) => {
        // What is judged is the delivery, from the commit on.
        const bars = from === "commit" ? { p50, p99 } : {};
        return [
          ...rowsOf("to nine", all, from, bars),
          ...rowsOf("to one", one, from, bars),
        ];
      }),
      ...floorRows("to nine", all),
      ...(TELLS_PROCESS_COST ? costRows("to nine", all) : []),
      ...(TELLS_PROCESS_COST ? costRows("to one", one) : []),
    ],
    contestants: [
      `this bus: stored, WAL, synchronous=NORMAL: survives the death of any ` +
      `process; ${SESSIONS} sessions, ${MESSAGES_PER_SECOND} messages/s`,
      "Unix sockets: a mesh, nothing stored: what was not read yet dies with " +
      "its reader",
      "bare file watch: a file each, touched by all others; nothing is stored, " +
      "looked up or read: the floor of a push by the file system",
    ],
  };
}

function rowsOf(
  audience: string,
  rounds: Rounds,
  from: keyof Latencies,
  bars: { readonly p50?: Bar; readonly p99?: Bar },
): Row[] {
  return (["p50", "p90", "p99", "max"] as const).map((quantile) =>
    row(
      `${audience}, from ${from}, ${quantile}`,
      "ms",
      rounds,
      (round) => round[from][quantile],
      quantile === "p50" || quantile === "p99" ? bars[quantile] : undefined,
    )
  );
}

/** What of a delivery is the file system's own wake-up. */
function floorRows(audience: string, { bus, watch }: Rounds): Row[] {
  return (["p50", "p99"] as const).map((quantile) => ({
    bench: "delivery",
    what: `${audience}, from start to floor, ${quantile}`,
    unit: "ms",
    rounds: bus.map(({ start }) => start[quantile]),
    baseline: {
      name: "bare file watch",
      rounds: watch.map(({ start }) => start[quantile]),
    },
  }));
}

function costRows(audience: string, rounds: Rounds): Row[] {
  return [
    row(
      `${audience}, processor of all`,
      "%",
      rounds,
      (round) => round.processorPercent,
    ),
    row(
      `${audience}, private memory of all`,
      "MiB",
      rounds,
      (round) => round.privateMib,
    ),
  ];
}

function row(
  what: string,
  unit: string,
  { bus, socket }: Rounds,
  of: (round: Round) => number,
  bar?: Bar,
): Row {
  return {
    bench: "delivery",
    what,
    unit,
    rounds: bus.map(of),
    baseline: { name: "Unix sockets", rounds: socket.map(of) },
    bar,
  };
}

async function runRounds(folder: string, audience: Audience): Promise<Rounds> {
  const [bus, socket, watch]: [Round[], Round[], Round[]] = [[], [], []];
  for (let round = 0; round < ROUNDS; round++) {
    const place = `${folder}/${audience}-${round}`;
    bus.push(await runRound("delivery_bus.ts", `${place}-bus`, audience));
    socket.push(
      await runRound("delivery_socket.ts", `${place}-socket`, audience),
    );
    if (audience === "one") continue;
    watch.push(await runRound("delivery_watch.ts", `${place}-watch`, audience));
  }
  return { bus, socket, watch };
}

async function runRound(
  script: string,
  folder: string,
  audience: Audience,
): Promise<Round> {
  await Deno.mkdir(folder, { mode: 0o700 });
  return await runSessions(script, folder, audience);
}

/**
 * Runs ten sessions that publish 100 messages a second together, over a folder
 * or whatever else the script takes for its place.
 */
export async function runSessions(
  script: string,
  folder: string,
  audience: Audience,
): Promise<Round> {
  await using started = new AsyncDisposableStack();
  const children: Child[] = [];
  for (let session = 0; session < SESSIONS; session++) {
    const task: SessionTask = {
      session,
      sessions: SESSIONS,
      audience,
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
  const readers = audience === "all" ? SESSIONS - 1 : 1;
  return { ...latencies(accounts, readers), ...cost };
}

async function costOf(
  children: readonly Child[],
): Promise<Pick<Round, "processorPercent" | "privateMib">> {
  if (!TELLS_PROCESS_COST) return { processorPercent: NaN, privateMib: NaN };
  await pause(WARM_UP_MS);
  const meters = children.map(({ pid }) => new ProcessorMeter(pid));
  await pause(MEASURED_MS * 0.9);
  return {
    processorPercent: sum(meters.map((meter) => meter.percent())),
    privateMib: sum(children.map(({ pid }) => memoryOf(pid).privateMib)),
  };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function latencies(
  accounts: readonly SessionAccount[],
  readers: number,
): Latencies {
  const arrivals = new Map<string, number[]>();
  const arrive = (session: number, number: number, at: number): void => {
    const key = `${session}#${number}`;
    const times = arrivals.get(key);
    if (times === undefined) arrivals.set(key, [at]);
    else times.push(at);
  };
  for (const { heard } of accounts) {
    for (const [session, number, at] of heard) arrive(session, number, at);
  }
  accounts.forEach(({ said }, session) => {
    for (const [number, { start }] of said) {
      accounts.forEach(({ wokenAt }, reader) => {
        const at = wokenAt?.find((at) => at >= start);
        if (reader !== session && at !== undefined) arrive(session, number, at);
      });
    }
  });
  const [start, commit, end]: [number[], number[], number[]] = [[], [], []];
  accounts.forEach(({ said }, session) => {
    for (const [number, times] of said) {
      const arrived = arrivals.get(`${session}#${number}`) ?? [];
      if (arrived.length !== readers) {
        throw new Error(
          `message ${number} of session ${session} came ${arrived.length} ` +
            `times to ${readers} readers`,
        );
      }
      for (const at of arrived) {
        start.push(at - times.start);
        commit.push(at - times.commit);
        end.push(at - times.end);
      }
    }
  });
  return {
    start: distributionOf(start),
    commit: distributionOf(commit),
    end: distributionOf(end),
  };
}
