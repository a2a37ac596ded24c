import assert from "node:assert/strict";
import type { Message, MessageBus } from "../mod.ts";
import { Clock, Home, within } from "./fixture.ts";

const EXCLUSIVE = { type: "exclusive" } as const;

/** Returns messages of `file_conflict`, latest last. */
async function conflicts(bus: MessageBus): Promise<Record<string, unknown>[]> {
  const { messages } = await bus.poll("file_conflict", { limit: 1_000 });
  return messages.map(({ payload }) => payload as Record<string, unknown>);
}

/** Opens two sessions, and makes a path for them. */
async function two(home: Home): Promise<[MessageBus, MessageBus, string]> {
  const ann = await home.open({
    session: "ann",
    vendor: "claude",
    task: "T-1",
  });
  const bob = await home.open({ session: "bob", vendor: "codex", task: "T-2" });
  return [ann, bob, `${home.root}/a.ts`];
}

Deno.test("an overlap is announced with sessions, paths, times and tasks", async () => {
  await using home = new Home();
  const [ann, bob, path] = await two(home);
  const told = [ann, bob].map((bus) => bus.subscribe("file_conflict"));
  await Promise.all(told.map(({ ready }) => ready));
  const first = await ann.locks.acquire(path, { why: "tidy" });
  const lock = await bob.locks.acquire(path, { agent: "sub" });
  assert.deepEqual(lock.overlaps, [{ risk: "conflict", hold: first.hold }]);
  for (const subscription of told) {
    const { value } = await within("the conflict", subscription.next());
    const payload = value!.payload as Record<string, unknown>;
    assert.equal(payload.event, "overlap");
    assert.deepEqual(payload.sessions, ["bob", "ann"]);
    const [mine, other] = payload.holds as Record<string, unknown>[];
    assert.deepEqual(other, {
      session: "ann",
      name: "ann",
      vendor: "claude",
      path,
      type: "advisory",
      task: "T-1",
      why: "tidy",
      since: first.hold.since,
    });
    assert.equal(mine.agent, "sub");
    assert.equal(mine.task, "T-2");
  }
});

Deno.test("a repeated acquire is not announced", async () => {
  await using home = new Home();
  const [ann, bob, path] = await two(home);
  await ann.locks.acquire(path);
  await bob.locks.acquire(path);
  await bob.locks.acquire(path);
  assert.equal((await conflicts(ann)).length, 1);
});

Deno.test("two agents of one session on one file are announced", async () => {
  await using home = new Home();
  const [ann, , path] = await two(home);
  await ann.locks.acquire(path, { agent: "one" });
  const { overlaps } = await ann.locks.acquire(path, { agent: "two" });
  assert.deepEqual(overlaps.map(({ risk }) => risk), ["same-session"]);
  const [told] = await conflicts(ann);
  assert.equal(told.event, "same-session");
});

Deno.test("a blocked exclusive request is announced to holders once in 30 s", async () => {
  await using home = new Home();
  const clock = new Clock();
  const ann = await home.open({ session: "ann", now: clock.now });
  const bob = await home.open({ session: "bob", now: clock.now });
  const path = `${home.root}/a.ts`;
  const before = [await ann.locks.acquire(path)].map(({ hold }) => hold);
  const ask = () => bob.locks.tryAcquire(path, { ...EXCLUSIVE, why: "mine" });
  assert.equal(await ask(), undefined);
  assert.equal(await ask(), undefined);
  assert.deepEqual(await conflicts(ann), [{
    event: "wanted",
    path,
    sessions: ["bob", "ann"],
    why: "mine",
  }]);
  clock.advance(31_000);
  await ask();
  assert.equal((await conflicts(ann)).length, 2);
  // The refusal changed nothing.
  assert.deepEqual(await ann.locks.list(), before);
});

Deno.test("a conflict of one project is not shown in another", async () => {
  await using home = new Home();
  const path = `${home.root}/project/a.ts`;
  Deno.mkdirSync(`${home.root}/project`);
  const work = `${home.root}/project`;
  const ann = await home.open({ session: "ann", project: work });
  const bob = await home.open({ session: "bob", project: work });
  const eve = await home.open({ session: "eve", project: "/elsewhere" });
  await ann.locks.acquire(path);
  await bob.locks.acquire(path);
  await bob.locks.tryAcquire(path, EXCLUSIVE);
  const seen = async (bus: MessageBus): Promise<readonly Message[]> =>
    (await bus.poll("file_conflict")).messages;
  assert.equal((await seen(ann)).length, 2);
  assert.equal((await seen(bob)).length, 2);
  assert.deepEqual(await seen(eve), []);
  assert.equal((await ann.locks.list()).length, 2);
  assert.deepEqual(await eve.locks.list(), []);
  assert.equal((await eve.locks.list({ allProjects: true })).length, 2);
});

Deno.test("an overlap of two projects is announced in both", async () => {
  await using home = new Home();
  Deno.mkdirSync(`${home.root}/outer/inner`, { recursive: true });
  const outer = `${home.root}/outer`;
  const ann = await home.open({ session: "ann", project: outer });
  const bob = await home.open({ session: "bob", project: `${outer}/inner` });
  await ann.locks.acquire(`${outer}/inner/a`);
  await bob.locks.acquire(`${outer}/inner/a`);
  for (const bus of [ann, bob]) {
    const events = (await conflicts(bus)).map(({ event }) => event);
    assert.deepEqual(events, ["overlap"], bus.session);
  }
});
