import assert from "node:assert/strict";
import { Clock, Home, numbers, payloadsOf, take, within } from "./fixture.ts";

Deno.test("what TTL took is counted exactly, and told", async () => {
  await using home = new Home();
  const clock = new Clock();
  const bus = await home.open({ now: clock.now });
  const told: number[] = [];
  const onLost = (count: number) => told.push(count);
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
  // Not purged yet: they are counted before they are passed over.
  assert.deepEqual(payloadsOf(await take(reader, 1)), [0]);
  assert.equal(reader.lost, 7);
  assert.deepEqual(told, [7]);
  await publish(3, 5);
  clock.advance(6_000);
  await publish(1, 3_600);
  assert.deepEqual(payloadsOf(await take(reader, 1)), [0]);
  assert.deepEqual(told, [7, 3]);

  // Purged by somebody, with the reader away.
  await reader.ack(reader.cursor);
  await reader.close();
  await publish(450, 5);
  clock.advance(6_000);
  await publish(1, 3_600);
  await bus.purge();
  const again = bus.subscribe("a", { durable: "d" });
  assert.deepEqual(payloadsOf(await take(again, 1)), [0]);
  assert.equal(again.lost, 460);
});

Deno.test("what expires on a page that was read ahead is lost, too", async () => {
  await using home = new Home();
  const clock = new Clock();
  const bus = await home.open({ now: clock.now });
  const told: number[] = [];
  const reader = bus.subscribe("a", {
    durable: "d",
    onLost: (count) => told.push(count),
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
  assert.deepEqual(told, [2]);
  await reader.ack(three);
  await bus.purge();
  assert.equal(reader.lost, 2);
});

Deno.test("what the cap took is counted exactly, and told", async () => {
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
  const told: number[] = [];
  const again = bus.subscribe("a", {
    durable: "d",
    onLost: (count) => told.push(count),
  });
  assert.deepEqual(payloadsOf(await take(again, 10)), numbers(15, 10));
  // The first was acknowledged: 14 of 15 are lost.
  assert.equal(again.lost, 14);
  assert.deepEqual(told, [14]);
});

Deno.test("a waiting reader is told of what it loses unacknowledged", async () => {
  await using home = new Home();
  const clock = new Clock();
  const bus = await home.open({ now: clock.now, pollIntervalMs: 10 });
  const other = await home.open({ now: clock.now });
  const told = Promise.withResolvers<number>();
  const reader = bus.subscribe("a", { durable: "d", onLost: told.resolve });
  await reader.ready;
  await bus.publish("a", 0, { ttlSeconds: 5 });
  await take(reader, 1);
  const waiting = reader.next();
  clock.advance(6_000);
  await other.purge();
  assert.equal(await within("the loss", told.promise), 1);
  await reader.close();
  await waiting;
});
