/**
 * The matrix: every contestant under the same workload.
 *
 * Sessions, each a process, publish 100 messages a second together, first each
 * to one other session and then each to all others, with 1 reader, 10, 50 and
 * 100 sessions. Then one session floods another by the contestant's fastest
 * call.
 *
 * Then a sender is killed right after an acknowledgement, with its reader
 * connected. Then the reader is absent, and a server is killed and restarted
 * too.
 *
 * Times are from the start of publishing to the reader's callback, because
 * every contestant has both. Fleets of ten run several rounds and the others
 * one, so that the matrix takes less than ten minutes.
 *
 * @module
 */

import type { Child } from "./children.ts";
import { pause } from "./clock.ts";
import {
  BUS,
  type Contestant,
  CONTESTANTS,
  SQLITE_FILE_WATCH,
} from "./contestants.ts";
import {
  ContestantError,
  type Deliveries,
  Fleet,
  startSession,
  untilReady,
} from "./fleet.ts";
import { distributionOf, spreadOf } from "./quantiles.ts";
import { type Row, short } from "./report.ts";
import {
  type Cell,
  type Chart,
  type Outcome,
  percentilePoints,
  type Table,
} from "./result.ts";
import type { Run } from "./run.ts";
import { type Server, ServerMissingError, startServer } from "./servers.ts";
import type { Audience } from "./workload.ts";

const MESSAGES_PER_SECOND = 100;

/** A number of sessions, and its rounds. */
interface Size {
  readonly sessions: number;
  readonly rounds: number;
  readonly measuredMs: number;
}

// With one session, a second process reads its messages.
const FULL: readonly Size[] = [
  { sessions: 1, rounds: 1, measuredMs: 1_000 },
  { sessions: 10, rounds: 3, measuredMs: 1_300 },
  { sessions: 50, rounds: 1, measuredMs: 1_000 },
  { sessions: 100, rounds: 1, measuredMs: 2_000 },
];
const QUICK: readonly Size[] = [
  { sessions: 1, rounds: 1, measuredMs: 700 },
  { sessions: 10, rounds: 1, measuredMs: 1_000 },
];

const AUDIENCES: readonly Audience[] = ["one", "all"];
// V8 compiles most of the program during the first messages, so sessions
// publish three times as fast in the warm-up. Many sessions publish rarely and
// need longer.
const WARM_UP_PACE = 3;
const WARM_UP_MS = 400;
const WARM_UP_MS_OF_MANY = 1_000;
const MANY = 50;
const SETTLE_MS = 500;

const FLOOD_MESSAGES = 20_000;
const FLOOD_ROUNDS = 3;

const KILL_AFTER = 100;
const RECOVERY_MS_MAX = 2_000;

// Other processes poll Deno KV's queue about once a minute.
const KV_MESSAGES = 20;
const KV_MS_MAX = 75_000;

/** The results of one contestant. */
interface Entry {
  readonly contestant: Contestant;
  /** Rounds, by the key of {@linkcode keyOf}. */
  readonly deliveries: Map<string, Deliveries[]>;
  /** Acknowledged and arrived messages a second, by round. */
  readonly acknowledged: number[];
  readonly arrived: number[];
  survivesKill?: boolean;
  replays?: boolean;
  /** The reason why it has no results. */
  missing?: string;
  /** The step that failed after other results. */
  failedStep?: string;
}

/** Measures the matrix. */
export async function benchMatrix(run: Run): Promise<Outcome> {
  const sizes = run.quick ? QUICK : FULL;
  const entries = CONTESTANTS.map((contestant): Entry => ({
    contestant,
    deliveries: new Map(),
    acknowledged: [],
    arrived: [],
    ...(contestant.module === undefined && { missing: contestant.remark }),
  }));
  const queue = entries.find(({ contestant }) => contestant.slow)!;
  // In the background, because it waits for a minute and uses little processor.
  const queued = run.quick
    ? Promise.resolve(
      void (queue.missing = "takes a minute: not in a quick run"),
    )
    : measureQueue(run, queue);
  const measured = entries.filter((entry) => entry !== queue);
  await measureKeeping(run, measured);
  await measureFloods(run, measured);
  await measureDelivery(run, measured, sizes);
  run.progress(`waiting for ${queue.contestant.label}`);
  await queued;
  run.judge(rowsOf(entries, sizes));
  return outcomeOf(entries, sizes);
}

/** Runs a step of a contestant, unless the contestant cannot run here. */
async function attempt(
  run: Run,
  entry: Entry,
  what: string,
  work: () => Promise<void>,
): Promise<void> {
  if ((entry.missing ?? entry.failedStep) !== undefined) return;
  run.progress(`${what}: ${entry.contestant.label}`);
  try {
    await work();
  } catch (error) {
    if (
      !(error instanceof ServerMissingError ||
        error instanceof ContestantError)
    ) throw error;
    // Earlier results stay.
    if (entry.acknowledged.length === 0) entry.missing = error.message;
    else entry.failedStep = `${what}: ${error.message}`;
    run.progress(`${entry.contestant.label}: ${error.message}`);
  }
}

async function measureDelivery(
  run: Run,
  entries: readonly Entry[],
  sizes: readonly Size[],
): Promise<void> {
  for (const size of sizes) {
    for (let round = 0; round < size.rounds; round++) {
      const order = round % 2 === 0 ? entries : entries.toReversed();
      for (const entry of order) {
        const what = `${size.sessions} sessions, round ${round + 1} of ` +
          size.rounds;
        await attempt(
          run,
          entry,
          what,
          () => measureSize(run, entry, size, round),
        );
      }
    }
  }
}

async function measureSize(
  run: Run,
  { contestant, deliveries }: Entry,
  { sessions, measuredMs }: Size,
  round: number,
): Promise<void> {
  const alone = sessions === 1;
  const publishers = alone ? 1 : sessions;
  await using fleet = await Fleet.start(contestant, {
    folder: `${run.folder}/${contestant.name}-${sessions}-${round}`,
    sessions: alone ? 2 : sessions,
  });
  const messagesPerSecond = MESSAGES_PER_SECOND / publishers;
  const many = sessions >= MANY;
  for (const audience of alone ? ["one"] as const : AUDIENCES) {
    const key = keyOf(sessions, audience);
    // Many sessions that publish to all are saturated already.
    const pace = many && audience === "all" ? 1 : WARM_UP_PACE;
    const result = await fleet.run({
      audience,
      publishers,
      messagesPerSecond,
      warmUpMs: many && audience === "one" ? WARM_UP_MS_OF_MANY : WARM_UP_MS,
      warmUpMessagesPerSecond: pace * messagesPerSecond,
      measuredMs,
      settleMs: SETTLE_MS,
    });
    deliveries.set(key, [...deliveries.get(key) ?? [], result]);
  }
}

function keyOf(sessions: number, audience: Audience): string {
  return `${sessions} ${sessions === 1 ? "one" : audience}`;
}

async function measureFloods(
  run: Run,
  entries: readonly Entry[],
): Promise<void> {
  for (let round = 0; round < FLOOD_ROUNDS; round++) {
    for (const entry of round % 2 === 0 ? entries : entries.toReversed()) {
      const what = `flood ${round + 1} of ${FLOOD_ROUNDS}`;
      await attempt(run, entry, what, () => flood(run, entry, round));
    }
  }
}

async function flood(
  run: Run,
  { contestant, acknowledged, arrived }: Entry,
  round: number,
): Promise<void> {
  await using fleet = await Fleet.start(contestant, {
    folder: `${run.folder}/${contestant.name}-flood-${round}`,
    sessions: 2,
    receivesAll: false,
  });
  const messages = run.quick ? FLOOD_MESSAGES / 10 : FLOOD_MESSAGES;
  const { batch } = contestant;
  // The first flood warms up.
  await floodOnce(fleet, batch * 2, batch);
  const rates = await floodOnce(fleet, messages, batch);
  acknowledged.push(rates.acknowledged);
  arrived.push(rates.arrived);
}

async function floodOnce(
  fleet: Fleet,
  messages: number,
  batch: number,
): Promise<{ acknowledged: number; arrived: number }> {
  const { began, acknowledged, last } = await fleet.ask<
    { began: number; acknowledged: number; last: number }
  >(0, { do: "flood", to: 1, messages, batch });
  const arrivedAt = await fleet.ask<number>(1, { do: "await", number: last });
  return {
    acknowledged: messages * 1_000 / (acknowledged - began),
    arrived: messages * 1_000 / (arrivedAt - began),
  };
}

async function measureKeeping(
  run: Run,
  entries: readonly Entry[],
): Promise<void> {
  for (const entry of entries) {
    await attempt(run, entry, "kill -9", async () => {
      const place = `${run.folder}/${entry.contestant.name}`;
      entry.survivesKill = await survivesKill(
        entry.contestant,
        `${place}-kill`,
        RECOVERY_MS_MAX,
      );
      entry.replays = await replays(
        entry.contestant,
        `${place}-replay`,
        RECOVERY_MS_MAX,
      );
    });
  }
}

/**
 * Returns whether a reader gets all messages acknowledged before a sender's
 * kill.
 */
async function survivesKill(
  contestant: Contestant,
  folder: string,
  recoveryMs: number,
): Promise<boolean> {
  await Deno.mkdir(folder, { mode: 0o700 });
  await using server = await serverOf(contestant, folder);
  const url = server?.url ?? "";
  const config = { sessions: 2, folder, url, receivesAll: false };
  await using reader = startSession(contestant, { ...config, session: 1 });
  await untilReady(reader);
  await using sender = startSession(contestant, { ...config, session: 0 });
  await untilReady(sender);
  for (const each of [reader, sender]) {
    await order(each, { do: "join" });
    await each.next();
  }
  const acknowledged = await killAfterAcknowledgement(sender);
  return await receivesAll(reader, acknowledged, recoveryMs);
}

/** Returns whether an absent reader later gets all acknowledged messages. */
async function replays(
  contestant: Contestant,
  folder: string,
  recoveryMs: number,
): Promise<boolean> {
  await Deno.mkdir(folder, { mode: 0o700 });
  await using server = await serverOf(contestant, folder);
  const url = server?.url ?? "";
  const config = { sessions: 2, folder, url, receivesAll: false };
  let acknowledged: number;
  {
    await using sender = startSession(contestant, { ...config, session: 0 });
    await untilReady(sender);
    await order(sender, { do: "join" });
    // A contestant that needs a connected reader cannot join.
    const { joined } = await sender.next<{ joined: boolean }>();
    if (!joined) return false;
    acknowledged = await killAfterAcknowledgement(sender);
  }
  await server?.crash();
  await using reader = startSession(contestant, {
    ...config,
    session: 1,
    from: "start",
  });
  await untilReady(reader);
  return await receivesAll(reader, acknowledged, recoveryMs);
}

async function serverOf(
  { server }: Contestant,
  folder: string,
): Promise<Server | undefined> {
  return server && await startServer(server, `${folder}/server`);
}

async function order(child: Child, order: unknown): Promise<void> {
  await child.write(JSON.stringify(order));
}

/** Kills a sender. Returns the number of its last acknowledged message. */
async function killAfterAcknowledgement(sender: Child): Promise<number> {
  await order(sender, { do: "count", to: 1 });
  let last = -1;
  while (last < KILL_AFTER) last = await sender.next<number>();
  await sender.kill();
  return last;
}

async function receivesAll(
  reader: Child,
  last: number,
  withinMs: number,
): Promise<boolean> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    await order(reader, { do: "received" });
    const received = new Set(await reader.next<number[]>());
    let all = true;
    for (let number = 0; number <= last; number++) all &&= received.has(number);
    if (all || performance.now() > deadline) return all;
    await pause(50);
  }
}

/** Measures Deno KV's queue, whose deliveries take up to a minute. */
async function measureQueue(run: Run, entry: Entry): Promise<void> {
  const { contestant } = entry;
  const place = `${run.folder}/${contestant.name}`;
  await Promise.all([
    attempt(run, entry, "in the background", async () => {
      await using fleet = await Fleet.start(contestant, {
        folder: `${place}-1`,
        sessions: 2,
      });
      const deliveries = await fleet.run({
        audience: "one",
        publishers: 1,
        messagesPerSecond: 10,
        warmUpMs: 0,
        measuredMs: KV_MESSAGES * 100,
        settleMs: KV_MS_MAX,
      });
      entry.deliveries.set(keyOf(1, "one"), [deliveries]);
    }),
    attempt(run, entry, "kill -9, in the background", async () => {
      entry.survivesKill = await survivesKill(
        contestant,
        `${place}-kill`,
        KV_MS_MAX,
      );
    }),
    attempt(run, entry, "restart, in the background", async () => {
      entry.replays = await replays(contestant, `${place}-replay`, KV_MS_MAX);
    }),
  ]);
}

function rowsOf(entries: readonly Entry[], sizes: readonly Size[]): Row[] {
  const bus = entries.find(({ contestant }) => contestant === BUS)!;
  const quantileOf = (
    entry: Entry,
    sessions: number,
    audience: Audience,
    quantile: "p50" | "p99",
    times: (deliveries: Deliveries) => readonly number[],
  ) =>
    (entry.deliveries.get(keyOf(sessions, audience)) ?? [])
      .map((deliveries) => distributionOf(times(deliveries))[quantile]);
  const reaches = [
    [10, "one", 1],
    [10, "all", 2],
    [100, "one", 1],
    [100, "all", 8],
  ] as const;
  const present = new Set(sizes.map(({ sessions }) => sessions));
  const rivals = (name: string) =>
    entries.find(({ contestant, missing }) =>
      contestant.name === name && missing === undefined
    );
  const floor = rivals(SQLITE_FILE_WATCH.name);
  const floorRow = (what: string, rounds: readonly number[]): Row => ({
    bench: "floor",
    what: `bare SQLite, woken by files: ${what}`,
    unit: "ms",
    rounds,
  });
  return [
    ...reaches.filter(([sessions]) => present.has(sessions)).map((
      [sessions, audience, max],
    ): Row => ({
      bench: "matrix",
      what: `p99 from the commit, to ${audience} of ${sessions}`,
      unit: "ms",
      rounds: quantileOf(bus, sessions, audience, "p99", (t) => t.fromCommit),
      bar: { of: "figure", max },
      ...baselineOf(
        rivals("sockets"),
        (entry) =>
          quantileOf(entry, sessions, audience, "p99", (t) => t.fromStart),
      ),
    })),
    ...(floor === undefined
      ? []
      : reaches.map(([sessions, audience]) =>
        floorRow(
          `p99 from the commit, to ${audience} of ${sessions}`,
          quantileOf(floor, sessions, audience, "p99", (t) => t.fromCommit),
        )
      )),
    ...["jetstream", "redis-streams"].flatMap((name) =>
      AUDIENCES.map((audience): Row => ({
        bench: "matrix",
        what: `p99 from the start, to ${audience} of 10`,
        unit: "ms",
        rounds: quantileOf(bus, 10, audience, "p99", (t) => t.fromStart),
        bar: { of: "ratio", max: 1 },
        ...baselineOf(
          rivals(name),
          (entry) => quantileOf(entry, 10, audience, "p99", (t) => t.fromStart),
        ),
      }))
    ),
    ...(floor === undefined ? [] : AUDIENCES.map((audience) =>
      floorRow(
        `p99 from the start, to ${audience} of 10`,
        quantileOf(floor, 10, audience, "p99", (t) => t.fromStart),
      )
    )),
    ...["jetstream", "redis-streams"].map((name): Row => ({
      bench: "matrix",
      what: "publishing many, acknowledged",
      unit: "/s",
      rounds: bus.acknowledged,
      bar: { of: "ratio", min: 1 },
      ...baselineOf(rivals(name), (entry) => entry.acknowledged),
    })),
  ].filter(({ rounds }) => rounds.length > 0);
}

function baselineOf(
  entry: Entry | undefined,
  rounds: (entry: Entry) => readonly number[],
): Pick<Row, "baseline"> {
  if (entry === undefined || rounds(entry).length === 0) return {};
  return { baseline: { name: entry.contestant.label, rounds: rounds(entry) } };
}

function outcomeOf(entries: readonly Entry[], sizes: readonly Size[]): Outcome {
  const measured = entries.filter(({ deliveries }) => deliveries.size > 0);
  const inFleets = measured.filter(({ deliveries }) => deliveries.size > 1);
  const largest = sizes.at(-1)!.sessions;
  const charts: Chart[] = [
    ...sizes.flatMap(({ sessions }) =>
      (sessions === 1 ? ["one"] as const : AUDIENCES).map((audience) =>
        rangesOf(measured, sessions, audience)
      )
    ),
    ...AUDIENCES.map((audience) => fanOutOf(inFleets, sizes, audience)),
    ...AUDIENCES.map((audience): Chart => ({
      kind: "lines",
      name: `distribution-${audience}-10`,
      title: audience === "one"
        ? "From publishing to callback, to one of ten"
        : "From publishing to callback, to all of ten",
      caption: "Each point is the time within which that percentage of " +
        "messages reached the reader's callback.",
      x: { label: "percentile", scale: "percentile" },
      y: { label: "ms", scale: "log" },
      lines: inFleets.map(({ contestant, deliveries }) => ({
        name: contestant.label,
        own: contestant === BUS,
        points: percentilePoints(
          (deliveries.get(keyOf(10, audience)) ?? []).flatMap((t) =>
            t.fromStart
          ),
        ),
      })),
    })),
    barsOf(
      "throughput",
      "Publishing many, acknowledged",
      "One session floods another by the fastest call that acknowledges. Every " +
        "message arrived.",
      "messages/s",
      "log",
      entries.map((entry) => [entry, entry.acknowledged]),
    ),
    barsOf(
      "processor",
      `Processor time, ${largest} sessions, to one`,
      "Of all sessions and the server, at 100 messages a second.",
      "% of a core",
      "log",
      inFleets.map((entry) => [
        entry,
        (entry.deliveries.get(keyOf(largest, "one")) ?? [])
          .map(({ cost }) => cost.processorPercent),
      ]),
    ),
  ];
  return {
    title: "The matrix",
    about: "All contestants under the same workload: " +
      `${MESSAGES_PER_SECOND} messages a second among 1 to ${largest} ` +
      "sessions, each a process.",
    charts,
    tables: [
      summaryTable(entries),
      ...AUDIENCES.map((audience) => latencyTable(entries, sizes, audience)),
      costTable(inFleets, sizes),
    ],
    contestants: entries.map(({ contestant, missing, failedStep }) => ({
      ...contestant,
      remark: missing ?? failedStep ?? contestant.remark,
    })),
    notes: [
      ...rivalsAhead(entries),
      "Times are from the start of publishing to the reader's callback. They " +
      "include storage where this bus, Redis or NATS store messages.",
      "Survives kill -9: the sender was killed right after an acknowledgement, " +
      "and its connected reader got every acknowledged message. Replay: the " +
      "reader was absent, the sender was killed, and the server was killed and " +
      "restarted; then the reader connected and read from the start.",
      "100 messages a second to 100 sessions are 10,000 deliveries a second. " +
      "Late deliveries, after 0.5 s, show a contestant that cannot keep up.",
    ],
  };
}

/** Returns a note on each rival with better figures, with the reason. */
function rivalsAhead(entries: readonly Entry[]): string[] {
  const p50Of = ({ deliveries }: Entry, audience: Audience) =>
    medianOf(
      (deliveries.get(keyOf(10, audience)) ?? [])
        .filter(({ fromStart }) => fromStart.length > 0)
        .map(({ fromStart }) => distributionOf(fromStart).p50),
    );
  const own = entries.find(({ contestant }) => contestant === BUS)!;
  return entries.flatMap((entry) => {
    const ahead = AUDIENCES.flatMap((audience) => {
      const [theirs, ours] = [p50Of(entry, audience), p50Of(own, audience)];
      return theirs === null || ours === null || theirs >= ours ? [] : [
        `p50 to ${audience} of ten ${short(theirs)} against ${short(ours)} ms`,
      ];
    });
    const [theirs, ours] = [entry, own].map((each) =>
      medianOf(each.acknowledged) ?? 0
    );
    if (theirs > ours) {
      ahead.push(`${short(theirs)} against ${short(ours)} messages/s`);
    }
    if (ahead.length === 0) return [];
    const { label, strength } = entry.contestant;
    const why = strength === undefined ? "" : `: ${strength}`;
    return [`${label} is ahead (${ahead.join("; ")})${why}.`];
  });
}

function rangesOf(
  entries: readonly Entry[],
  sessions: number,
  audience: Audience,
): Chart {
  const rows = entries.flatMap(({ contestant, deliveries }) => {
    const rounds = deliveries.get(keyOf(sessions, audience)) ?? [];
    if (rounds.every(({ fromStart }) => fromStart.length === 0)) return [];
    const all = rounds.map(({ fromStart }) => distributionOf(fromStart));
    return [{
      name: contestant.label,
      own: contestant === BUS,
      p50: spreadOf(all.map(({ p50 }) => p50)).median,
      p99: spreadOf(all.map(({ p99 }) => p99)).median,
    }];
  });
  const recipients = sessions === 1
    ? "one session"
    : audience === "one"
    ? `one of ${sessions} sessions`
    : `all of ${sessions} sessions`;
  return {
    kind: "ranges",
    name: sessions === 1 ? "latency-1" : `latency-${audience}-${sessions}`,
    title: `From publishing to callback, to ${recipients}`,
    caption: "From the median to the 99th percentile; medians of the rounds.",
    label: "ms",
    rows: rows.toSorted((a, b) => a.p50 - b.p50),
  };
}

function fanOutOf(
  entries: readonly Entry[],
  sizes: readonly Size[],
  audience: Audience,
): Chart {
  return {
    kind: "lines",
    name: `sessions-${audience}`,
    title: audience === "one"
      ? "p99 to one, as sessions grow"
      : "p99 to all, as sessions grow",
    caption: "From publishing to callback, 100 messages a second among all.",
    x: { label: "sessions", scale: "log" },
    y: { label: "ms", scale: "log" },
    lines: entries.map(({ contestant, deliveries }) => ({
      name: contestant.label,
      own: contestant === BUS,
      points: sizes.flatMap(({ sessions }) => {
        const rounds = (deliveries.get(keyOf(sessions, audience)) ?? [])
          .filter(({ fromStart }) => fromStart.length > 0)
          .map(({ fromStart }) => distributionOf(fromStart).p99);
        return rounds.length === 0
          ? []
          : [[sessions, spreadOf(rounds).median] as const];
      }),
    })),
  };
}

function barsOf(
  name: string,
  title: string,
  caption: string,
  label: string,
  scale: "linear" | "log",
  entries: readonly (readonly [Entry, readonly number[]])[],
): Chart {
  return {
    kind: "bars",
    name,
    title,
    caption,
    label,
    scale,
    rows: entries.filter(([, rounds]) => rounds.length > 0)
      .map(([{ contestant }, rounds]) => {
        const { median, min, max } = spreadOf(rounds);
        return {
          name: contestant.label,
          own: contestant === BUS,
          value: median,
          spread: [min, max] as const,
        };
      }).toSorted((a, b) => b.value - a.value),
  };
}

function summaryTable(entries: readonly Entry[]): Table {
  return {
    title: "All contestants at a glance",
    caption: "Ten sessions; messages/s are from one session to another.",
    columns: [
      "",
      "to one p50 ms",
      "p99 ms",
      "to all p50 ms",
      "p99 ms",
      "messages/s, acknowledged",
      "arrived",
      "processor, %",
      "private MiB",
      "survives kill -9 of the sender",
      "replay after restart",
      "beside the sessions",
    ],
    rows: entries.map((entry): Cell[] => {
      const { contestant, missing, deliveries } = entry;
      if (missing !== undefined) {
        return [contestant.label, missing, ...Array(10).fill(null)];
      }
      const alone = !deliveries.has(keyOf(10, "one"));
      const [one, all] = AUDIENCES.map((audience) =>
        deliveries.get(keyOf(alone ? 1 : 10, audience)) ?? []
      );
      return [
        alone ? `${contestant.label}, one session` : contestant.label,
        ...latencyCells(one),
        ...(alone ? [null, null] : latencyCells(all)),
        medianOf(entry.acknowledged),
        medianOf(entry.arrived),
        medianOf(all.map(({ cost }) => cost.processorPercent)),
        medianOf(all.map(({ cost }) => cost.privateMib)),
        entry.survivesKill ?? null,
        entry.replays ?? null,
        contestant.beside,
      ];
    }),
  };
}

function latencyCells(rounds: readonly Deliveries[]): Cell[] {
  const all = rounds.filter(({ fromStart }) => fromStart.length > 0)
    .map(({ fromStart }) => distributionOf(fromStart));
  return [
    medianOf(all.map(({ p50 }) => p50)),
    medianOf(all.map(({ p99 }) => p99)),
  ];
}

function medianOf(values: readonly number[]): number | null {
  return values.length === 0 ? null : spreadOf(values).median;
}

function latencyTable(
  entries: readonly Entry[],
  sizes: readonly Size[],
  audience: Audience,
): Table {
  const shown = sizes.filter(({ sessions }) =>
    sessions > 1 || audience === "one"
  );
  return {
    title: audience === "one" ? "To one, ms" : "To all, ms",
    caption: "A delivery after more than 0.5 s counts as late.",
    columns: [
      "",
      ...shown.flatMap(({ sessions }) => [
        `${sessions}: p50`,
        "p99",
        "max",
        "late %",
      ]),
    ],
    rows: entries.filter(({ deliveries }) => deliveries.size > 1).map((
      { contestant, deliveries },
    ) => [
      contestant.label,
      ...shown.flatMap(({ sessions }) => {
        const rounds = deliveries.get(keyOf(sessions, audience)) ?? [];
        const came = rounds.filter(({ fromStart }) => fromStart.length > 0);
        return [
          ...latencyCells(rounds),
          medianOf(came.map(({ fromStart }) => distributionOf(fromStart).max)),
          medianOf(
            rounds.map(({ missing, expected }) => 100 * missing / expected),
          ),
        ];
      }),
    ]),
  };
}

function costTable(entries: readonly Entry[], sizes: readonly Size[]): Table {
  const shown = sizes.filter(({ sessions }) => sessions > 1);
  return {
    title: "Cost of all sessions and the server",
    columns: [
      "",
      ...shown.flatMap(({ sessions }) => [
        `${sessions}: to one, % of a core`,
        "to all, %",
        "private MiB",
      ]),
    ],
    rows: entries.map(({ contestant, deliveries }) => [
      contestant.label,
      ...shown.flatMap(({ sessions }) => {
        const [one, all] = AUDIENCES.map((audience) =>
          (deliveries.get(keyOf(sessions, audience)) ?? []).map(({ cost }) =>
            cost
          )
        );
        return [
          medianOf(one.map(({ processorPercent }) => processorPercent)),
          medianOf(all.map(({ processorPercent }) => processorPercent)),
          medianOf(all.map(({ privateMib }) => privateMib)),
        ];
      }),
    ]),
  };
}
