import assert from "node:assert/strict";
import { type Json, type Message, SessionEndedError } from "../mod.ts";
import { Home, numbers, run, within } from "./fixture.ts";

Deno.test("close() ends everything, and a second call has no effect", async () => {
  await using home = new Home();
  const bus = await home.open();
  const reader = bus.subscribe(null);
  await reader.ready;
  await bus.publish("a", 1);
  await Promise.all([bus.close(), bus.close()]);
  await bus.close();
  await bus[Symbol.asyncDispose]();
  assert.deepEqual([...Deno.readDirSync(`${home.path}/bells`)], []);
  // The last connection checkpoints the WAL.
  assert.deepEqual(
    [...Deno.readDirSync(`${home.path}/db`)].map(({ name }) => name),
    ["messaging.db"],
  );
});

Deno.test("a closed bus throws ClosedError from each method", async () => {
  await using home = new Home();
  const bus = await home.open();
  await bus.sessions.register();
  const reader = bus.subscribe("a", { durable: "d" });
  await reader.ready;
  const { id } = await bus.publish("a", 1);
  await bus.close();
  const closed = { name: "ClosedError", kind: "state" };
  const acts: (() => unknown)[] = [
    () => bus.publish("a", 1),
    () => bus.publish("a", undefined as unknown as Json),
    () => bus.publishMany([]),
    () => bus.poll("a"),
    () => bus.purge(),
    () => bus.stats(),
    () => bus.sessions.register(),
    () => bus.sessions.update({ status: "idle" }),
    () => bus.sessions.list(),
    () => bus.sessions.end("other"),
    () => reader.ack(id),
  ];
  for (const act of acts) {
    await assert.rejects(async () => await act(), closed, String(act));
  }
  assert.throws(() => bus.subscribe("a"), closed);
  // Iterations end without an error.
  assert.equal((await reader.next()).done, true);
  assert.equal(bus.session.startsWith("script-"), true);
});

Deno.test("close() commits earlier publishes", async () => {
  await using home = new Home();
  const bus = await home.open();
  const published = [
    ...numbers(0, 30).map((i) => bus.publish("a", i)),
    bus.publishMany([{ channel: "a", payload: 30 }]),
    bus.publish("a", 31),
  ];
  await bus.close();
  await Promise.all<unknown>(published);
  const other = await home.open();
  const { messages } = await other.poll("a");
  assert.deepEqual(messages.map(({ payload }) => payload), numbers(0, 32));
});

Deno.test("close() rejects operations that wait for a busy database", async () => {
  await using home = new Home();
  const bus = await home.open();
  const other = home.foreign();
  other.exec("BEGIN IMMEDIATE");
  const purging = bus.purge();
  purging.catch(() => {});
  await within("the end", bus.close());
  other.exec("COMMIT");
  await assert.rejects(purging, { name: "ClosedError" });
});

Deno.test("await using closes the bus at the end of its block", async () => {
  await using home = new Home();
  let left;
  {
    await using bus = await home.open();
    await bus.publish("a", 1);
    left = bus;
  }
  await assert.rejects(left.publish("a", 2), { name: "ClosedError" });
});

Deno.test("a loop that throws closes its subscription", async () => {
  await using home = new Home();
  const bus = await home.open();
  const reader = bus.subscribe("a", { durable: "d", from: "start" });
  await bus.publish("a", 1);
  const boom = new Error("boom");
  await assert.rejects(async () => {
    for await (const _ of reader) throw boom;
  }, (error) => error === boom);
  const next = bus.subscribe("a", { durable: "d" });
  assert.equal((await next.next()).value!.payload, 1);
});

Deno.test("a process that does not close its bus exits by itself", async () => {
  await using home = new Home();
  const script = new URL("./peers/forgetful.ts", import.meta.url).pathname;
  const told = await within(
    "the end",
    run(Deno.execPath(), ["run", "-A", script, home.path]),
  );
  const bus = await home.open();
  const { messages } = await bus.poll("state", { allProjects: true });
  assert.deepEqual(
    messages.map(({ sender }: Message) => sender),
    [told.trim()],
  );
});

Deno.test("an ended session publishes nothing until it is registered again", async () => {
  await using home = new Home();
  const bus = await home.open();
  await bus.publish("a", 1);
  await bus.sessions.end();
  await assert.rejects(bus.publish("a", 2), SessionEndedError);
  await bus.sessions.register();
  await bus.publish("a", 3);
  const { messages } = await bus.poll("a");
  assert.deepEqual(messages.map(({ payload }) => payload), [1, 3]);
});
