import assert from "node:assert/strict";
import { Home, numbers, take } from "../fixture.ts";
import { type Defect, withDefects } from "./defect.ts";
import {
  growthPerMinute,
  judgeLoad,
  type Load,
  type LoadReport,
  type LoadSession,
  runLoad,
  slope,
} from "./load.ts";
import { LONG, seeded } from "./seed.ts";

const LINUX = Deno.build.os === "linux";
const unlessLinux = LINUX ? "" : " (ignored: needs Linux)";
const MIB = 1024 * 1024;

const SESSIONS = LONG ? 100 : 14;
const SECONDS = LONG ? 600 : 5;
const STOPPED_MS = LONG ? 60_000 : 2_000;
const LIMITS = {
  // Of a hundred sessions on two cores, some always read, so the WAL grows.
  walBytesMax: (LONG ? 256 : 32) * MIB,
  // Caches of V8 and SQLite grow by less than this.
  ...(LONG && { growthPerMinuteMax: MIB }),
};

/** Returns two sessions, of which one publishes for the other. */
function pair(
  name: string,
  writer: Partial<LoadSession>,
  reader: Partial<LoadSession>,
): LoadSession[] {
  const usual = { perSecond: 20, seconds: SECONDS, payloadBytes: 100 };
  return [
    { ...usual, session: `${name}-writer`, writes: name, ...writer },
    { ...usual, session: `${name}-reader`, reads: name, ...reader },
  ];
}

/** Returns a ring of sessions, and pairs that are slow, stopped or large. */
function crowd(): LoadSession[] {
  const others = [
    // 45 ms per message just keeps up with a message every 50 ms.
    ...pair("slow", {}, { slowMs: 45 }),
    ...pair("stopped", {}, { stoppedMs: STOPPED_MS, durable: true }),
    // Near the maximum of a payload.
    ...pair("large", { perSecond: 5, payloadBytes: 65_000 }, {}),
  ];
  const count = SESSIONS - others.length;
  const ring = numbers(0, count).map((i): LoadSession => ({
    session: `ring-${i}`,
    writes: `to-${(i + 1) % count}`,
    reads: `to-${i}`,
    perSecond: 21,
    seconds: SECONDS,
    payloadBytes: 100,
    durable: i % 2 === 0,
  }));
  return [...ring, ...others];
}

function summaryOf(
  { reports, walBytesMax, storeBytesMax, tookMs }: Load,
): string {
  const published = reports.reduce((sum, one) => sum + one.published, 0);
  const growth = reports.map(({ memory }) => growthPerMinute(memory) / MIB)
    .sort((a, b) => a - b);
  const late = (of: "p50" | "p99") =>
    reports.map(({ lateMs }) => lateMs[of]).sort((a, b) => a - b);
  return `${reports.length} sessions, ${published} messages in ` +
    `${(tookMs / 1_000).toFixed(1)} s, ${
      (published * 1_000 / tookMs).toFixed(0)
    } a second; latency ${late("p50")[reports.length >> 1]} ms at the median ` +
    `session's p50, ${late("p99").at(-1)} ms at the worst one's p99; largest ` +
    `WAL ${(walBytesMax / MIB).toFixed(1)} MiB, largest database ` +
    `${(storeBytesMax / MIB).toFixed(1)} MiB; resident memory grows by ` +
    `${growth[growth.length >> 1].toFixed(2)} MiB a minute at the median, ` +
    `${growth.at(-1)!.toFixed(2)} at the maximum`;
}

const CROWD = `${SESSIONS} sessions for ${SECONDS} s`;

Deno.test({
  name:
    `${CROWD} get all messages in order, though some are slow, stopped or large${unlessLinux}`,
  ignore: !LINUX,
  fn: () =>
    seeded(import.meta.url, CROWD, async (chance) => {
      await using home = new Home();
      const sessions = crowd();
      const seed = chance.seed();
      const load = await runLoad({ home: home.path, sessions, seed });
      console.log(summaryOf(load));
      assert.deepEqual(judgeLoad(load, sessions, LIMITS), []);
      const [{ integrity_check }] = home.foreign()
        .prepare("PRAGMA integrity_check").all();
      assert.equal(integrity_check, "ok");
    }),
});

Deno.test({
  name: `every session reads the messages of every session${unlessLinux}`,
  ignore: !LINUX,
  async fn() {
    await using home = new Home();
    const sessions = numbers(0, LONG ? 100 : 10).map((i): LoadSession => ({
      session: `all-${i}`,
      writes: "all",
      reads: "all",
      perSecond: LONG ? 0.5 : 3,
      seconds: LONG ? 120 : 4,
      payloadBytes: 100,
      writers: LONG ? 100 : 10,
    }));
    const load = await runLoad({ home: home.path, sessions });
    console.log(summaryOf(load));
    assert.deepEqual(judgeLoad(load, sessions, LIMITS), []);
  },
});

/** Returns the growth of a session's heap for each message, in bytes. */
async function growthPerMessage(library?: string): Promise<number> {
  await using home = new Home();
  const sessions: LoadSession[] = [{
    session: "alone",
    writes: "own",
    reads: "own",
    perSecond: 1_000,
    seconds: LONG ? 120 : 7,
    payloadBytes: 100,
  }];
  const load = await runLoad({ home: home.path, sessions, library });
  const { memory } = load.reports[0];
  // The first half includes the growth of compiled code.
  const points = memory.slice(memory.length >> 1)
    .map(({ messages, heap }) => [messages, heap] as const);
  const growth = slope(points);
  console.log(
    `${memory.at(-1)!.messages} messages, ${growth.toFixed(1)} bytes each`,
  );
  return growth;
}

// A leaked message takes several times as much.
const GROWTH_MAX = 50;

Deno.test({
  name: `a session's heap does not grow with its messages${unlessLinux}`,
  ignore: !LINUX,
  async fn() {
    const growth = await growthPerMessage();
    assert.ok(growth < GROWTH_MAX, `${growth} bytes a message`);
  },
});

const MANY = LONG ? 1_000_000 : 30_000;

Deno.test(`purge() trims a channel of ${MANY} messages to its cap and counts all losses`, async () => {
  await using home = new Home();
  const wide = { channelMessagesMax: 2 * MANY, publishesPerSecondMax: 1e9 };
  const bus = await home.open(wide);
  const durable = bus.subscribe("many", { durable: "d", from: "start" });
  await durable.ready;
  await durable.close();
  const STEP = 10_000;
  for (let first = 0; first < MANY; first += STEP) {
    await bus.publishMany(
      numbers(first, STEP).map((payload) => ({
        channel: "many",
        payload,
        ttlSeconds: 24 * 60 * 60,
      })),
    );
  }
  const reader = bus.subscribe("many", { from: "start" });
  for (let expected = 0; expected < MANY; expected++) {
    const { value } = await reader.next();
    if (value!.payload !== expected) assert.equal(value!.payload, expected);
  }
  await reader.close();

  const narrow = await home.open();
  const [purged] = await Promise.all([
    narrow.purge(),
    // Publishes continue during the purge.
    ...numbers(0, 20).map((payload) => bus.publish("other", payload)),
  ]);
  assert.equal(purged.overCap, MANY - 10_000);
  const after = narrow.subscribe("many", { durable: "d" });
  const [oldest] = await take(after, 1);
  assert.equal(oldest.payload, MANY - 10_000);
  assert.equal(after.lost, MANY - 10_000);
});

/** Returns the report of a session without faults. */
function report(session: string, change: Partial<LoadReport> = {}): LoadReport {
  const memory = numbers(0, 10).map((i) => ({
    atMs: i * 60_000,
    messages: i * 1_000,
    rss: 50 * MIB,
    heap: 5 * MIB,
  }));
  return {
    session,
    published: session.endsWith("writer") ? 9 : 0,
    delivered: session.endsWith("reader") ? 9 : 0,
    wrong: [],
    lateMs: { p50: 1, p99: 2 },
    memory,
    ...change,
  };
}

Deno.test("judgeLoad() returns each fault, and none for a faultless load", () => {
  const sessions = pair("x", {}, {});
  const sizes = { walBytesMax: MIB, storeBytesMax: MIB, tookMs: 1_000 };
  const limits = { walBytesMax: 2 * MIB, growthPerMinuteMax: MIB };
  const judge = (...reports: LoadReport[]) =>
    judgeLoad({ ...sizes, reports }, sessions, limits);
  const [writer, reader] = [report("x-writer"), report("x-reader")];
  assert.deepEqual(judge(writer, reader), []);
  const grows = writer.memory.map((one, i) => ({
    ...one,
    rss: one.rss + 2 * MIB * i,
  }));
  const faults: [RegExp, LoadReport, LoadReport][] = [
    [/x-reader got 8 of 9/, writer, report("x-reader", { delivered: 8 })],
    [/x-reader got 10 of 9/, writer, report("x-reader", { delivered: 10 })],
    [
      /x-writer published nothing/,
      report("x-writer", { published: 0 }),
      report("x-reader", { delivered: 0 }),
    ],
    [/3 of x/, writer, report("x-reader", { wrong: ["3 of x where 2"] })],
    [
      /x-writer grows by 2097152/,
      report("x-writer", { memory: grows }),
      reader,
    ],
    [/x-reader did not report/, writer, report("another")],
  ];
  for (const [found, ...reports] of faults) {
    assert.match(judge(...reports).join("\n"), found);
  }
  const long = { ...sizes, walBytesMax: 3 * MIB, reports: [writer, reader] };
  assert.match(judgeLoad(long, sessions, limits).join("\n"), /the WAL was/);
});

const LEAK: Defect = {
  file: "lib/bus/subscription.ts",
  text: "this.#delivered = message.id;",
  by: "this.#delivered = message.id; " +
    "((globalThis as any).kept ??= []).push(message);",
};

Deno.test({
  name:
    `a load finds that a subscription keeps delivered messages${unlessLinux}`,
  ignore: !LINUX,
  fn: () =>
    withDefects([LEAK], async (library) => {
      assert.ok(await growthPerMessage(library) > GROWTH_MAX);
    }),
});

const NO_CHECKPOINT: Defect[] = [{
  file: "lib/sqlite/connection.ts",
  text: "const AUTO_CHECKPOINT_PAGES = 950;",
  by: "const AUTO_CHECKPOINT_PAGES = 0;",
}, {
  file: "lib/sqlite/checkpoint.ts",
  text: "const BACKGROUND_CHECKPOINT_PAGES = 800;",
  by: "const BACKGROUND_CHECKPOINT_PAGES = Infinity;",
}, {
  file: "lib/sqlite/checkpoint.ts",
  text: "return this.#bytes() > WAL_TRUNCATE_BYTES;",
  by: "return false;",
}];

Deno.test({
  name: `a load finds that the WAL is never checkpointed${unlessLinux}`,
  ignore: !LINUX,
  fn: () =>
    withDefects(NO_CHECKPOINT, async (library) => {
      await using home = new Home();
      const sessions = pair("large", {
        perSecond: 300,
        seconds: 5,
        payloadBytes: 65_000,
      }, { seconds: 5 });
      const load = await runLoad({ home: home.path, sessions, library });
      const faults = judgeLoad(load, sessions, LIMITS);
      assert.match(faults.join("\n"), /the WAL was/);
    }),
});

const SKIPS: Defect = {
  file: "lib/sqlite/messages.ts",
  text: "String(rows[rows.length - 1][0])",
  by: "String(1 + Number(rows[rows.length - 1][0]))",
};

Deno.test({
  name: `a load finds that readers skip messages${unlessLinux}`,
  ignore: !LINUX,
  fn: () =>
    withDefects([SKIPS], async (library) => {
      await using home = new Home();
      // Two publish, so that the skipped message is not always the last.
      const sessions = [
        ...pair("some", { seconds: 3 }, { seconds: 3, writers: 2 }),
        { ...pair("some", { seconds: 3 }, {})[0], session: "more-writer" },
      ];
      const load = await runLoad({
        home: home.path,
        sessions,
        library,
        latestAfterMs: 3_000,
      });
      const faults = judgeLoad(load, sessions, LIMITS);
      assert.match(faults.join("\n"), /got \d+ of|was next/);
    }),
});
