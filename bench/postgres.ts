/**
 * The bus on PostgreSQL against its client alone, on a temporary local server
 * with default settings, where a commit waits for the disk.
 *
 * - **Delivery**: ten sessions, each a process, publish 100 messages a second
 *   together. The baseline is the same by hand: one statement inserts and
 *   notifies, and a listener reads the rows after its last one. The floor is a
 *   notification with the payload, and a missed one is lost.
 * - **Batched publishing**, against one insert of as many rows.
 * - **Fifty sessions publishing at once**, with and without notifications.
 *
 * Contestants take turns, and each round has a new database.
 *
 * @module
 */

import postgres from "postgres";
import { WakeUps } from "../lib/postgres/wake_ups.ts";
import { type MessageBus, openBus } from "../mod.ts";
import { guard, Server } from "../tests/postgres/server.ts";
import { BUS_POSTGRES, POSTGRES_NOTIFY, POSTGRES_READ } from "./contestants.ts";
import { runRound } from "./delivery.ts";
import type { Deliveries } from "./fleet.ts";
import { distributionOf } from "./quantiles.ts";
import type { Finding, Row } from "./report.ts";
import { type Audience, CHANNELS } from "./workload.ts";

const ROUNDS = 3;
const BATCHES = 20;
const BATCH_MESSAGES = 500;
const SESSIONS = 50;
const MESSAGES_EACH = 40;

/** Measures the bus on PostgreSQL. */
export async function benchPostgres(folder: string): Promise<Finding> {
  await using server = await Server.start({ settings: { fsync: "on" } });
  // An interrupted run leaves no server.
  guard(server);
  const all = await deliveryRounds(folder, "all");
  const one = await deliveryRounds(folder, "one");
  return {
    rows: [
      ...deliveryRows("to nine", all),
      ...deliveryRows("to one", one),
      await batchRow(server),
      await crowdRow(server),
    ],
    contestants: [
      "this bus: PostgreSQL with synchronous_commit; survives the death of the " +
      "server and of any process; once, in commit order",
      "by hand: npm postgres, the same server; skips messages that commit late, " +
      `here ${missedOf([...all.raw, ...one.raw])}`,
      "floor: the message in the notification; a missed one is lost",
    ],
  };
}

/** The rounds of each contestant. */
interface DeliveryRounds {
  readonly bus: readonly Deliveries[];
  readonly raw: readonly Deliveries[];
  readonly floor: readonly Deliveries[];
}

async function deliveryRounds(
  folder: string,
  audience: Audience,
): Promise<DeliveryRounds> {
  const [bus, raw, floor]: [Deliveries[], Deliveries[], Deliveries[]] = [
    [],
    [],
    [],
  ];
  for (let round = 0; round < ROUNDS; round++) {
    const place = `${folder}/${audience}-${round}`;
    raw.push(await runRound(POSTGRES_READ, `${place}-raw`, audience));
    bus.push(await runRound(BUS_POSTGRES, `${place}-bus`, audience));
    floor.push(await runRound(POSTGRES_NOTIFY, `${place}-floor`, audience));
  }
  return { bus, raw, floor };
}

function missedOf(rounds: readonly Deliveries[]): string {
  const sum = (of: (deliveries: Deliveries) => number) =>
    rounds.reduce((total, deliveries) => total + of(deliveries), 0);
  return `${sum(({ missing }) => missing)} of ${
    sum(({ expected }) => expected)
  }`;
}

function deliveryRows(
  to: string,
  { bus, raw, floor }: DeliveryRounds,
): Row[] {
  return (["p50", "p99"] as const).flatMap((quantile): Row[] => {
    const of = (rounds: readonly Deliveries[]) =>
      rounds.map(({ fromStart }) => distributionOf(fromStart)[quantile]);
    const row = { bench: "postgres", unit: "ms", rounds: of(bus) };
    return [{
      ...row,
      what: `${to}, ${quantile}`,
      baseline: { name: "by hand", rounds: of(raw) },
      bar: { of: "ratio", max: quantile === "p50" ? 1.5 : 2 },
    }, {
      ...row,
      what: `${to}, ${quantile}, floor`,
      baseline: { name: "floor", rounds: of(floor) },
    }];
  });
}

async function batchRow(server: Server): Promise<Row> {
  const [bus, raw]: [number[], number[]] = [[], []];
  // The first round warms up both contestants.
  for (let round = 0; round <= ROUNDS; round++) {
    bus.push(await publishBatches(await server.newDatabase()));
    raw.push(await insertBatches(await server.newDatabase()));
  }
  bus.shift();
  raw.shift();
  return {
    bench: "postgres",
    what: "batched publishing",
    unit: "/s",
    rounds: bus,
    baseline: { name: "by hand", rounds: raw },
    bar: { of: "ratio", min: 0.5 },
  };
}

function message(number: number) {
  return {
    channel: CHANNELS[number % CHANNELS.length],
    payload: { status: "working", number, file: "src/server/routes.ts" },
  };
}

function batchOf(number: number): ReturnType<typeof message>[] {
  return Array.from({ length: BATCH_MESSAGES }, (_, i) => message(number + i));
}

async function publishBatches(url: string): Promise<number> {
  await using bus = await openUnguarded(url, "bench");
  await bus.publishMany(batchOf(0));
  const beganAt = performance.now();
  for (let i = 0; i < BATCHES; i++) await bus.publishMany(batchOf(i));
  return BATCHES * BATCH_MESSAGES * 1000 / (performance.now() - beganAt);
}

/** Returns messages a second of one insert per batch into the bus's table. */
async function insertBatches(url: string): Promise<number> {
  await using _bus = await openUnguarded(url, "bench");
  const sql = postgres(url, { max: 1 });
  const insert = async (number: number) => {
    const now = Date.now();
    const rows = batchOf(number).map(({ channel, payload }) => ({
      sender_id: "bench",
      channel,
      payload: JSON.stringify(payload),
      ttl_seconds: 300,
      expires_at: now + 300_000,
      own: true,
    }));
    // Ids come from the sequence, as the bus's do.
    await sql`WITH m AS (
        SELECT * FROM unnest(
          ${rows.map((row) => row.sender_id)}::text[],
          ${rows.map((row) => row.channel)}::text[],
          ${rows.map((row) => row.payload)}::text[],
          ${rows.map((row) => row.ttl_seconds)}::float8[],
          ${rows.map((row) => row.expires_at)}::bigint[])
      ) INSERT INTO message_bus.inter_session_messages
        (id, sender_id, channel, payload, ttl_seconds, expires_at, own)
      SELECT nextval('message_bus.message_ids'), m.*, true FROM m`;
  };
  await insert(0);
  const beganAt = performance.now();
  for (let i = 0; i < BATCHES; i++) await insert(i);
  const perSecond = BATCHES * BATCH_MESSAGES * 1000 /
    (performance.now() - beganAt);
  await sql.end();
  return perSecond;
}

async function crowdRow(server: Server): Promise<Row> {
  const [rung, silent]: [number[], number[]] = [[], []];
  for (let round = 0; round < ROUNDS; round++) {
    rung.push(await publishInCrowd(await server.newDatabase(), true));
    silent.push(await publishInCrowd(await server.newDatabase(), false));
  }
  return {
    bench: "postgres",
    what: `${SESSIONS} sessions at once`,
    unit: "/s",
    rounds: rung,
    baseline: { name: "without notifications", rounds: silent },
    bar: { of: "ratio", min: 0.7 },
  };
}

/** Returns messages a second of many sessions that each await their commits. */
async function publishInCrowd(url: string, rings: boolean): Promise<number> {
  const { bellsFor } = WakeUps.prototype;
  if (!rings) WakeUps.prototype.bellsFor = () => new Set();
  const buses: MessageBus[] = [];
  try {
    for (let i = 0; i < SESSIONS; i++) {
      buses.push(await openUnguarded(url, `s-${i}`));
    }
    const beganAt = performance.now();
    await Promise.all(buses.map(async (bus) => {
      for (let i = 0; i < MESSAGES_EACH; i++) {
        const { channel, payload } = message(i);
        await bus.publish(channel, payload);
      }
    }));
    return SESSIONS * MESSAGES_EACH * 1000 / (performance.now() - beganAt);
  } finally {
    await Promise.all(buses.map((bus) => bus.close()));
    WakeUps.prototype.bellsFor = bellsFor;
  }
}

async function openUnguarded(
  url: string,
  session: string,
): Promise<MessageBus> {
  const bus = await openBus({ url, session, publishesPerSecondMax: 1e9 });
  await bus.sessions.register();
  return bus;
}
