import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { BusyError } from "../mod.ts";
import { Home, numbers, within } from "./fixture.ts";

Deno.test("publish() waits for another writer without blocking timers", async () => {
  await using home = new Home();
  const bus = await home.open({ busyTimeoutMs: 60_000 });
  await bus.sessions.register();
  const other = await home.start();
  const path = home.database;
  await other.call("sql", { path, sql: "BEGIN IMMEDIATE" });
  let ticks = 0;
  const timer = setInterval(() => ticks++, 1);
  let published = false;
  const publishing = bus.publish("a", 1).then(() => published = true);
  while (ticks < 20) await new Promise((resolve) => setTimeout(resolve, 1));
  assert.equal(published, false);
  // A read does not wait for a writer.
  assert.equal((await bus.poll("a")).messages.length, 0);
  await other.call("sql", { path, sql: "COMMIT" });
  await within("the publish", publishing);
  clearInterval(timer);
  assert.equal((await bus.poll("a")).messages.length, 1);
});

Deno.test("every write rejects with BusyError and the time waited after its timeout", async () => {
  await using home = new Home();
  const bus = await home.open({ busyTimeoutMs: 40 });
  await bus.sessions.register();
  const other = home.foreign();
  other.exec("BEGIN IMMEDIATE");
  const writes: (() => Promise<unknown>)[] = [
    () => bus.publish("a", 1),
    () => Promise.all([bus.publish("a", 1), bus.publish("a", 2)]),
    () => bus.publishMany([{ channel: "a", payload: 1 }]),
    () => bus.sessions.update({ status: "idle" }),
    () => bus.sessions.register(),
    () => bus.sessions.heartbeat(),
    () => bus.subscribe("a").ready,
    () => bus.subscribe("a", { durable: "d" }).ready,
    () => bus.purge(),
  ];
  for (const write of writes) {
    await assert.rejects(write(), (error) => {
      assert.ok(error instanceof BusyError, String(error));
      assert.equal(error.kind, "store");
      assert.ok(error.waitedMs >= 40);
      assert.match(
        error.message,
        new RegExp(`write lock for ${Math.round(error.waitedMs)} ms\\.`),
      );
      return true;
    });
  }
  other.exec("COMMIT");
  assert.deepEqual((await bus.poll("a")).messages, []);
  const [session] = await bus.sessions.list();
  assert.equal(session.status, "active");
  await bus.publish("a", "works again");
});

Deno.test("a busy timeout includes time in which the process is stopped", async () => {
  await using home = new Home();
  await home.open();
  const peer = await home.start({ busyTimeoutMs: 1_000 });
  const other = home.foreign();
  other.exec("BEGIN IMMEDIATE");
  const publishing = peer.call("publish", { channel: "a", payload: 1 });
  await sleep(100);
  peer.signal("SIGSTOP");
  await sleep(1_500);
  peer.signal("SIGCONT");
  await assert.rejects(
    within("the publish", publishing),
    /held the database's write lock for \d+ ms\./,
  );
  other.exec("COMMIT");
});

Deno.test("a write with a busy timeout of 0 tries once", async () => {
  await using home = new Home();
  const bus = await home.open({ busyTimeoutMs: 0 });
  await bus.sessions.register();
  const other = home.foreign();
  other.exec("BEGIN IMMEDIATE");
  await assert.rejects(bus.publish("a", 1), BusyError);
  other.exec("COMMIT");
  await bus.publish("a", 2);
  assert.deepEqual((await bus.poll("a")).messages.map((m) => m.payload), [2]);
});

Deno.test("ten processes that write without a pause all finish", async () => {
  await using home = new Home();
  const bus = await home.open();
  const peers = await Promise.all(numbers(0, 10).map(() => home.start()));
  const ids = await Promise.all(
    peers.map((peer, i) =>
      peer.call<string[]>("flood", {
        channel: "a",
        first: i * 1_000,
        count: 150,
        apart: true,
      })
    ),
  );
  const { messages } = await bus.poll("a", { limit: 10_000 });
  assert.equal(messages.length, 1_500);
  // Each message is acknowledged once, in the order of its process's calls.
  assert.deepEqual(
    messages.map(({ id }) => id),
    ids.flat().sort((a, b) => Number(a) - Number(b)),
  );
  for (const [i, own] of ids.entries()) {
    const payloads = own.map((id) =>
      messages.find((m) => m.id === id)!.payload
    );
    assert.deepEqual(payloads, numbers(i * 1_000, 150));
  }
});
