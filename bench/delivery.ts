/**
 * Delivery between processes: from publishing to the reader's hands.
 *
 * Ten sessions, each a process, publish 100 messages a second together: first
 * each gets what the nine others say, on mixed channels; then each message has
 * one reader. Beside it a mesh of Unix sockets between as many processes does
 * the same without storing anything; and processes that only watch a file each
 * and touch the others' show the floor of being pushed by the file system. They
 * take turns; each round has processes of its own. The gate is this at length;
 * see there for what the times mean.
 *
 * @module
 */

import { BUS, type Contestant, FILE_WATCH, SOCKETS } from "./contestants.ts";
import { Fleet, type Talked } from "./fleet.ts";
import { distributionOf } from "./quantiles.ts";
import type { Bar, Finding, Row } from "./report.ts";
import type { Audience } from "./workload.ts";

const SESSIONS = 10;
const MESSAGES_PER_SECOND = 100;
const ROUNDS = 3;
const WARM_UP_MS = 800;
const MEASURED_MS = 3_500;
const SETTLE_MS = 700;

/** One round of both contestants. */
interface Rounds {
  readonly bus: readonly Talked[];
  readonly sockets: readonly Talked[];
  /** Only where a message is for all. */
  readonly watch: readonly Talked[];
}

const FROM = {
  commit: (talked: Talked) => talked.fromCommit,
  start: (talked: Talked) => talked.fromStart,
  end: (talked: Talked) => talked.fromEnd,
} as const;

/** Measures it. */
export async function benchDelivery(folder: string): Promise<Finding> {
  const all = await runRounds(folder, "all");
  const one = await runRounds(folder, "one");
  const p50: Bar = { of: "figure", most: 0.6 };
  const p99: Bar = { of: "figure", most: 2 };
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
      (talked) => distributionOf(FROM[from](talked))[quantile],
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
  of: (talked: Talked) => number,
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
  const [bus, sockets, watch]: [Talked[], Talked[], Talked[]] = [[], [], []];
  for (let round = 0; round < ROUNDS; round++) {
    const place = `${folder}/${audience}-${round}`;
    bus.push(await runRound(BUS, `${place}-bus`, audience));
    sockets.push(await runRound(SOCKETS, `${place}-sockets`, audience));
    if (audience === "one") continue;
    watch.push(await runRound(FILE_WATCH, `${place}-watch`, audience));
  }
  return { bus, sockets, watch };
}

/** One round of ten sessions, in a folder of its own. */
export async function runRound(
  contestant: Contestant,
  folder: string,
  audience: Audience,
): Promise<Talked> {
  await using fleet = await Fleet.start(contestant, {
    folder,
    sessions: SESSIONS,
    hearsAll: audience === "all",
  });
  const talked = await fleet.talk({
    audience,
    talkers: SESSIONS,
    messagesPerSecond: MESSAGES_PER_SECOND / SESSIONS,
    warmUpMs: WARM_UP_MS,
    measuredMs: MEASURED_MS,
    settleMs: SETTLE_MS,
  });
  if (talked.missing === 0 || contestant.passesOver) return talked;
  throw new Error(
    `${contestant.label}: ${talked.missing} of ${talked.expected} messages ` +
      `did not come`,
  );
}
