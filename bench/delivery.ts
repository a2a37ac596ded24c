/**
 * Delivery between processes: from publishing to the reader's callback.
 *
 * Ten sessions, each a process, publish 100 messages a second together. First
 * each session reads the messages of the nine others, on mixed channels. Then
 * each message has one reader.
 *
 * One baseline is a mesh of Unix sockets, which stores nothing. The other is a
 * watched file per process, the floor of wake-ups by the file system. They take
 * turns, and each round has new processes. `gate.ts` defines the times.
 *
 * @module
 */

import { BUS, type Contestant, FILE_WATCH, SOCKETS } from "./contestants.ts";
import { type Deliveries, Fleet } from "./fleet.ts";
import { distributionOf } from "./quantiles.ts";
import type { Bar, Finding, Row } from "./report.ts";
import type { Audience } from "./workload.ts";

const SESSIONS = 10;
const MESSAGES_PER_SECOND = 100;
const ROUNDS = 3;
const WARM_UP_MS = 800;
const MEASURED_MS = 3_500;
const SETTLE_MS = 700;

/** The rounds of all contestants. */
interface Rounds {
  readonly bus: readonly Deliveries[];
  readonly sockets: readonly Deliveries[];
  /** Empty when each message has one reader. */
  readonly watch: readonly Deliveries[];
}

const FROM = {
  commit: (deliveries: Deliveries) => deliveries.fromCommit,
  start: (deliveries: Deliveries) => deliveries.fromStart,
  end: (deliveries: Deliveries) => deliveries.fromEnd,
} as const;

/** Measures delivery. */
export async function benchDelivery(folder: string): Promise<Finding> {
  const all = await runRounds(folder, "all");
  const one = await runRounds(folder, "one");
  const p50: Bar = { of: "figure", max: 0.6 };
  const p99: Bar = { of: "figure", max: 2 };
  return {
    rows: [
      ...(["commit", "start", "end"] as const).flatMap((from) => {
        // Bars judge the delivery, which starts at the commit.
        const bars = from === "commit" ? { p50, p99 } : {};
        return [
          ...rowsOf("to nine", all, from, bars),
          ...rowsOf("to one", one, from, bars),
        ];
      }),
      ...floorRows("to nine", all),
      ...costRows("to nine", all),
      ...costRows("to one", one),
    ],
    contestants: [BUS, SOCKETS, FILE_WATCH].map(({ label, durability }) =>
      `${label}: ${durability}; ${SESSIONS} sessions, ` +
      `${MESSAGES_PER_SECOND} messages/s`
    ),
  };
}

function rowsOf(
  audience: string,
  rounds: Rounds,
  from: keyof typeof FROM,
  bars: { readonly p50?: Bar; readonly p99?: Bar },
): Row[] {
  return (["p50", "p90", "p99", "max"] as const).map((quantile) =>
    row(
      `${audience}, from ${from}, ${quantile}`,
      "ms",
      rounds,
      (deliveries) => distributionOf(FROM[from](deliveries))[quantile],
      quantile === "p50" || quantile === "p99" ? bars[quantile] : undefined,
    )
  );
}

/** Returns the share of the file system's wake-up in a delivery. */
function floorRows(audience: string, { bus, watch }: Rounds): Row[] {
  return (["p50", "p99"] as const).map((quantile) => ({
    bench: "delivery",
    what: `${audience}, from start to floor, ${quantile}`,
    unit: "ms",
    rounds: bus.map(({ fromStart }) => distributionOf(fromStart)[quantile]),
    baseline: {
      name: FILE_WATCH.label,
      rounds: watch.map(({ fromStart }) => distributionOf(fromStart)[quantile]),
    },
  }));
}

function costRows(audience: string, rounds: Rounds): Row[] {
  return [
    row(
      `${audience}, processor of all`,
      "%",
      rounds,
      ({ cost }) => cost.processorPercent,
    ),
    row(
      `${audience}, private memory of all`,
      "MiB",
      rounds,
      ({ cost }) => cost.privateMib,
    ),
  ];
}

function row(
  what: string,
  unit: string,
  { bus, sockets }: Rounds,
  of: (deliveries: Deliveries) => number,
  bar?: Bar,
): Row {
  return {
    bench: "delivery",
    what,
    unit,
    rounds: bus.map(of),
    baseline: { name: SOCKETS.label, rounds: sockets.map(of) },
    bar,
  };
}

async function runRounds(folder: string, audience: Audience): Promise<Rounds> {
  const [bus, sockets, watch]: [Deliveries[], Deliveries[], Deliveries[]] = [
    [],
    [],
    [],
  ];
  for (let round = 0; round < ROUNDS; round++) {
    const place = `${folder}/${audience}-${round}`;
    bus.push(await runRound(BUS, `${place}-bus`, audience));
    sockets.push(await runRound(SOCKETS, `${place}-sockets`, audience));
    if (audience === "one") continue;
    watch.push(await runRound(FILE_WATCH, `${place}-watch`, audience));
  }
  return { bus, sockets, watch };
}

/**
 * Runs one round of ten sessions, in a new folder.
 *
 * @throws {Error} If messages are missing, unless the contestant may skip some.
 */
export async function runRound(
  contestant: Contestant,
  folder: string,
  audience: Audience,
): Promise<Deliveries> {
  await using fleet = await Fleet.start(contestant, {
    folder,
    sessions: SESSIONS,
    receivesAll: audience === "all",
  });
  const deliveries = await fleet.run({
    audience,
    publishers: SESSIONS,
    messagesPerSecond: MESSAGES_PER_SECOND / SESSIONS,
    warmUpMs: WARM_UP_MS,
    measuredMs: MEASURED_MS,
    settleMs: SETTLE_MS,
  });
  if (deliveries.missing === 0 || contestant.skipsLate) return deliveries;
  throw new Error(
    `Cannot measure ${contestant.label}: ${deliveries.missing} of ` +
      `${deliveries.expected} messages are missing.`,
  );
}
