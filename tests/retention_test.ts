import assert from "node:assert/strict";
import type { MessageBus } from "../mod.ts";
import { Clock, Home, numbers, until } from "./fixture.ts";

const many = (channel: string, first: number, count: number) =>
  numbers(first, count).map((payload) => ({ channel, payload }));

const payloads = async (bus: MessageBus, channel: string) =>
  (await bus.poll(channel, { limit: 10_000 })).messages.map((m) => m.payload);

/** Returns the number of stored messages, expired or not. */
function rows(home: Home): number {
  return Number(
    home.foreign().prepare("SELECT count(*) AS n FROM inter_session_messages")
      .get()!.n,
  );
}

Deno.test("an expired message is never delivered, before and after a purge", async () => {
  await using home = new Home();
  const clock = new Clock();
  const bus = await home.open({ now: clock.now });
  await bus.publish("state", 1);
  await bus.publish("a", 2, { ttlSeconds: 61 });
  clock.advance(59_999);
  assert.deepEqual(await payloads(bus, "state"), [1]);
  clock.advance(1);
  assert.deepEqual(await payloads(bus, "state"), []);
  const { messages } = await bus.poll(null);
  assert.deepEqual(messages.map(({ channel }) => channel), ["a"]);
  assert.equal(rows(home), 3);
  const stats = await bus.stats();
  assert.equal(stats.messages, 1);
  await using reader = bus.subscribe(["state", "a"], { from: "start" });
  assert.equal((await reader.next()).value!.payload, 2);
  assert.equal((await bus.purge()).expired, 2);
  // One unexpired message, and the event that its session is silent.
  assert.equal(rows(home), 2);
});

Deno.test("a channel keeps its newest messages up to the cap", async () => {
  await using home = new Home();
  const bus = await home.open({ channelMessagesMax: 100 });
  await bus.publishMany(many("a", 0, 250));
  await bus.publishMany(many("b", 0, 100));
  await bus.purge();
  assert.deepEqual(await payloads(bus, "a"), numbers(150, 100));
  assert.deepEqual(await payloads(bus, "b"), numbers(0, 100));
  // The count is right after deletions of both kinds.
  await bus.publishMany(many("a", 250, 5));
  await bus.publishMany(many("b", 100, 1));
  await bus.purge();
  assert.deepEqual(await payloads(bus, "a"), numbers(155, 100));
  assert.deepEqual(await payloads(bus, "b"), numbers(1, 100));
});

Deno.test("the cap is 10,000 by default", async () => {
  await using home = new Home();
  const bus = await home.open({ publishesPerSecondMax: 1e6 });
  await bus.publishMany(many("a", 0, 9_000));
  await bus.publishMany(many("a", 9_000, 2_500));
  await bus.purge();
  const { messages } = await bus.poll("a", { limit: 1 });
  assert.equal(messages[0].payload, 1_500);
  const { channels } = await bus.stats();
  assert.deepEqual(channels[0], { channel: "a", messages: 10_000 });
  for (const channelMessagesMax of [0, -1, 1.5, NaN, Infinity]) {
    await assert.rejects(home.open({ channelMessagesMax }), {
      field: "channelMessagesMax",
    });
  }
});

Deno.test("a purge of many channels brings each under its cap", async () => {
  await using home = new Home();
  const bus = await home.open({ channelMessagesMax: 2 });
  const channels = numbers(0, 150).map((i) => `channel-${i}`);
  for (let round = 0; round < 5; round++) {
    await bus.publishMany(
      channels.map((channel) => ({ channel, payload: round })),
    );
  }
  const purged = await bus.purge();
  assert.equal(purged.more, false);
  for (const channel of channels) {
    assert.deepEqual(await payloads(bus, channel), [3, 4], channel);
  }
  assert.equal((await bus.purge()).overCap, 0);
});

Deno.test("a channel whose messages have expired leaves no rows", async () => {
  await using home = new Home();
  const clock = new Clock();
  const bus = await home.open({ now: clock.now });
  await bus.publishMany(
    numbers(0, 300).map((i) => ({ channel: `build-${i}`, payload: i })),
  );
  await bus.purge();
  clock.advance(3_600_000);
  await bus.purge();
  // The session is silent by then, which is published on that channel.
  const tally = home.foreign().prepare(
    "SELECT channel FROM channel_tally WHERE channel <> 'heartbeat'",
  );
  assert.deepEqual(tally.all(), []);
  await bus.publish("build-1", 1);
  assert.deepEqual(await payloads(bus, "build-1"), [1]);
});

Deno.test("a step of the purge is bounded", async () => {
  await using home = new Home();
  const clock = new Clock();
  const bus = await home.open({ now: clock.now });
  const durable = bus.subscribe("a", { durable: "d" });
  await durable.ready;
  await bus.publishMany(many("a", 0, 1_000));
  await bus.publish("a", "late", { ttlSeconds: 86_400 });
  // The purge that publishing started has finished by then.
  await new Promise((resolve) => setTimeout(resolve, 0));
  clock.advance(3_600_000);
  const count = home.foreign().prepare(
    "SELECT count(*) AS n FROM inter_session_messages",
  );
  const kept = () => Number(count.get()!.n);
  let largest = 0;
  const watching = (async () => {
    let last = kept();
    // A step is synchronous, so this runs between any two steps.
    for (let turns = 0; turns < 5_000 && last > 1; turns++) {
      await Promise.resolve();
      const now = kept();
      largest = Math.max(largest, last - now);
      last = now;
    }
  })();
  assert.equal((await durable.next()).value!.payload, "late");
  assert.equal(durable.lost, 1_000);
  await watching;
  assert.ok(largest > 0 && largest <= 200, `${largest} at once`);
});

Deno.test("publishers purge expired messages", async () => {
  await using home = new Home();
  const clock = new Clock();
  const bus = await home.open({ now: clock.now });
  for (let round = 0; round < 40; round++) {
    await bus.publishMany(
      numbers(0, 50).map((payload) => ({
        channel: "a",
        payload,
        ttlSeconds: 1,
      })),
    );
    clock.advance(2_000);
  }
  // Of 2,000 expired messages at most those of one step are left.
  assert.ok(rows(home) <= 200, `${rows(home)} rows`);
});

Deno.test("publishers purge after the woken readers, or after enough further messages", async () => {
  await using home = new Home();
  const bus = await home.open({ channelMessagesMax: 10 });
  const kept = async () => (await payloads(bus, "a")).length;
  // No timer runs between these.
  for (const i of numbers(0, 100)) await bus.publish("a", i);
  for (const _ of numbers(0, 100)) await null;
  assert.equal(await kept(), 100);
  await until("it to purge", async () => await kept() === 10);
  for (const i of numbers(100, 120)) await bus.publish("a", i);
  assert.ok(await kept() < 100, `${await kept()} are kept`);
});

Deno.test("publishers that close after one message purge, too", async () => {
  await using home = new Home();
  const clock = new Clock();
  for (let i = 0; i < 60; i++) {
    const bus = await home.open({ now: clock.now });
    await bus.publish("a", i, { ttlSeconds: 5 });
    await bus.close();
    clock.advance(6_000);
  }
  assert.ok(rows(home) <= 16, `${rows(home)} rows`);
});

Deno.test("publishers purge after a clock was set back by a year", async () => {
  await using home = new Home();
  const clock = new Clock();
  const ahead = await home.open({
    now: () => clock.nowMs + 365 * 24 * 3_600_000,
  });
  await ahead.publish("a", "from next year");
  await ahead.close();
  for (let i = 0; i < 20; i++) {
    const bus = await home.open({ now: clock.now });
    await bus.publish("b", i, { ttlSeconds: 5 });
    await bus.close();
    clock.advance(11_000);
  }
  assert.ok(rows(home) <= 16, `${rows(home)} rows`);
});

Deno.test("the file shrinks after its messages are purged", async () => {
  await using home = new Home();
  const clock = new Clock();
  const bus = await home.open({
    now: clock.now,
    publishesPerSecondMax: 1e6,
  });
  await bus.publishMany(
    numbers(0, 3_000).map(() => ({ channel: "a", payload: "x".repeat(1_000) })),
  );
  home.foreign().exec("PRAGMA wal_checkpoint(TRUNCATE)");
  const full = (await bus.stats()).storeBytes;
  assert.ok(full > 3_000_000);
  clock.advance(3_600_000);
  await bus.purge();
  home.foreign().exec("PRAGMA wal_checkpoint(TRUNCATE)");
  const { storeBytes, walBytes } = await bus.stats();
  assert.ok(storeBytes < 400_000, `${storeBytes} bytes`);
  assert.equal(walBytes, 0);
});

Deno.test("a purge keeps ended sessions and silent unknown ones for a day", async () => {
  await using home = new Home();
  const clock = new Clock();
  const bus = await home.open({ now: clock.now, session: "here" });
  const gone = await home.open({ now: clock.now, session: "gone" });
  await gone.publish("a", 1, { ttlSeconds: 30 * 86_400 });
  const quiet = await home.open({ now: clock.now, session: "quiet" });
  await quiet.sessions.register();
  home.foreign().exec(`INSERT INTO inter_session_messages
    (sender_id, channel, payload) VALUES ('foreign', 'a', '1')`);
  await gone.close();
  await quiet.close();
  const ids = async () =>
    (await bus.sessions.list({ ended: true })).map(({ id }) => id).sort();
  await bus.publish("a", 1);
  clock.advance(23 * 3_600_000);
  await bus.purge();
  assert.deepEqual(await ids(), ["foreign", "gone", "here", "quiet"]);
  clock.advance(2 * 3_600_000);
  await bus.purge();
  // The other one is kept because a message refers to it.
  assert.deepEqual(await ids(), ["gone", "here"]);
});

for (
  const [perSecond, bytesMax] of [[10, 1 << 20], [100, 8 << 20]] as const
) {
  Deno.test(`ten sessions at ${perSecond} messages a second keep the database under ${bytesMax >> 20} MiB`, async () => {
    await using home = new Home();
    const clock = new Clock();
    const sessions = await Promise.all(
      numbers(0, 10).map((i) =>
        home.open({
          now: clock.now,
          session: `claude-${i}`,
          publishesPerSecondMax: 1e6,
        })
      ),
    );
    // Mostly states, and now and then a task.
    const kinds = ["state", "state", "state", "state", "heartbeat", "state"];
    const channels = [...kinds, "file_conflict", "state", "task_broadcast"];
    let largest = 0;
    let count = 0;
    for (let second = 0; second < 700; second++) {
      for (const session of sessions) {
        await session.publishMany(
          numbers(0, perSecond / 10).map(() => {
            const channel = channels[count % channels.length];
            return {
              channel,
              payload: {
                status: "working",
                task: `T-${count++}`,
                files: ["src/some/folder/file.ts", "src/other/file_test.ts"],
              },
            };
          }),
        );
      }
      clock.advance(1_000);
      const { storeBytes } = await sessions[0].stats();
      largest = Math.max(largest, storeBytes);
    }
    assert.ok(largest < bytesMax, `${largest} bytes`);
    assert.ok(largest > 100_000, `${largest} bytes`);
  });
}
