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
const DEMANDS = {
  // A hundred sessions on two processors wait for them in the midst of reads.
  logBytesMax: (LONG ? 256 : 32) * MIB,
  // Less than that in ten minutes is what V8 and SQLite make of their caches.
  ...(LONG && { growthPerMinuteMax: MIB }),
};

/** Two sessions, one of which publishes for the other. */
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

/** A ring, in which each publishes for the next, and some who are different. */
function crowd(): LoadSession[] {
  const others = [
    // At a message every 45 ms it keeps up with one every 50, just so.
    ...pair("slow", {}, { slowMs: 45 }),
    ...pair("stopped", {}, { stoppedMs: STOPPED_MS, durable: true }),
    // As large as a payload may be, but for what is around it.
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

function told({ reports, logBytesMax, storeBytesMax, tookMs }: Load): string {
  const published = reports.reduce((sum, one) => sum + one.published, 0);
  const growth = reports.map(({ memory }) => growthPerMinute(memory) / MIB)
    .sort((a, b) => a - b);
  const late = (of: "p50" | "p99") =>
    reports.map(({ lateMs }) => lateMs[of]).sort((a, b) => a - b);
  return `${reports.length} sessions, ${published} messages in ` +
    `${(tookMs / 1_000).toFixed(1)} s, ${
      (published * 1_000 / tookMs).toFixed(0)
    } a second; late by ${late("p50")[reports.length >> 1]} ms at the median ` +
    `session's p50, ${late("p99").at(-1)} ms at the worst one's p99; log ` +
    `${(logBytesMax / MIB).toFixed(1)} MiB, database ` +
    `${(storeBytesMax / MIB).toFixed(1)} MiB at the most; resident memory ` +
    `grows by ${growth[growth.length >> 1].toFixed(2)} MiB a minute at the ` +
    `median, ${growth.at(-1)!.toFixed(2)} at the most`;
}

const CROWD = `${SESSIONS} sessions for ${SECONDS} s`;

Deno.test({
  name:
    `${CROWD}, some slow, one stopped, one with large messages: all arrives in order, and the log stays short${unlessLinux}`,
  ignore: !LINUX,
  fn: () =>
    seeded(import.meta.url, CROWD, async (chance) => {
      await using home = new Home();
      const sessions = crowd();
      const seed = chance.seed();
      const load = await runLoad({ home: home.path, sessions, seed });
      console.log(told(load));
      assert.deepEqual(judgeLoad(load, sessions, DEMANDS), []);
      const [{ integrity_check }] = home.foreign()
        .prepare("PRAGMA integrity_check").all();
      assert.equal(integrity_check, "ok");
    }),
});

Deno.test({
  name: `every session reads what every session publishes${unlessLinux}`,
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
    console.log(told(load));
    assert.deepEqual(judgeLoad(load, sessions, DEMANDS), []);
  },
});

/** By how much a session's objects grow for each message, in bytes. */
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
  // The second half: first the runtime compiles what is called often.
  const points = memory.slice(memory.length >> 1)
    .map(({ messages, heap }) => [messages, heap] as const);
  const growth = slope(points);
  console.log(
    `${memory.at(-1)!.messages} messages, ${growth.toFixed(1)} bytes each`,
  );
  return growth;
}

// A message that is kept takes several times as much.
const GROWTH_MOST = 50;

Deno.test({
  name: `no message leaves anything in memory${unlessLinux}`,
  ignore: !LINUX,
  async fn() {
    const growth = await growthPerMessage();
    assert.ok(growth < GROWTH_MOST, `${growth} bytes a message`);
  },
});

const MANY = LONG ? 1_000_000 : 30_000;

Deno.test(`a channel of ${MANY} messages is read in order, and purged to its cap with all losses counted`, async () => {
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
    // Others go on meanwhile.
    ...numbers(0, 20).map((payload) => bus.publish("other", payload)),
  ]);
  assert.equal(purged.overCap, MANY - 10_000);
  const after = narrow.subscribe("many", { durable: "d" });
  const [oldest] = await take(after, 1);
  assert.equal(oldest.payload, MANY - 10_000);
  assert.equal(after.lost, MANY - 10_000);
});

/** A report of somebody who did all that was asked. */
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

Deno.test("the judge of a load finds each fault, and none where there is none", () => {
  const sessions = pair("x", {}, {});
  const sizes = { logBytesMax: MIB, storeBytesMax: MIB, tookMs: 1_000 };
  const demands = { logBytesMax: 2 * MIB, growthPerMinuteMax: MIB };
  const judge = (...reports: LoadReport[]) =>
    judgeLoad({ ...sizes, reports }, sessions, demands);
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
    [/x-reader said nothing/, writer, report("somebody else")],
  ];
  for (const [found, ...reports] of faults) {
    assert.match(judge(...reports).join("\n"), found);
  }
  const long = { ...sizes, logBytesMax: 3 * MIB, reports: [writer, reader] };
  assert.match(judgeLoad(long, sessions, demands).join("\n"), /the log was/);
});

const LEAK: Defect = {
  file: "lib/bus/subscription.ts",
  text: "this.#delivered = message.id;",
  by: "this.#delivered = message.id; " +
    "((globalThis as any).kept ??= []).push(message);",
};

Deno.test({
  name: `found by memory: a subscription keeps what it delivered${unlessLinux}`,
  ignore: !LINUX,
  fn: () =>
    withDefects([LEAK], async (library) => {
      assert.ok(await growthPerMessage(library) > GROWTH_MOST);
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
  name: `found by load: the WAL is never checkpointed${unlessLinux}`,
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
      const complaints = judgeLoad(load, sessions, DEMANDS);
      assert.match(complaints.join("\n"), /the log was/);
    }),
});

const SKIPS: Defect = {
  file: "lib/sqlite/messages.ts",
  text: "String(rows[rows.length - 1][0])",
  by: "String(1 + Number(rows[rows.length - 1][0]))",
};

Deno.test({
  name: `found by load: readers skip messages${unlessLinux}`,
  ignore: !LINUX,
  fn: () =>
    withDefects([SKIPS], async (library) => {
      await using home = new Home();
      // Two publish, so that what is skipped is not always the last.
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
      const complaints = judgeLoad(load, sessions, DEMANDS);
      assert.match(complaints.join("\n"), /got \d+ of|was next/);
    }),
});
