import assert from "node:assert/strict";
import {
  ClosedError,
  DurableNameInUseError,
  InvalidInputError,
  LeaseLostError,
  type Message,
} from "../mod.ts";
import { Clock, Home, numbers, payloadsOf, take, within } from "./fixture.ts";

const DAY_MS = 24 * 60 * 60 * 1000;

Deno.test("a durable name continues after the last acknowledged message", async () => {
  await using home = new Home();
  const bus = await home.open();
  const first = bus.subscribe("a", { durable: "builds" });
  await first.ready;
  await bus.publishMany(
    numbers(0, 6).map((payload) => ({ channel: "a", payload })),
  );
  const seen = await take(first, 4);
  // Acknowledging the second message includes the first.
  await first.ack(seen[1]);
  await first.close();

  const second = bus.subscribe("a", { durable: "builds" });
  assert.deepEqual(payloadsOf(await take(second, 4)), [2, 3, 4, 5]);
  await second.ack(seen[3].id);
  // An older acknowledgement moves nothing back.
  await second.ack(seen[0]);
  await second.close();

  const third = bus.subscribe("a", { durable: "builds", from: "start" });
  assert.deepEqual(payloadsOf(await take(third, 2)), [4, 5]);
});

Deno.test("a durable name is stored across processes", async () => {
  await using home = new Home();
  const reader = await home.start();
  const writer = await home.start();
  const subscribing = { name: "s", channels: "a", durable: "d" };
  await reader.call("subscribe", subscribing);
  await writer.call("flood", { channel: "a", first: 0, count: 10 });
  const read = await reader.wait<Message>("s", 10);
  await reader.call("ack", { name: "s", message: read[9] });
  await reader.end();
  await writer.call("flood", { channel: "a", first: 10, count: 10 });
  const follower = await home.start();
  await follower.call("subscribe", subscribing);
  const seen = await follower.wait<Message>("s", 10);
  assert.deepEqual(payloadsOf(seen), numbers(10, 10));
});

Deno.test("a killed reader is replaced at once, and no message is missed", async () => {
  await using home = new Home();
  const bus = await home.open();
  const publishing = (async () => {
    for (let i = 0; i < 400; i++) {
      await bus.publish("a", i);
      if (i % 20 === 0) await new Promise((done) => setTimeout(done, 1));
    }
  })();
  const seen = new Set<unknown>();
  let last = -1;
  while (last < 399) {
    const reader = await home.start();
    await within(
      "the name",
      reader.call("subscribe", {
        name: "s",
        channels: "a",
        durable: "d",
        from: "start",
        ack: true,
      }),
    );
    const wanted = Math.min(130, 399 - last);
    await reader.wait("s", wanted);
    await reader.kill();
    const got = payloadsOf(reader.seen<Message>("s")) as number[];
    // In order, and from no later than the last reader's position.
    assert.deepEqual(got, numbers(got[0], got.length));
    assert.ok(got[0] <= last + 1, `${got[0]} after ${last}`);
    for (const payload of got) seen.add(payload);
    last = got.at(-1)!;
  }
  await publishing;
  assert.equal(seen.size, 400);
});

Deno.test("a second reader of a durable name is refused", async () => {
  await using home = new Home();
  const bus = await home.open();
  const peer = await home.start();
  const mine = bus.subscribe("a", { durable: "d" });
  await mine.ready;
  await assert.rejects(
    peer.call("subscribe", { name: "s", channels: "a", durable: "d" }),
    {
      type: "DurableNameInUseError",
      message: new RegExp(`process ${Deno.pid}\\b`),
    },
  );
  const second = bus.subscribe("a", { durable: "d" });
  await assert.rejects(second.next(), (error) => {
    assert.ok(error instanceof DurableNameInUseError);
    assert.equal(error.durable, "d");
    return true;
  });
  // The first reader continues, and its end releases the name.
  await peer.call("publish", { channel: "a", payload: 1 });
  assert.deepEqual(payloadsOf(await take(mine, 1)), [1]);
  await mine.close();
  await peer.call("subscribe", { name: "s", channels: "a", durable: "d" });
  assert.deepEqual(payloadsOf(await peer.wait<Message>("s", 1)), [1]);
});

Deno.test("a durable name belongs to its project", async () => {
  await using home = new Home();
  const [a, b, none] = await Promise.all(
    ["/a", "/b", null].map((project) => home.open({ project })),
  );
  const readers = [a, b, none].map((bus) =>
    bus.subscribe("c", { durable: "d" })
  );
  await Promise.all(readers.map(({ ready }) => ready));
  await a.publish("c", "a");
  await b.publish("c", "b");
  await none.publish("c", "none");
  assert.deepEqual(payloadsOf(await take(readers[0], 2)), ["a", "none"]);
  assert.deepEqual(payloadsOf(await take(readers[1], 2)), ["b", "none"]);
  assert.deepEqual(payloadsOf(await take(readers[2], 3)), ["a", "b", "none"]);
});

Deno.test("a reader whose lease expired gets LeaseLostError", async () => {
  await using home = new Home();
  const clock = new Clock();
  const late = await home.open({ now: clock.now });
  const next = await home.open({ now: clock.now });
  await late.publish("a", 1);
  const first = late.subscribe("a", { durable: "d", from: "start" });
  const [message] = await take(first, 1);
  clock.advance(29_000);
  const early = next.subscribe("a", { durable: "d" });
  await assert.rejects(early.ready, DurableNameInUseError);
  clock.advance(2_000);
  const second = next.subscribe("a", { durable: "d" });
  assert.deepEqual(payloadsOf(await take(second, 1)), [1]);

  const lost = (error: unknown) => {
    assert.ok(error instanceof LeaseLostError);
    assert.match(error.held, /"d"/);
    return true;
  };
  await assert.rejects(first.ack(message), lost);
  await next.publish("a", 2);
  await assert.rejects(first.next(), lost);
  await assert.rejects(first.next(), lost);
  // Its end does not release the other reader's lease.
  await first.close();
  const third = late.subscribe("a", { durable: "d" });
  await assert.rejects(third.ready, DurableNameInUseError);
  assert.deepEqual(payloadsOf(await take(second, 1)), [2]);
  await second.ack(message);
});

Deno.test("a stopped reader gets LeaseLostError when it continues", async () => {
  await using home = new Home();
  const stopped = await home.start();
  const subscribing = { name: "s", channels: "a", durable: "d" };
  await stopped.call("subscribe", subscribing);
  stopped.signal("SIGSTOP");
  const follower = await home.start();
  // The lease decides, not the process, which may be slow or stopped.
  await assert.rejects(follower.call("subscribe", subscribing), {
    type: "DurableNameInUseError",
  });
  await follower.call("skew", 31_000);
  await follower.call("subscribe", subscribing);
  stopped.signal("SIGCONT");
  await follower.call("publish", { channel: "a", payload: 1 });
  await follower.wait("s", 1);
  const [error] = await within(
    "the error",
    stopped.wait<{ type: string }>("s.error", 1),
  );
  assert.equal(error.type, "LeaseLostError");
  assert.deepEqual(stopped.seen("s"), []);
});

Deno.test("a name unused for seven days is deleted", async () => {
  await using home = new Home();
  const clock = new Clock();
  const bus = await home.open({ now: clock.now });
  const use = async (durable: string) => {
    await using reader = bus.subscribe("a", { durable, from: "start" });
    await reader.ready;
    return (await take(reader, 1))[0].payload;
  };
  const publish = (payload: string) =>
    bus.publish("a", payload, { ttlSeconds: 30 * 86_400 });
  const first = await publish("first");
  await publish("second");
  for (const durable of ["kept", "purged", "late"]) {
    await using reader = bus.subscribe("a", { durable, from: "start" });
    await take(reader, 1);
    await reader.ack(first.id);
  }
  clock.advance(6 * DAY_MS);
  assert.equal(await use("kept"), "second");
  await bus.purge();
  assert.equal((await bus.stats()).durableNames, 3);
  clock.advance(DAY_MS + 60_000);
  // The name is deleted with or without a purge.
  assert.equal(await use("late"), "first");
  await bus.purge();
  assert.equal((await bus.stats()).durableNames, 2);
  assert.equal(await use("purged"), "first");
  assert.equal(await use("kept"), "second");
});

Deno.test("ack() rejects a message beyond the last one", async () => {
  await using home = new Home();
  const bus = await home.open();
  const { id } = await bus.publish("a", 1);
  const plain = bus.subscribe("a", { from: "start" });
  await take(plain, 1);
  await assert.rejects(plain.ack(id), InvalidInputError);

  const reader = bus.subscribe("a", { durable: "d", from: "start" });
  await take(reader, 1);
  for (const wrong of ["x", "-1", "1.5", `${Number(id) + 1}`, "9".repeat(15)]) {
    await assert.rejects(reader.ack(wrong), InvalidInputError, wrong);
  }
  // A cursor beyond the end would have skipped this message.
  await bus.publish("a", 2);
  assert.deepEqual(payloadsOf(await take(reader, 1)), [2]);
  await reader.close();
  await assert.rejects(reader.ack(id), ClosedError);
  for (const durable of ["", "a b", "a\n", "x".repeat(129)]) {
    assert.throws(() => bus.subscribe("a", { durable }), { field: "durable" });
  }
});

Deno.test("close() releases durable names while the database is busy", async () => {
  await using home = new Home();
  const bus = await home.open();
  const reader = bus.subscribe("a", { durable: "d" });
  await reader.ready;
  const other = home.foreign();
  other.exec("BEGIN IMMEDIATE");
  reader.close();
  const closing = bus.close();
  await new Promise((resolve) => setTimeout(resolve, 5));
  other.exec("COMMIT");
  await closing;
  const next = await home.open();
  await next.subscribe("a", { durable: "d" }).ready;
});
