import assert from "node:assert/strict";
import {
  type Batch,
  ClosedError,
  InvalidInputError,
  type Message,
  MessageBusError,
  NotHeldError,
} from "../mod.ts";
import { Home, numbers, within } from "./fixture.ts";

const EXCLUSIVE = { type: "exclusive" } as const;

Deno.test("a batch performs each step and returns the results", async () => {
  await using home = new Home();
  const bus = await home.open({ session: "me" });
  const other = await home.open({ session: "you" });
  await other.sessions.register();
  const lock = await bus.locks.acquire(`${home.root}/a`, EXCLUSIVE);
  for (const id of ["a", "b", "c"]) await bus.tasks.post({ id, title: "t" });
  const [a, b, c] = await Promise.all(
    ["a", "b", "c"].map((id) => bus.tasks.claim(id)),
  );
  const result = await bus.batch((batch) => {
    batch.publish("state", "first");
    batch.release(lock);
    batch.complete(a, 1);
    batch.fail(b, "no");
    batch.giveBack(c);
    batch.post({ id: "d", title: "next", dependsOn: ["a"] });
    batch.update({ status: "idle", task: "d" });
    batch.publish("chat", "you next", { to: "you" });
  });
  assert.deepEqual(result.tasks.map(({ id, status }) => [id, status]), [
    ["a", "done"],
    ["b", "failed"],
    ["c", "open"],
    ["d", "open"],
  ]);
  assert.equal(result.tasks[3].waitsFor, 0);
  assert.deepEqual(result.published.map(({ to }) => to), [undefined, "you"]);
  assert.deepEqual(await bus.locks.list(), []);
  const me = (await bus.sessions.list()).find(({ id }) => id === "me");
  assert.deepEqual([me?.status, me?.task], ["idle", "d"]);
  const [direct] = await other.inbox().pending();
  assert.equal(direct.id, result.published[1].id);
});

Deno.test("a batch with a failing step changes nothing and rings no bell", async () => {
  await using home = new Home();
  const bus = await home.open({ session: "me" });
  const path = `${home.root}/a`;
  const lock = await bus.locks.acquire(path, EXCLUSIVE);
  const gone = await bus.locks.acquire(`${home.root}/gone`);
  await gone.release();
  await bus.tasks.post({ id: "a", title: "t" });
  const claim = await bus.tasks.claim("a");
  const waiter = await home.start({
    session: "you",
    pollIntervalMs: 60_000,
  });
  const got = waiter.call("acquire", { name: "l", path, waitMs: 60_000 });
  await waiter.wait("l.waits", 1);
  await waiter.call("subscribe", { name: "s", channels: null });
  await bus.publish("state", "before");
  await within("before", waiter.wait("s", 1));
  const failing: ((b: Batch) => void)[] = [
    (b) => b.release(gone),
    (b) => b.complete({ ...claim, token: 1_000_000 }),
    (b) => b.post({ id: "a", title: "there is one" }),
    (b) => b.post({ id: "x", title: "t", dependsOn: ["nowhere"] }),
    (b) => b.publish("state", 1, { to: "nobody" }),
    (b) => b.publish("bad channel", 1),
    (b) => b.publish("state", NaN),
  ];
  const bells = () =>
    [...Deno.readDirSync(`${home.path}/bells`)].map(({ name }) =>
      Deno.statSync(`${home.path}/bells/${name}`).mtime!.getTime()
    );
  const before = [
    await bus.locks.list(),
    await bus.tasks.list(),
    await bus.sessions.list(),
    (await bus.poll(null)).messages.length,
  ];
  const rung = bells();
  for (const fail of failing) {
    await assert.rejects(
      () =>
        bus.batch((b) => {
          b.publish("state", "no");
          b.release(lock);
          b.complete(claim);
          b.post({ id: "new", title: "t" });
          b.update({ status: "idle" });
          fail(b);
        }),
      MessageBusError,
    );
    assert.deepEqual([
      await bus.locks.list(),
      await bus.tasks.list(),
      await bus.sessions.list(),
      (await bus.poll(null)).messages.length,
    ], before);
  }
  assert.deepEqual(bells(), rung);
  // The lock of the failed batch is still held.
  await bus.batch((b) => {
    b.release(lock);
    b.complete(claim);
    b.publish("state", "after");
  });
  await within("the lock", got);
  const seen = await within("after", waiter.wait<Message>("s", 3));
  const said = seen.filter(({ channel }) => channel === "state");
  assert.deepEqual(said.map(({ payload }) => payload), ["before", "after"]);
});

Deno.test("a lock that a batch released is not released again", async () => {
  await using home = new Home();
  const bus = await home.open();
  const outer = await bus.locks.acquire(`${home.root}/a`);
  {
    await using inner = await bus.locks.acquire(`${home.root}/a`);
    await bus.batch((b) => b.release(inner));
    await inner.release();
  }
  assert.equal((await bus.locks.list())[0].count, 1);
  await outer.release();
});

Deno.test("batch() rejects a builder that returns a promise, and changes nothing", async () => {
  await using home = new Home();
  const bus = await home.open();
  await bus.sessions.register();
  await assert.rejects(
    () =>
      bus.batch(async (b) => {
        b.publish("state", 1);
        await Promise.resolve();
      }),
    InvalidInputError,
  );
  // A later rejection of its promise is not unhandled.
  await assert.rejects(
    () => bus.batch((b) => Promise.reject(new Error(String(b)))),
    InvalidInputError,
  );
  assert.deepEqual((await bus.poll("state")).messages, []);
});

Deno.test("batch() throws its builder's error, and changes nothing", async () => {
  await using home = new Home();
  const bus = await home.open();
  const error = new Error("mine");
  await assert.rejects(
    () =>
      bus.batch((b) => {
        b.publish("state", 1);
        throw error;
      }),
    (thrown) => thrown === error,
  );
  assert.deepEqual((await bus.poll("state")).messages, []);
});

Deno.test("a batch that releases one lock twice is refused completely", async () => {
  await using home = new Home();
  const bus = await home.open();
  const lock = await bus.locks.acquire(`${home.root}/a`);
  await assert.rejects(
    () =>
      bus.batch((b) => {
        b.release(lock);
        b.release(lock);
      }),
    NotHeldError,
  );
  assert.equal((await bus.locks.list()).length, 1);
});

Deno.test("a batch comes after earlier publishes, and keeps its messages together", async () => {
  await using home = new Home();
  const bus = await home.open();
  const other = await home.start();
  const flood = other.call("flood", { channel: "a", first: 0, count: 500 });
  const batches = numbers(0, 20).map((i) => {
    bus.publish("a", `before ${i}`);
    return bus.batch((b) => {
      for (const j of numbers(0, 5)) b.publish("a", `${i}.${j}`);
    });
  });
  const results = await Promise.all(batches);
  await flood;
  for (const { published } of results) {
    const ids = published.map(({ id }) => Number(id));
    assert.deepEqual(ids, numbers(ids[0], 5));
  }
  const { messages } = await bus.poll("a", { limit: 10_000 });
  const own = messages.filter(({ sender }) => sender === bus.session);
  assert.deepEqual(
    own.slice(0, 7).map(({ payload }) => payload),
    ["before 0", "0.0", "0.1", "0.2", "0.3", "0.4", "before 1"],
  );
});

Deno.test("an empty batch changes nothing, and a closed bus rejects batches", async () => {
  await using home = new Home();
  const bus = await home.open();
  assert.deepEqual(await bus.batch(() => {}), { published: [], tasks: [] });
  await bus.close();
  await assert.rejects(() => bus.batch(() => {}), ClosedError);
});
