/**
 * Publishing: the bus against the bare insert beneath it.
 *
 * Messages go one at a time (each `publish` awaited), in batches
 * (`publishMany`), and one at a time with a subscriber in another process.
 * Every round has a new database and counts as a whole, checkpoints and purges
 * included. A mean above the median of single operations shows their cost.
 *
 * @module
 */

import { type MessageBus, openBus } from "../mod.ts";
import { startChild } from "./children.ts";
import { distributionOf } from "./quantiles.ts";
import { type Publishable, RawInsert } from "./raw_insert.ts";
import type { Finding, Row } from "./report.ts";
import { CHANNELS } from "./workload.ts";

const ROUNDS = 7;
const WARM_UP_ROUNDS = 1;
const MESSAGES = 4_000;
const BATCH_MESSAGES = 500;

/** One contestant's round. */
interface Round {
  readonly perSecond: number;
  /** The median time of an operation per message, in µs. */
  readonly medianUs: number;
}

const CONTESTANTS = {
  raw: rawOneByOne,
  rawBatched: rawInBatches,
  bus: busOneByOne,
  busBatched: busInBatches,
  busRinging: busWithSubscriber,
} as const;

type Name = keyof typeof CONTESTANTS;

/** Measures publishing. */
export async function benchPublish(folder: string): Promise<Finding> {
  const names = Object.keys(CONTESTANTS) as Name[];
  const rounds: Record<Name, Round[]> = {
    raw: [],
    rawBatched: [],
    bus: [],
    busBatched: [],
    busRinging: [],
  };
  for (let round = 0; round < WARM_UP_ROUNDS + ROUNDS; round++) {
    // The order alternates, so that no contestant always follows the same one.
    const order = round % 2 === 0 ? names : names.toReversed();
    for (const name of order) {
      const home = `${folder}/${name}-${round}`;
      const result = await CONTESTANTS[name](home);
      if (round >= WARM_UP_ROUNDS) rounds[name].push(result);
      await Deno.remove(home, { recursive: true });
    }
  }
  return {
    rows: [
      perSecond("one at a time", rounds.bus, rounds.raw, 0.7),
      medianUs("one at a time, each", rounds.bus, rounds.raw),
      perSecond("batched", rounds.busBatched, rounds.rawBatched, 0.6),
      medianUs("batched, each", rounds.busBatched, rounds.rawBatched),
      ringing(rounds.busRinging, rounds.raw),
      medianUs("with a subscriber, each", rounds.busRinging, rounds.raw),
    ],
    contestants: [
      "this bus: WAL, synchronous=NORMAL; survives the death of any process; " +
      "without a limit on messages per second",
      "raw insert: node:sqlite, the same schema, pragmas and durability",
    ],
  };
}

function perSecond(
  what: string,
  bus: readonly Round[],
  raw: readonly Round[],
  min: number,
): Row {
  return {
    bench: "publish",
    what,
    unit: "/s",
    rounds: bus.map((round) => round.perSecond),
    baseline: {
      name: "raw insert",
      rounds: raw.map((round) => round.perSecond),
    },
    bar: { of: "ratio", min },
  };
}

function medianUs(
  what: string,
  bus: readonly Round[],
  raw: readonly Round[],
): Row {
  return {
    bench: "publish",
    what,
    unit: "µs",
    rounds: bus.map((round) => round.medianUs),
    baseline: {
      name: "raw insert",
      rounds: raw.map((round) => round.medianUs),
    },
  };
}

function ringing(bus: readonly Round[], raw: readonly Round[]): Row {
  return {
    bench: "publish",
    what: "with a subscriber",
    unit: "µs",
    rounds: bus.map((round) => 1e6 / round.perSecond),
    baseline: {
      name: "raw insert",
      rounds: raw.map((round) => 1e6 / round.perSecond),
    },
    bar: { of: "ratio", max: 4 },
  };
}

async function rawOneByOne(home: string): Promise<Round> {
  using raw = await RawInsert.open(home);
  const times: number[] = [];
  const beganAt = performance.now();
  for (let i = 0; i < MESSAGES; i++) {
    const before = performance.now();
    raw.one(message(i));
    times.push(performance.now() - before);
  }
  return roundOf(times, 1, performance.now() - beganAt);
}

async function rawInBatches(home: string): Promise<Round> {
  using raw = await RawInsert.open(home);
  const times: number[] = [];
  const beganAt = performance.now();
  for (let i = 0; i < MESSAGES; i += BATCH_MESSAGES) {
    const before = performance.now();
    raw.many(batch(i));
    times.push(performance.now() - before);
  }
  return roundOf(times, BATCH_MESSAGES, performance.now() - beganAt);
}

async function busOneByOne(home: string): Promise<Round> {
  await using bus = await openToPublish(home);
  return await publishOneByOne(bus);
}

async function busInBatches(home: string): Promise<Round> {
  await using bus = await openToPublish(home);
  const times: number[] = [];
  const beganAt = performance.now();
  for (let i = 0; i < MESSAGES; i += BATCH_MESSAGES) {
    const before = performance.now();
    await bus.publishMany(batch(i));
    times.push(performance.now() - before);
  }
  return roundOf(times, BATCH_MESSAGES, performance.now() - beganAt);
}

async function busWithSubscriber(home: string): Promise<Round> {
  await using bus = await openToPublish(home);
  await using subscriber = startChild("subscriber.ts", {
    home,
    channels: CHANNELS,
  });
  await subscriber.next();
  const round = await publishOneByOne(bus);
  await subscriber.write("how many");
  const received = await subscriber.next<number>();
  await subscriber.end();
  if (received !== MESSAGES) {
    throw new Error(
      `Cannot count the round: the subscriber got ${received} of ${MESSAGES} ` +
        "messages.",
    );
  }
  return round;
}

async function publishOneByOne(bus: MessageBus): Promise<Round> {
  const times: number[] = [];
  const beganAt = performance.now();
  for (let i = 0; i < MESSAGES; i++) {
    const { channel, payload } = message(i);
    const before = performance.now();
    await bus.publish(channel, payload);
    times.push(performance.now() - before);
  }
  return roundOf(times, 1, performance.now() - beganAt);
}

async function openToPublish(home: string): Promise<MessageBus> {
  const bus = await openBus({
    home,
    session: "bench",
    publishesPerSecondMax: 1e9,
  });
  await bus.sessions.register();
  return bus;
}

function message(number: number): Publishable {
  return {
    channel: CHANNELS[number % CHANNELS.length],
    payload: { status: "working", number, file: "src/server/routes.ts" },
  };
}

function batch(from: number): Publishable[] {
  return Array.from({ length: BATCH_MESSAGES }, (_, i) => message(from + i));
}

function roundOf(
  times: readonly number[],
  messages: number,
  ms: number,
): Round {
  return {
    perSecond: MESSAGES * 1000 / ms,
    medianUs: distributionOf(times).p50 * 1000 / messages,
  };
}
