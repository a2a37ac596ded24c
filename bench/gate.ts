/**
 * The gate: what this bus was accepted by, and what it holds itself to.
 *
 * Ten sessions, each a process, with heartbeats and the safety poll beneath,
 * publish 100 messages a second together on mixed channels, and each gets what
 * the nine others say. Beside it, in turns, the base: the same processes and
 * inserts with a mesh of Unix sockets for the wake-ups; the same once more woken
 * by the file system, which is the floor of what is pushed so; and the bus with
 * polling alone. What fails the gate is a p99 of 50 ms or more, or 5 % of a
 * core or more above the base; with polling alone only the latter.
 *
 * Our own bars are far tighter, and are reported. They do not fail the run.
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
const CONTESTANTS = [BUS, SQLITE_SOCKETS, SQLITE_FILE_WATCH, POLL];

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

interface Round {
  readonly idle: Cost;
  readonly all: Talked;
  readonly one: Talked;
}

/** What the bus's files come to with a minute's messages, in bytes. */
interface Kept {
  readonly messages: number;
  readonly database: number;
  /** What the promised columns of these messages alone would take. */
  readonly promised: number;
  readonly log: number;
}

type Rounds = ReadonlyMap<Contestant, readonly Round[]>;

/** A bar that fails the gate. */
interface Judged extends Row {
  readonly bar: Bar;
}

/** Measures it. */
export async function benchGate(run: Run): Promise<Outcome> {
  const pace = run.quick ? QUICK : FULL;
  const rounds = new Map<Contestant, Round[]>(
    CONTESTANTS.map((contestant) => [contestant, []]),
  );
  for (let round = 0; round < pace.rounds; round++) {
    // Who goes first changes, so that nobody always follows the same one.
    const order = round % 2 === 0 ? CONTESTANTS : CONTESTANTS.toReversed();
    for (const contestant of order) {
      run.progress(
        `round ${round + 1} of ${pace.rounds}: ${contestant.label}`,
      );
      rounds.get(contestant)!.push(await runRound(run, contestant, pace));
    }
  }
  run.progress("what is kept of a minute");
  const kept = await keepMinute(`${run.folder}/kept`);
  run.progress("ten writers flat out");
  const contention = await contend(`${run.folder}/writers`, pace.writersMs);
  const gate = gateRows(rounds);
  run.judge([
    ...gate,
    ...floorRows(rounds),
    ...ownRows(rounds),
    ...keptRows(kept),
    ...contention.rows,
  ]);
  run.failUnlessMet(gate);
  return outcomeOf(rounds, kept, contention);
}

async function runRound(
  run: Run,
  contestant: Contestant,
  pace: Pace,
): Promise<Round> {
  const talk = (audience: Audience, measuredMs: number): Talk => ({
    audience,
    talkers: SESSIONS,
    messagesPerSecond: MESSAGES_PER_SECOND / SESSIONS,
    warmUpMs: pace.warmUpMs,
    measuredMs,
    settleMs: 700,
  });
  // The same database in each round, as a bus is used on and on.
  const folder = `${run.folder}/${contestant.name}`;
  const { idle, all } = await withFleet(
    contestant,
    `${folder}-all`,
    async (fleet) => {
      // What starting leaves to be done is not idling.
      await pause(pace.warmUpMs);
      return {
        idle: await fleet.cost(pace.idleMs),
        all: complete(await fleet.talk(talk("all", pace.allMs))),
      };
    },
  );
  const one = await withFleet(
    contestant,
    `${folder}-one`,
    async (fleet) => complete(await fleet.talk(talk("one", pace.oneMs))),
  );
  return { idle, all, one };
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

async function withFleet<T>(
  contestant: Contestant,
  folder: string,
  work: (fleet: Fleet) => Promise<T>,
): Promise<T> {
  await using fleet = await Fleet.start(contestant, {
    folder,
    sessions: SESSIONS,
  });
  return await work(fleet);
}

/** In the gate nothing may get lost. */
function complete(talked: Talked): Talked {
  if (talked.missing === 0) return talked;
  throw new Error(
    `${talked.missing} of ${talked.expected} messages did not come`,
  );
}

function gateRows(rounds: Rounds): Judged[] {
  const own = rounds.get(BUS)!;
  const base = rounds.get(SQLITE_SOCKETS)!;
  return [
    {
      bench: "gate",
      what: "delivery to nine, p99 from the commit",
      unit: "ms",
      rounds: own.map(({ all }) => distributionOf(all.fromCommit).p99),
      baseline: {
        name: "base",
        rounds: base.map(({ all }) => distributionOf(all.fromCommit).p99),
      },
      bar: { of: "figure", below: 50 },
    },
    {
      ...processorAbove("processor above the base", own, base),
      bar: PROCESSOR_BAR,
    },
    {
      ...processorAbove(
        "processor above the base, polling alone",
        rounds.get(POLL)!,
        base,
      ),
      bar: PROCESSOR_BAR,
    },
  ];
}

const PROCESSOR_BAR: Bar = { of: "figure", below: 5 };

function processorAbove(
  what: string,
  rounds: readonly Round[],
  base: readonly Round[],
): Row {
  return {
    bench: "gate",
    what,
    unit: "% of a core",
    rounds: rounds.map(({ all }, i) =>
      all.cost.processorPercent - base[i].all.cost.processorPercent
    ),
  };
}

/** What bare SQLite takes that is woken as the bus is: no bus can take less. */
function floorRows(rounds: Rounds): Row[] {
  const floor = rounds.get(SQLITE_FILE_WATCH)!;
  const base = rounds.get(SQLITE_SOCKETS)!;
  const quantile = (
    audience: string,
    which: "p50" | "p99",
    of: (round: Round) => Talked,
  ): Row => ({
    bench: "floor",
    what: `bare SQLite and a file watch, ${audience}, ${which}`,
    unit: "ms",
    rounds: floor.map((round) => distributionOf(of(round).fromCommit)[which]),
    baseline: {
      name: "base",
      rounds: base.map((round) => distributionOf(of(round).fromCommit)[which]),
    },
  });
  return [
    quantile("to nine", "p50", ({ all }) => all),
    quantile("to nine", "p99", ({ all }) => all),
    quantile("to one", "p50", ({ one }) => one),
    quantile("to one", "p99", ({ one }) => one),
    {
      ...processorAbove("processor above the base, to nine", floor, base),
      bench: "floor",
    },
  ];
}

/** What this bus holds itself to. */
function ownRows(rounds: Rounds): Row[] {
  const row = (
    what: string,
    unit: string,
    of: (round: Round) => number,
    most?: number,
  ): Row => ({
    bench: "own bar",
    what,
    unit,
    rounds: rounds.get(BUS)!.map(of),
    baseline: { name: "base", rounds: rounds.get(SQLITE_SOCKETS)!.map(of) },
    ...(most !== undefined && { bar: { of: "figure", most } }),
  });
  return [
    ...latencyRows(row, "to nine", (round) => round.all, { p50: 0.6, p99: 2 }),
    ...latencyRows(row, "to one", (round) => round.one, { p50: 0.6, p99: 1 }),
    row(
      "processor of ten idle sessions",
      "% of a core",
      ({ idle }) => idle.processorPercent,
      2,
    ),
    row(
      "processor while they talk, to nine",
      "% of a core",
      ({ all }) => all.cost.processorPercent,
    ),
    row(
      "processor while they talk, to one",
      "% of a core",
      ({ one }) => one.cost.processorPercent,
    ),
    row("private memory of all", "MiB", ({ all }) => all.cost.privateMib),
  ];
}

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

function latencyRows(
  row: (
    what: string,
    unit: string,
    of: (round: Round) => number,
    most?: number,
  ) => Row,
  audience: string,
  talked: (round: Round) => Talked,
  bars: { readonly p50: number; readonly p99: number },
): Row[] {
  const from = (
    name: string,
    times: (talked: Talked) => readonly number[],
    judged: Partial<typeof bars>,
  ): Row[] =>
    (["p50", "p90", "p99", "max"] as const).map((quantile) =>
      row(
        `${audience}, ${name}, ${quantile}`,
        "ms",
        (round) => distributionOf(times(talked(round)))[quantile],
        quantile === "p50" || quantile === "p99" ? judged[quantile] : undefined,
      )
    );
  return [
    // What is judged is the delivery, from the commit on.
    ...from("from the commit", ({ fromCommit }) => fromCommit, bars),
    ...from("from the start of publish", ({ fromStart }) => fromStart, {}),
  ];
}

function outcomeOf(
  rounds: Rounds,
  kept: Kept,
  contention: Contention,
): Outcome {
  return {
    title: "The gate",
    about:
      `Ten sessions, each a process, publish ${MESSAGES_PER_SECOND} messages a ` +
      "second together on mixed channels; each gets what the nine others say.",
    charts: [
      latencyChart("latency-to-nine", "to nine", rounds, ({ all }) => all),
      latencyChart("latency-to-one", "to one", rounds, ({ one }) => one),
      {
        kind: "bars",
        name: "processor",
        title: "Processor time of all ten sessions",
        caption: "Share of one core while each message goes to nine, median " +
          "and spread of the rounds.",
        label: "% of a core",
        scale: "linear",
        rows: [...rounds].map(([contestant, each]) => {
          const percents = each.map(({ all }) => all.cost.processorPercent);
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
      latencyTable("Delivery to nine", rounds, ({ all }) => all),
      latencyTable("Delivery to one", rounds, ({ one }) => one),
      costTable(rounds),
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
  rounds: Rounds,
  talked: (round: Round) => Talked,
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
      points: percentilePoints(each.flatMap((one) => talked(one).fromCommit)),
    })),
  };
}

function latencyTable(
  title: string,
  rounds: Rounds,
  talked: (round: Round) => Talked,
): Table {
  const cells = (
    times: (talked: Talked) => readonly number[],
    each: Talked[],
  ) => {
    const all: Distribution[] = each.map((one) => distributionOf(times(one)));
    return (["p50", "p90", "p99", "max"] as const).map((quantile) =>
      spreadOf(all.map((one) => one[quantile])).median
    );
  };
  return {
    title: `${title}, ms`,
    caption: "Medians of the rounds.",
    columns: [
      "",
      ...["p50", "p90", "p99", "max"].map((each) => `commit ${each}`),
      ...["p50", "p90", "p99", "max"].map((each) => `start ${each}`),
    ],
    rows: [...rounds].map(([{ label }, each]) => [
      label,
      ...cells(({ fromCommit }) => fromCommit, each.map(talked)),
      ...cells(({ fromStart }) => fromStart, each.map(talked)),
    ]),
  };
}

function costTable(rounds: Rounds): Table {
  const median = (each: readonly Round[], of: (round: Round) => number) =>
    spreadOf(each.map(of)).median;
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
    rows: [...rounds].map(([{ label }, each]) => [
      label,
      median(each, ({ idle }) => idle.processorPercent),
      median(each, ({ all }) => all.cost.processorPercent),
      median(each, ({ one }) => one.cost.processorPercent),
      median(each, ({ all }) => all.cost.processorPercent / SESSIONS),
      median(each, ({ all }) => all.cost.privateMib),
      median(each, ({ all }) => all.cost.proportionalMib),
    ]),
  };
}
