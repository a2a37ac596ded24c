/**
 * The gate: what this bus was accepted by, and what it holds itself to.
 *
 * Ten sessions, each a process, with heartbeats and the safety poll beneath,
 * publish 100 messages a second together on mixed channels, and each gets what
 * the nine others say. Beside it, in turns, the base: the same processes and
 * inserts with a mesh of Unix sockets for the wake-ups; and the bus with polling
 * alone. What fails the gate is a p99 of 50 ms or more, or 5 % of a core or more
 * above the base; with polling alone only the latter.
 *
 * Our own bars are far tighter, and are reported. They do not fail the run. For
 * them there are two floors, bare SQLite without a bus: woken by sockets, and woken by
 * the file system, as the bus is. What the bus takes above the former is all of it:
 * its checks, its registry, its subscriptions and its wake-ups.
 *
 * Three times are told of each message: from the commit; from the start of
 * `publish`, which has the commit in it; and from its end, when it has rung
 * all. The last can be negative: a reader may have the message first.
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
import { type Cost, Fleet, type Talked } from "./fleet.ts";
import { type Distribution, distributionOf, spreadOf } from "./quantiles.ts";
import { type Bar, type Row, short } from "./report.ts";
import {
  type Line,
  type Outcome,
  percentilePoints,
  type Table,
} from "./result.ts";
import type { Run } from "./run.ts";
import { type Audience, saying, type Talk } from "./workload.ts";
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

// Judged by what they take while they talk to all: they do nothing else.
const ONLY_TALK_TO_ALL: readonly Contestant[] = [BUS_SOCKETS, POLL];

// As many messages as a minute of the gate brings, at ten times its pace, to nobody.
const MINUTE: Talk = {
  audience: "all",
  talkers: SESSIONS,
  messagesPerSecond: 10 * MESSAGES_PER_SECOND / SESSIONS,
  warmUpMs: 0,
  // A little more: a pause is seldom as short as it was asked to be.
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

// 60 s of each, in three parts that take turns.
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

/** What the bus's files come to with a minute's messages, in bytes. */
interface Kept {
  readonly messages: number;
  readonly database: number;
  /** What the promised columns of these messages alone would take. */
  readonly promised: number;
  readonly log: number;
}

/** What was measured in each round, by contestant. */
type Rounds<T> = Map<Contestant, T[]>;

interface Measured {
  readonly all: Rounds<Talked>;
  /** Of those that do more than talk to all. */
  readonly one: Rounds<Talked>;
  readonly idle: Rounds<Cost>;
}

/** A bar that fails the gate. */
interface Judged extends Row {
  readonly bar: Bar;
}

/** Measures it. */
export async function benchGate(run: Run): Promise<Outcome> {
  const pace = run.quick ? QUICK : FULL;
  const measured: Measured = {
    all: new Map(),
    one: new Map(),
    idle: new Map(),
  };
  for (let round = 0; round < pace.rounds; round++) {
    // Who goes first changes, so that nobody always follows the same one.
    const order = round % 2 === 0 ? CONTESTANTS : CONTESTANTS.toReversed();
    for (const contestant of order) {
      run.progress(
        `round ${round + 1} of ${pace.rounds}: ${contestant.label}`,
      );
      await runRound(run, contestant, pace, measured);
    }
  }
  run.progress("what is kept of a minute");
  const kept = await keepMinute(`${run.folder}/kept`);
  run.progress("ten writers flat out");
  const contention = await contend(`${run.folder}/writers`, pace.writersMs);
  const gate = gateRows(measured);
  run.judge([
    ...gate,
    ...floorRows(measured),
    ...ownRows(measured),
    ...keptRows(kept),
    ...contention.rows,
  ]);
  run.failUnlessMet(gate);
  return outcomeOf(measured, kept, contention);
}

async function runRound(
  run: Run,
  contestant: Contestant,
  pace: Pace,
  { all, one, idle }: Measured,
): Promise<void> {
  const talk = (audience: Audience, measuredMs: number): Talk => ({
    audience,
    talkers: SESSIONS,
    messagesPerSecond: MESSAGES_PER_SECOND / SESSIONS,
    warmUpMs: pace.warmUpMs,
    measuredMs,
    settleMs: 700,
  });
  const isWhole = !ONLY_TALK_TO_ALL.includes(contestant);
  // The same database in each round, as a bus is used on and on.
  const folder = `${run.folder}/${contestant.name}`;
  await withFleet(contestant, `${folder}-all`, async (fleet) => {
    if (isWhole) {
      // What starting leaves to be done is not idling.
      await pause(pace.warmUpMs);
      add(idle, contestant, await fleet.cost(pace.idleMs));
    }
    const talked = await fleet.talk(talk("all", pace.allMs));
    add(all, contestant, complete(talked));
  });
  if (!isWhole) return;
  await withFleet(contestant, `${folder}-one`, async (fleet) => {
    const talked = await fleet.talk(talk("one", pace.oneMs));
    add(one, contestant, complete(talked));
  });
}

function add<T>(rounds: Rounds<T>, contestant: Contestant, round: T): void {
  const before = rounds.get(contestant);
  if (before === undefined) rounds.set(contestant, [round]);
  else before.push(round);
}

async function keepMinute(folder: string): Promise<Kept> {
  await using fleet = await Fleet.start(BUS, {
    folder,
    sessions: SESSIONS,
    hearsAll: false,
  });
  const { published: messages } = await fleet.talk(MINUTE);
  const sizes = await fleet.ask<Omit<Kept, "messages">>(0, { do: "sizes" });
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

/** In the gate nothing may get lost. */
function complete(talked: Talked): Talked {
  if (talked.missing === 0) return talked;
  throw new Error(
    `${talked.missing} of ${talked.expected} messages did not come`,
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
  rounds: readonly Talked[],
  which: "p50" | "p99",
): number[] {
  return rounds.map(({ fromCommit }) => distributionOf(fromCommit)[which]);
}

function processorAbove(
  what: string,
  rounds: readonly Talked[],
  base: readonly Talked[],
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

/** What bare SQLite takes that is woken as the bus is: no bus can take less. */
function floorRows({ all, one }: Measured): Row[] {
  const quantile = (
    audience: string,
    which: "p50" | "p99",
    rounds: Rounds<Talked>,
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

/** What this bus holds itself to. */
function ownRows({ all, one, idle }: Measured): Row[] {
  const row = <T>(
    what: string,
    unit: string,
    rounds: Rounds<T>,
    of: (round: T) => number,
    most?: number,
  ): Row => ({
    bench: "own bar",
    what,
    unit,
    rounds: rounds.get(BUS)!.map(of),
    baseline: {
      name: SQLITE_SOCKETS.label,
      rounds: rounds.get(SQLITE_SOCKETS)!.map(of),
    },
    ...(most !== undefined && { bar: { of: "figure", most } }),
  });
  const latency = (
    audience: string,
    rounds: Rounds<Talked>,
    bars: { readonly p50: number; readonly p99: number },
  ): Row[] => {
    const from = (
      name: string,
      times: (talked: Talked) => readonly number[],
      judged: Partial<typeof bars>,
    ): Row[] =>
      QUANTILES.map((quantile) =>
        row(
          `${audience}, ${name}, ${quantile}`,
          "ms",
          rounds,
          (talked) => distributionOf(times(talked))[quantile],
          quantile === "p50" || quantile === "p99"
            ? judged[quantile]
            : undefined,
        )
      );
    return [
      // What is judged is the delivery, from the commit on.
      ...from("from the commit", ({ fromCommit }) => fromCommit, bars),
      ...from("from the start of publish", ({ fromStart }) => fromStart, {}),
    ];
  };
  const talking = ({ cost }: Talked) => cost.processorPercent;
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
    row("processor while they talk, to nine", "% of a core", all, talking),
    row("processor while they talk, to one", "% of a core", one, talking),
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

function keptRows({ messages, database, promised, log }: Kept): Row[] {
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
      bar: { of: "figure", most: 1 },
    },
    row("write-ahead log", log),
  ];
}

function outcomeOf(
  { all, one, idle }: Measured,
  kept: Kept,
  contention: Contention,
): Outcome {
  return {
    title: "The gate",
    about:
      `Ten sessions, each a process, publish ${MESSAGES_PER_SECOND} messages a ` +
      "second together on mixed channels; each gets what the nine others say.",
    charts: [
      latencyChart("latency-to-nine", "to nine", all),
      latencyChart("latency-to-one", "to one", one),
      {
        kind: "bars",
        name: "processor",
        title: "Processor time of all ten sessions",
        caption: "Share of one core while each message goes to nine, median " +
          "and spread of the rounds.",
        label: "% of a core",
        scale: "linear",
        rows: [...all].map(([contestant, each]) => {
          const percents = each.map(({ cost }) => cost.processorPercent);
          const { median, least, most } = spreadOf(percents);
          return {
            name: contestant.label,
            own: contestant === BUS,
            value: median,
            spread: [least, most] as const,
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
      databaseNote(kept),
      "Times are of one clock that all processes share, from the commit to the " +
      "reader's callback. Rounds take turns and start new processes.",
      "Memory is what would be free if all ten processes ended; most of it is " +
      "the runtime's own.",
    ],
  };
}

/** What of the database's size is the messages themselves. */
function databaseNote({ messages }: Kept): string {
  const bytes = JSON.stringify(saying(0, 100)).length;
  return `The database keeps ${
    messages.toLocaleString("en")
  } messages, as many ` +
    `as a minute of this brings: ${bytes} bytes of payload each, ${
      short(messages * bytes / 2 ** 20)
    } MiB in all, to which come channel, sender, project, times and four ` +
    "indexes. Beside it stands what they take in the columns and indexes alone " +
    "that other programs are promised, packed full: no bus can keep them in less.";
}

function latencyChart(
  name: string,
  audience: string,
  rounds: Rounds<Talked>,
): Outcome["charts"][number] {
  return {
    kind: "lines",
    name,
    title: `From commit to callback, ${audience}`,
    caption:
      "Each point: so many percent of the messages were in the reader's " +
      "hands within that time. All rounds together.",
    x: { label: "percentile", scale: "percentile" },
    y: { label: "ms", scale: "log" },
    lines: [...rounds].map(([contestant, each]): Line => ({
      name: contestant.label,
      own: contestant === BUS,
      points: percentilePoints(each.flatMap(({ fromCommit }) => fromCommit)),
    })),
  };
}

function latencyTable(title: string, rounds: Rounds<Talked>): Table {
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
  const talking = ({ cost }: Talked) => processor(cost);
  return {
    title: "What ten sessions cost together",
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
      median(all, contestant, talking),
      median(one, contestant, talking),
      median(all, contestant, (talked) => talking(talked) / SESSIONS),
      median(all, contestant, ({ cost }) => cost.privateMib),
      median(all, contestant, ({ cost }) => cost.proportionalMib),
    ]),
  };
}
