import assert from "node:assert/strict";
import { type Json, type MessageBus, RateLimitError } from "../mod.ts";
import { Home, numbers, payloadsOf } from "./fixture.ts";

const payloads = async (bus: MessageBus, channel: string) =>
  payloadsOf((await bus.poll(channel)).messages);

Deno.test("a message is committed when publish resolves", async () => {
  await using home = new Home();
  const bus = await home.open({ session: "me" });
  const { id } = await bus.publish("state", { status: "working" });
  // Another connection reads the committed row.
  const row = home.foreign().prepare(
    "SELECT id, sender_id, payload FROM inter_session_messages WHERE channel = 'state'",
  ).get()!;
  assert.deepEqual({ ...row }, {
    id: Number(id),
    sender_id: "me",
    payload: '{"status":"working"}',
  });
});

Deno.test("an acknowledged message survives the death of its process", async () => {
  await using home = new Home();
  const peer = await home.start();
  const ids = await peer.call<string[]>("flood", {
    channel: "a",
    first: 0,
    count: 50,
    apart: true,
  });
  await peer.kill();
  const bus = await home.open();
  const { messages } = await bus.poll("a");
  assert.deepEqual(messages.map(({ id }) => id), ids);
});

Deno.test("a channel name is a single word", async () => {
  await using home = new Home();
  const bus = await home.open();
  const good = [
    "a",
    "build.results",
    "ci/main:1",
    "Änderung_-9",
    "界",
    "x".repeat(128),
  ];
  const bad = [
    "",
    " ",
    "a b",
    "a\n",
    "a\0b",
    "*",
    "@locks",
    "a\u202eb",
    "😀",
    "x".repeat(129),
  ];
  for (const channel of good) await bus.publish(channel, 1);
  for (const channel of bad) {
    const refused = { field: "channel", kind: "input" };
    await assert.rejects(bus.publish(channel, 1), refused, channel);
    await assert.rejects(bus.poll(channel), refused);
    assert.throws(() => bus.subscribe(channel), refused);
    await assert.rejects(
      bus.publishMany([{ channel: "a", payload: 2 }, { channel, payload: 2 }]),
      refused,
    );
  }
  for (const channel of [null, undefined, 5, {}] as unknown as string[]) {
    await assert.rejects(bus.publish(channel, 1), { field: "channel" });
  }
  const { channels } = await bus.stats();
  assert.deepEqual(
    channels.filter(({ channel }) => channel !== "heartbeat")
      .map(({ channel }) => channel).sort(),
    [...good].sort(),
  );
  for (const channels of [[], numbers(0, 101).map((i) => `c${i}`)]) {
    assert.throws(() => bus.subscribe(channels), { field: "channels" });
  }
});

Deno.test("a TTL is above 0 and at most 30 days", async () => {
  await using home = new Home();
  const bus = await home.open({ now: () => 1_800_000_000_000 });
  const bad = [0, -1, NaN, Infinity, 30 * 86_400 + 1, "60", null];
  for (const ttlSeconds of bad as number[]) {
    await assert.rejects(bus.publish("a", 1, { ttlSeconds }), {
      field: "ttlSeconds",
    });
  }
  for (const ttlSeconds of [0.001, 1, 30 * 86_400]) {
    await bus.publish("a", ttlSeconds, { ttlSeconds });
  }
  const { messages } = await bus.poll("a");
  for (const { payload, createdAt, expiresAt } of messages) {
    assert.equal(
      Date.parse(expiresAt) - Date.parse(createdAt),
      Number(payload) * 1000,
    );
  }
  assert.equal(messages.length, 3);
});

Deno.test("each channel has its default TTL", async () => {
  await using home = new Home();
  const bus = await home.open();
  const ttls = {
    state: 60,
    file_conflict: 300,
    task_broadcast: 600,
    heartbeat: 30,
    chat: 86_400,
    other: 300,
    toString: 300,
  };
  for (const [channel, ttl] of Object.entries(ttls)) {
    await bus.publish(channel, 1);
    const [{ createdAt, expiresAt }] = (await bus.poll(channel)).messages;
    assert.equal(Date.parse(expiresAt) - Date.parse(createdAt), ttl * 1000);
  }
});

Deno.test("publishes of one tick share a transaction", async () => {
  await using home = new Home();
  const bus = await home.open();
  await bus.publish("a", "registers");
  const version = home.foreign().prepare("PRAGMA data_version");
  const before = Number(version.get()!.data_version);
  const [first, ...rest] = numbers(0, 50).map((i) => bus.publish("a", i));
  await first;
  // One commit makes all of them visible.
  assert.equal((await payloads(bus, "a")).length, 51);
  assert.equal(Number(version.get()!.data_version), before + 1);
  await Promise.all(rest);
  assert.equal(Number(version.get()!.data_version), before + 1);
});

Deno.test("a refused publish fails only its own promise", async () => {
  await using home = new Home();
  const bus = await home.open();
  await bus.sessions.register();
  home.foreign().exec(`CREATE TRIGGER refusing BEFORE INSERT
    ON inter_session_messages WHEN NEW.payload = '"refused"'
    BEGIN SELECT RAISE(ABORT, 'not this one'); END`);
  const settled = await Promise.allSettled(
    ["a", "refused", "b", "refused", "c"].map((p) => bus.publish("a", p)),
  );
  assert.deepEqual(
    settled.map(({ status }) => status === "fulfilled"),
    [true, false, true, false, true],
  );
  assert.match(
    String((settled[1] as PromiseRejectedResult).reason),
    /not this/,
  );
  assert.deepEqual(await payloads(bus, "a"), ["a", "b", "c"]);
  // A single message takes the fast path.
  await assert.rejects(bus.publish("a", "refused"), /not this one/);
});

Deno.test("ids follow the order of the calls", async () => {
  await using home = new Home();
  const bus = await home.open();
  const many = (payloads: Json[]) =>
    bus.publishMany(payloads.map((payload) => ({ channel: "a", payload })));
  await Promise.all([
    bus.publish("a", 0),
    many([1, 2]),
    bus.publish("a", 3),
    bus.publish("a", 4),
    many([5]),
    many([6, 7]),
    bus.publish("a", 8),
  ]);
  assert.deepEqual(await payloads(bus, "a"), numbers(0, 9));
});

Deno.test("ids follow the order of the calls while the database is busy", async () => {
  await using home = new Home();
  const bus = await home.open();
  await bus.sessions.register();
  const other = home.foreign();
  other.exec("BEGIN IMMEDIATE");
  const publishing: Promise<unknown>[] = [];
  for (let i = 0; i < 40; i += 2) {
    publishing.push(bus.publish("a", i));
    publishing.push(bus.publishMany([{ channel: "a", payload: i + 1 }]));
    // Lets attempts fail between the calls.
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  other.exec("COMMIT");
  await Promise.all(publishing);
  assert.deepEqual(await payloads(bus, "a"), numbers(0, 40));
});

Deno.test("publishMany() stores all messages or none", async () => {
  await using home = new Home();
  const bus = await home.open();
  const published = await bus.publishMany(
    numbers(0, 3).map((payload) => ({ channel: "a", payload })),
  );
  assert.deepEqual(
    published.map(({ id }) => id),
    (await bus.poll("a")).messages.map(({ id }) => id),
  );
  assert.deepEqual(await bus.publishMany([]), []);
  home.foreign().exec(`CREATE TRIGGER refusing BEFORE INSERT
    ON inter_session_messages WHEN NEW.payload = '7'
    BEGIN SELECT RAISE(ABORT, 'not this one'); END`);
  for (const count of [1, 3]) {
    const many = numbers(8 - count, count);
    await assert.rejects(
      bus.publishMany(many.map((payload) => ({ channel: "a", payload }))),
      /not this one/,
    );
  }
  assert.deepEqual(await payloads(bus, "a"), [0, 1, 2]);
  const tooMany = numbers(0, 10_001).map((payload) => ({
    channel: "a",
    payload,
  }));
  await assert.rejects(bus.publishMany(tooMany), { field: "publications" });
});

Deno.test("publish() stops a runaway loop", async () => {
  await using home = new Home();
  const bus = await home.open({ publishesPerSecondMax: 1 });
  const settled = await Promise.allSettled(
    numbers(0, 12).map((i) => bus.publish("a", i)),
  );
  const refused = settled.filter(({ status }) => status === "rejected");
  // A burst of ten seconds is accepted, and a few more for the elapsed time.
  assert.ok(refused.length >= 1);
  const { reason } = refused[0] as PromiseRejectedResult;
  assert.ok(reason instanceof RateLimitError);
  assert.ok(reason.retryAfterMs > 0 && reason.retryAfterMs <= 1000);
  assert.match(reason.message, /1 messages a second/);
  await assert.rejects(
    bus.publishMany(
      numbers(0, 5).map((payload) => ({ channel: "a", payload })),
    ),
    RateLimitError,
  );
  assert.deepEqual(
    await payloads(bus, "a"),
    numbers(0, 12 - refused.length),
  );
  for (const publishesPerSecondMax of [0, -1, NaN]) {
    await assert.rejects(home.open({ publishesPerSecondMax }), {
      field: "publishesPerSecondMax",
    });
  }
});

Deno.test("poll() reads page by page", async () => {
  await using home = new Home();
  const bus = await home.open();
  await bus.publishMany(
    numbers(0, 25).map((payload) => ({
      channel: payload % 2 === 0 ? "even" : "odd",
      payload,
    })),
  );
  const seen: Json[] = [];
  let after: string | undefined;
  for (;;) {
    const page = await bus.poll("even", { after, limit: 5 });
    if (page.messages.length === 0) break;
    seen.push(...page.messages.map(({ payload }) => payload));
    after = page.cursor;
  }
  assert.deepEqual(seen, numbers(0, 13).map((i) => i * 2));
  for (const limit of [0, -1, 1.5, NaN, 10_001]) {
    await assert.rejects(bus.poll("even", { limit }), { field: "limit" });
  }
  for (const after of ["x", "-1", "1e3", ""]) {
    await assert.rejects(bus.poll("even", { after }), { field: "cursor" });
  }
});
