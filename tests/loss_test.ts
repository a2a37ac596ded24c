import assert from "node:assert/strict";
import { Clock, Home, numbers, payloadsOf, take, within } from "./fixture.ts";

Deno.test("a durable reader counts messages that expired, and calls onLost once", async () => {
  await using home = new Home();
  const clock = new Clock();
  const bus = await home.open({ now: clock.now });
  const reported: number[] = [];
  const onLost = (count: number) => reported.push(count);
  const reader = bus.subscribe("a", { durable: "d", onLost });
  await reader.ready;
  const publish = (count: number, ttlSeconds: number, channel = "a") =>
    bus.publishMany(
      numbers(0, count).map((payload) => ({ channel, payload, ttlSeconds })),
    );
  await publish(7, 5);
  await publish(5, 5, "other");
  await publish(1, 3_600);
  clock.advance(6_000);
  // The reader counts expired messages before a purge.
  assert.deepEqual(payloadsOf(await take(reader, 1)), [0]);
  assert.equal(reader.lost, 7);
  assert.deepEqual(reported, [7]);
  await publish(3, 5);
  clock.advance(6_000);
  await publish(1, 3_600);
  assert.deepEqual(payloadsOf(await take(reader, 1)), [0]);
  assert.deepEqual(reported, [7, 3]);

  // The purge runs while no session reads.
  await reader.ack(reader.cursor);
  await reader.close();
  await publish(450, 5);
  clock.advance(6_000);
  await publish(1, 3_600);
  await bus.purge();
  // A reader without onLost leaves the report to the next one.
  const silent = bus.subscribe("a", { durable: "d" });
  assert.deepEqual(payloadsOf(await take(silent, 1)), [0]);
  assert.equal(silent.lost, 460);
  await silent.close();
  const again = bus.subscribe("a", { durable: "d", onLost });
  assert.deepEqual(payloadsOf(await take(again, 1)), [0]);
  assert.equal(again.lost, 460);
  assert.deepEqual(reported, [7, 3, 450]);
  await again.close();
  const third = bus.subscribe("a", { durable: "d", onLost });
  assert.deepEqual(payloadsOf(await take(third, 1)), [0]);
  assert.equal(third.lost, 460);
  assert.deepEqual(reported, [7, 3, 450]);
});

Deno.test("a durable reader does not report a loss again after an acknowledgement and SIGKILL", async () => {
  await using home = new Home();
  const clock = new Clock();
  const bus = await home.open({ now: clock.now });
  const subscribe = { name: "d", channels: "a", durable: "d", from: "start" };
  const first = await home.start();
  await bus.publish("a", 0, { ttlSeconds: 5 });
  await first.call("subscribe", { ...subscribe, paused: true });
  clock.advance(6_000);
  await bus.purge();
  await bus.publish("a", 1, { ttlSeconds: 3_600 });
  const message = await first.call("next", "d");
  assert.deepEqual(await first.wait("d.lost", 1), [1]);
  await first.call("ack", { name: "d", message });
  await first.kill();
  const second = await home.start();
  await second.call("subscribe", { ...subscribe, ack: true });
  await bus.publish("a", 2, { ttlSeconds: 3_600 });
  await second.wait("d", 1);
  assert.deepEqual(second.seen("d.lost"), []);
  // The purge of a name deletes its counters.
  const reported = () =>
    home.foreign().prepare(
      "SELECT 1 FROM counters WHERE name LIKE 'told %'",
    )
      .all().length;
  assert.equal(reported(), 1);
  await second.kill();
  clock.advance(8 * 24 * 60 * 60 * 1000);
  await bus.purge();
  assert.equal(reported(), 0);
});

Deno.test("a durable reader counts messages that expire on a page read ahead", async () => {
  await using home = new Home();
  const clock = new Clock();
  const bus = await home.open({ now: clock.now });
  const reported: number[] = [];
  const reader = bus.subscribe("a", {
    durable: "d",
    onLost: (count) => reported.push(count),
  });
  await reader.ready;
  await bus.publish("a", 0, { ttlSeconds: 60 });
  await bus.publish("a", 1, { ttlSeconds: 5 });
  await bus.publish("a", 2, { ttlSeconds: 5 });
  await bus.publish("a", 3, { ttlSeconds: 60 });
  const [zero] = await take(reader, 1);
  await reader.ack(zero);
  clock.advance(6_000);
  const [three] = await take(reader, 1);
  assert.equal(three.payload, 3);
  assert.deepEqual(reported, [2]);
  await reader.ack(three);
  await bus.purge();
  assert.equal(reader.lost, 2);
});

Deno.test("a durable reader counts messages that the channel's cap deleted", async () => {
  await using home = new Home();
  const bus = await home.open({ channelMessagesMax: 10 });
  const reader = bus.subscribe("a", { durable: "d" });
  await reader.ready;
  await bus.publish("a", 0);
  const [zero] = await take(reader, 1);
  await reader.ack(zero);
  await reader.close();
  await bus.publishMany(
    numbers(1, 24).map((payload) => ({ channel: "a", payload })),
  );
  await bus.purge();
  const reported: number[] = [];
  const again = bus.subscribe("a", {
    durable: "d",
    onLost: (count) => reported.push(count),
  });
  assert.deepEqual(payloadsOf(await take(again, 10)), numbers(15, 10));
  // The first message was acknowledged, so 14 of 15 are lost.
  assert.equal(again.lost, 14);
  assert.deepEqual(reported, [14]);
});

Deno.test("a waiting reader reports an unacknowledged message that expires", async () => {
  await using home = new Home();
  const clock = new Clock();
  const bus = await home.open({ now: clock.now, pollIntervalMs: 10 });
  const other = await home.open({ now: clock.now });
  const reported = Promise.withResolvers<number>();
  const reader = bus.subscribe("a", { durable: "d", onLost: reported.resolve });
  await reader.ready;
  await bus.publish("a", 0, { ttlSeconds: 5 });
  await take(reader, 1);
  const waiting = reader.next();
  clock.advance(6_000);
  await other.purge();
  assert.equal(await within("the loss", reported.promise), 1);
  await reader.close();
  await waiting;
});
