/**
 * The gate: the acceptance test of this bus, and its own bars.
 *
 * Ten sessions, each a process, with heartbeats and the safety poll, publish
 * 100 messages a second together on mixed channels. Each session reads the
 * messages of the nine others. In turns run the base, which is the same bus
 * woken by a mesh of Unix sockets, and the bus with polling alone. A p99 of 50
 * ms or more fails the gate, and so do 5 % of a core or more above the base.
 * Polling alone has only the second bar.
 *
 * The bus's own bars are tighter and do not fail the run. They compare with two
 * floors, bare SQLite woken by sockets or by the file system. The cost above
 * the former is the bus: checks, registry, subscriptions and wake-ups.
 *
 * Each message has three times: from the commit, from the start of `publish`,
 * and from its end, when every bell is rung. The last can be negative, because
 * a reader can have the message before that.
 *
 * @module
 */

import { pause } from "./clock.ts";
import {
  BUS,
  BUS_SOCKETS,
  type Contestant,
  polling,
  SQLITE_FILE_WATCH,
  SQLITE_SOCKETS,
} from "./contestants.ts";
import { type Cost, type Deliveries, Fleet } from "./fleet.ts";
import { type Distribution, distributionOf, spreadOf } from "./quantiles.ts";
import { type Bar, type Row, short } from "./report.ts";
import {
  type Line,
  type Outcome,
  percentilePoints,
  type Table,
} from "./result.ts";
import type { Run } from "./run.ts";
import { type Audience, payloadOf, type Workload } from "./workload.ts";
import { contend, type Contention } from "./writers.ts";

const SESSIONS = 10;
const MESSAGES_PER_SECOND = 100;

const POLL = polling(250);
const CONTESTANTS = [
  BUS,
  BUS_SOCKETS,
  POLL,
  SQLITE_SOCKETS,
  SQLITE_FILE_WATCH,
];

// Contestants that run only the workload to all, which judges them.
const ONLY_TO_ALL: readonly Contestant[] = [BUS_SOCKETS, POLL];

// The messages of a minute of the gate, at ten times its rate, without readers.
const MINUTE: Workload = {
  audience: "all",
  publishers: SESSIONS,
  messagesPerSecond: 10 * MESSAGES_PER_SECOND / SESSIONS,
  warmUpMs: 0,
  // Longer than 6 s, because a pause often overruns.
  measuredMs: 6_500,
  settleMs: 0,
};

interface Pace {
  readonly rounds: number;
  readonly warmUpMs: number;
  readonly allMs: number;
  readonly oneMs: number;
  readonly idleMs: number;
  readonly writersMs: number;
}

// 60 s of each contestant, in three rounds.
const FULL: Pace = {
  rounds: 3,
  warmUpMs: 1_500,
  allMs: 20_000,
  oneMs: 8_000,
  idleMs: 8_000,
  writersMs: 5_000,
};
const QUICK: Pace = {
  rounds: 2,
  warmUpMs: 500,
  allMs: 5_000,
  oneMs: 3_000,
  idleMs: 2_000,
  writersMs: 2_000,
};

/** The sizes of the bus's files with a minute's messages, in bytes. */
interface StoredSizes {
  readonly messages: number;
  readonly database: number;
  /** The size of the promised columns of these messages alone. */
  readonly promised: number;
  readonly wal: number;
}

/** The measurements of each round, by contestant. */
type Rounds<T> = Map<Contestant, T[]>;

interface Measured {
  readonly all: Rounds<Deliveries>;
  /** Empty for contestants of {@linkcode ONLY_TO_ALL}. */
  readonly one: Rounds<Deliveries>;
  readonly idle: Rounds<Cost>;
}

/** A row whose bar fails the gate. */
interface Judged extends Row {
  readonly bar: Bar;
}

/** Runs the gate. */
export async function benchGate(run: Run): Promise<Outcome> {
  const pace = run.quick ? QUICK : FULL;
  const measured: Measured = {
    all: new Map(),
    one: new Map(),
    idle: new Map(),
  };
  for (let round = 0; round < pace.rounds; round++) {
    // The order alternates, so that no contestant always follows the same one.
    const order = round % 2 === 0 ? CONTESTANTS : CONTESTANTS.toReversed();
    for (const contestant of order) {
      run.progress(
        `round ${round + 1} of ${pace.rounds}: ${contestant.label}`,
      );
      await runRound(run, contestant, pace, measured);
    }
  }
  run.progress("the size of a minute's messages");
  const stored = await storeMinute(`${run.folder}/stored`);
  run.progress("ten writers flat out");
  const contention = await contend(`${run.folder}/writers`, pace.writersMs);
  const gate = gateRows(measured);
  run.judge([
    ...gate,
    ...floorRows(measured),
    ...ownRows(measured),
    ...sizeRows(stored),
    ...contention.rows,
  ]);
  run.failUnlessMet(gate);
  return outcomeOf(measured, stored, contention);
}

async function runRound(
  run: Run,
  contestant: Contestant,
  pace: Pace,
  { all, one, idle }: Measured,
): Promise<void> {
  const workloadTo = (audience: Audience, measuredMs: number): Workload => ({
    audience,
    publishers: SESSIONS,
    messagesPerSecond: MESSAGES_PER_SECOND / SESSIONS,
    warmUpMs: pace.warmUpMs,
    measuredMs,
    settleMs: 700,
  });
  const isWhole = !ONLY_TO_ALL.includes(contestant);
  // All rounds share a database, because a bus is used for a long time.
  const folder = `${run.folder}/${contestant.name}`;
  await withFleet(contestant, `${folder}-all`, async (fleet) => {
    if (isWhole) {
      // Work left by the start is not idle cost.
      await pause(pace.warmUpMs);
      add(idle, contestant, await fleet.cost(pace.idleMs));
    }
    const deliveries = await fleet.run(workloadTo("all", pace.allMs));
    add(all, contestant, complete(deliveries));
  });
  if (!isWhole) return;
  await withFleet(contestant, `${folder}-one`, async (fleet) => {
    const deliveries = await fleet.run(workloadTo("one", pace.oneMs));
    add(one, contestant, complete(deliveries));
  });
}

function add<T>(rounds: Rounds<T>, contestant: Contestant, round: T): void {
  const before = rounds.get(contestant);
  if (before === undefined) rounds.set(contestant, [round]);
  else before.push(round);
}

async function storeMinute(folder: string): Promise<StoredSizes> {
  await using fleet = await Fleet.start(BUS, {
    folder,
    sessions: SESSIONS,
    receivesAll: false,
  });
  const { published: messages } = await fleet.run(MINUTE);
  const sizes = await fleet.ask<Omit<StoredSizes, "messages">>(0, {
    do: "sizes",
  });
  return { messages, ...sizes };
}

async function withFleet(
  contestant: Contestant,
  folder: string,
  work: (fleet: Fleet) => Promise<void>,
): Promise<void> {
  await using fleet = await Fleet.start(contestant, {
    folder,
    sessions: SESSIONS,
  });
  await work(fleet);
}

/** Returns the result. Throws if a message is missing. */
function complete(deliveries: Deliveries): Deliveries {
  if (deliveries.missing === 0) return deliveries;
  throw new Error(
    `Cannot judge the gate: ${deliveries.missing} of ${deliveries.expected} messages ` +
      "are missing.",
  );
}

function gateRows({ all }: Measured): Judged[] {
  const own = all.get(BUS)!;
  const base = all.get(BUS_SOCKETS)!;
  return [
    {
      bench: "gate",
      what: "delivery to nine, p99 from the commit",
      unit: "ms",
      rounds: quantiles(own, "p99"),
      baseline: { name: "base", rounds: quantiles(base, "p99") },
      bar: { of: "figure", below: 50 },
    },
    {
      ...processorAbove("processor above the base", own, base),
      bar: PROCESSOR_BAR,
    },
    {
      ...processorAbove(
        "processor above the base, polling alone",
        all.get(POLL)!,
        base,
      ),
      bar: PROCESSOR_BAR,
    },
  ];
}

const PROCESSOR_BAR: Bar = { of: "figure", below: 5 };

function quantiles(
  rounds: readonly Deliveries[],
  which: "p50" | "p99",
): number[] {
  return rounds.map(({ fromCommit }) => distributionOf(fromCommit)[which]);
}

function processorAbove(
  what: string,
  rounds: readonly Deliveries[],
  base: readonly Deliveries[],
): Row {
  return {
    bench: "gate",
    what,
    unit: "% of a core",
    rounds: rounds.map(({ cost }, i) =>
      cost.processorPercent - base[i].cost.processorPercent
    ),
  };
}

/** Returns the rows of bare SQLite, the floor of every bus on SQLite. */
function floorRows({ all, one }: Measured): Row[] {
  const quantile = (
    audience: string,
    which: "p50" | "p99",
    rounds: Rounds<Deliveries>,
  ): Row => ({
    bench: "floor",
    what: `bare SQLite and a file watch, ${audience}, ${which}`,
    unit: "ms",
    rounds: quantiles(rounds.get(SQLITE_FILE_WATCH)!, which),
    baseline: {
      name: "woken by sockets",
      rounds: quantiles(rounds.get(SQLITE_SOCKETS)!, which),
    },
  });
  return [
    quantile("to nine", "p50", all),
    quantile("to nine", "p99", all),
    quantile("to one", "p50", one),
    quantile("to one", "p99", one),
    {
      ...processorAbove(
        "bare SQLite and a file watch, processor above sockets",
        all.get(SQLITE_FILE_WATCH)!,
        all.get(SQLITE_SOCKETS)!,
      ),
      bench: "floor",
    },
  ];
}

/** Returns the rows of the bus's own bars. */
function ownRows({ all, one, idle }: Measured): Row[] {
  const row = <T>(
    what: string,
    unit: string,
    rounds: Rounds<T>,
    of: (round: T) => number,
    max?: number,
  ): Row => ({
    bench: "own bar",
    what,
    unit,
    rounds: rounds.get(BUS)!.map(of),
    baseline: {
      name: SQLITE_SOCKETS.label,
      rounds: rounds.get(SQLITE_SOCKETS)!.map(of),
    },
    ...(max !== undefined && { bar: { of: "figure", max } }),
  });
  const latency = (
    audience: string,
    rounds: Rounds<Deliveries>,
    bars: { readonly p50: number; readonly p99: number },
  ): Row[] => {
    const from = (
      name: string,
      times: (deliveries: Deliveries) => readonly number[],
      judged: Partial<typeof bars>,
    ): Row[] =>
      QUANTILES.map((quantile) =>
        row(
          `${audience}, ${name}, ${quantile}`,
          "ms",
          rounds,
          (deliveries) => distributionOf(times(deliveries))[quantile],
          quantile === "p50" || quantile === "p99"
            ? judged[quantile]
            : undefined,
        )
      );
    return [
      // Bars judge the delivery, which starts at the commit.
      ...from("from the commit", ({ fromCommit }) => fromCommit, bars),
      ...from("from the start of publish", ({ fromStart }) => fromStart, {}),
    ];
  };
  const whilePublishing = ({ cost }: Deliveries) => cost.processorPercent;
  return [
    ...latency("to nine", all, { p50: 0.6, p99: 2 }),
    ...latency("to one", one, { p50: 0.6, p99: 1 }),
    row(
      "processor of ten idle sessions",
      "% of a core",
      idle,
      ({ processorPercent }) => processorPercent,
      2,
    ),
    row(
      "processor while publishing, to nine",
      "% of a core",
      all,
      whilePublishing,
    ),
    row(
      "processor while publishing, to one",
      "% of a core",
      one,
      whilePublishing,
    ),
    {
      ...processorAbove(
        "processor above bare SQLite, to nine",
        all.get(BUS)!,
        all.get(SQLITE_SOCKETS)!,
      ),
      bench: "own bar",
      bar: PROCESSOR_BAR,
    },
    row("private memory of all", "MiB", all, ({ cost }) => cost.privateMib),
  ];
}

const QUANTILES = ["p50", "p90", "p99", "max"] as const;

function sizeRows({ messages, database, promised, wal }: StoredSizes): Row[] {
  const row = (what: string, bytes: number): Row => ({
    bench: "own bar",
    what: `${what} with ${messages.toLocaleString("en")} messages`,
    unit: "MiB",
    rounds: [bytes / 2 ** 20],
  });
  return [
    {
      ...row("database", database),
      baseline: {
        name: "promised columns alone",
        rounds: [promised / 2 ** 20],
      },
      bar: { of: "figure", max: 1 },
    },
    row("WAL", wal),
  ];
}

function outcomeOf(
  { all, one, idle }: Measured,
  stored: StoredSizes,
  contention: Contention,
): Outcome {
  return {
    title: "The gate",
    about:
      `Ten sessions, each a process, publish ${MESSAGES_PER_SECOND} messages a ` +
      "second together on mixed channels. Each reads the messages of the nine " +
      "others.",
    charts: [
      latencyChart("latency-to-nine", "to nine", all),
      latencyChart("latency-to-one", "to one", one),
      {
        kind: "bars",
        name: "processor",
        title: "Processor time of all ten sessions",
        caption: "Share of one core while each message goes to nine: median " +
          "and spread of the rounds.",
        label: "% of a core",
        scale: "linear",
        rows: [...all].map(([contestant, each]) => {
          const percents = each.map(({ cost }) => cost.processorPercent);
          const { median, min, max } = spreadOf(percents);
          return {
            name: contestant.label,
            own: contestant === BUS,
            value: median,
            spread: [min, max] as const,
          };
        }),
      },
    ],
    tables: [
      latencyTable("Delivery to nine", all),
      latencyTable("Delivery to one", one),
      costTable({ all, one, idle }),
      contention.table,
    ],
    contestants: CONTESTANTS,
    notes: [
      databaseNote(stored),
      "Times are from the commit to the reader's callback, by a clock that all " +
      "processes share. Rounds take turns and start new processes.",
      "Private memory is the memory that the end of all ten processes would " +
      "free. Most of it belongs to the runtime.",
    ],
  };
}

/** Returns the note on the share of messages in the database's size. */
function databaseNote({ messages }: StoredSizes): string {
  const bytes = JSON.stringify(payloadOf(0, 100)).length;
  return `The database keeps the ${
    messages.toLocaleString("en")
  } messages of a ` +
    `minute: ${bytes} bytes of payload each, ${
      short(messages * bytes / 2 ** 20)
    } MiB together, plus channel, sender, project, times and four indexes. ` +
    "The baseline is their size in the columns and indexes promised to other " +
    "programs, after VACUUM. No bus can store them in less.";
}

function latencyChart(
  name: string,
  audience: string,
  rounds: Rounds<Deliveries>,
): Outcome["charts"][number] {
  return {
    kind: "lines",
    name,
    title: `From commit to callback, ${audience}`,
    caption:
      "Each point is the time within which that percentage of messages reached " +
      "the reader's callback, over all rounds.",
    x: { label: "percentile", scale: "percentile" },
    y: { label: "ms", scale: "log" },
    lines: [...rounds].map(([contestant, each]): Line => ({
      name: contestant.label,
      own: contestant === BUS,
      points: percentilePoints(each.flatMap(({ fromCommit }) => fromCommit)),
    })),
  };
}

function latencyTable(title: string, rounds: Rounds<Deliveries>): Table {
  const cells = (each: readonly (readonly number[])[]) => {
    const all: Distribution[] = each.map(distributionOf);
    return QUANTILES.map((quantile) =>
      spreadOf(all.map((one) => one[quantile])).median
    );
  };
  return {
    title: `${title}, ms`,
    caption: "Medians of the rounds.",
    columns: [
      "",
      ...QUANTILES.map((each) => `commit ${each}`),
      ...QUANTILES.map((each) => `start ${each}`),
    ],
    rows: [...rounds].map(([{ label }, each]) => [
      label,
      ...cells(each.map(({ fromCommit }) => fromCommit)),
      ...cells(each.map(({ fromStart }) => fromStart)),
    ]),
  };
}

function costTable({ all, one, idle }: Measured): Table {
  const median = <T>(
    rounds: Rounds<T>,
    contestant: Contestant,
    of: (round: T) => number,
  ) => {
    const each = rounds.get(contestant);
    return each === undefined ? "not measured" : spreadOf(each.map(of)).median;
  };
  const processor = ({ processorPercent }: Cost) => processorPercent;
  const whilePublishing = ({ cost }: Deliveries) => processor(cost);
  return {
    title: "Cost of ten sessions together",
    columns: [
      "",
      "idle, % of a core",
      "to nine, %",
      "to one, %",
      "each, to nine, %",
      "private MiB",
      "proportional MiB",
    ],
    rows: CONTESTANTS.map((contestant) => [
      contestant.label,
      median(idle, contestant, processor),
      median(all, contestant, whilePublishing),
      median(one, contestant, whilePublishing),
      median(
        all,
        contestant,
        (deliveries) => whilePublishing(deliveries) / SESSIONS,
      ),
      median(all, contestant, ({ cost }) => cost.privateMib),
      median(all, contestant, ({ cost }) => cost.proportionalMib),
    ]),
  };
}
