import assert from "node:assert/strict";
import {
  type Message,
  type MessageBus,
  NotHeldError,
  SessionEndedError,
} from "../mod.ts";
import { Home, until } from "./fixture.ts";
import type { PeerError } from "./peer.ts";

const EXCLUSIVE = { type: "exclusive" } as const;

/** Opens two sessions, and makes a path for them. */
async function two(home: Home): Promise<[MessageBus, MessageBus, string]> {
  const ann = await home.open({
    session: "ann",
    vendor: "claude",
    task: "T-1",
  });
  const bob = await home.open({ session: "bob" });
  return [ann, bob, `${home.root}/a.ts`];
}

Deno.test("an ended session gets no lock until it registers again", async () => {
  await using home = new Home();
  const [ann, bob, path] = await two(home);
  await ann.locks.acquire(path, EXCLUSIVE);
  await ann.sessions.end();
  assert.deepEqual(await bob.locks.list(), []);
  await assert.rejects(() => ann.locks.acquire(path), SessionEndedError);
  await ann.sessions.register();
  await (await ann.locks.acquire(path)).release();
  // The same holds if another session ends it.
  await bob.sessions.end("ann");
  await assert.rejects(() => ann.locks.acquire(path), SessionEndedError);
  assert.deepEqual(await bob.locks.list(), []);
  await ann.sessions.register();
  await ann.locks.acquire(path);
});

Deno.test("an ended session's tasks are requeued, and it claims none", async () => {
  await using home = new Home();
  const [ann, bob] = await two(home);
  await ann.tasks.post({ id: "a", title: "t" });
  const claim = await ann.tasks.claim("a");
  await ann.sessions.end();
  assert.equal((await bob.tasks.get("a"))?.status, "open");
  await assert.rejects(() => ann.tasks.complete(claim), NotHeldError);
  await assert.rejects(() => ann.tasks.claimNext(), SessionEndedError);
  await assert.rejects(() => ann.tasks.claim("a"), SessionEndedError);
  await assert.rejects(
    () => ann.tasks.post({ title: "t" }),
    SessionEndedError,
  );
  await assert.rejects(() => ann.publish("state", 1), SessionEndedError);
  await assert.rejects(
    () => ann.publishMany([{ channel: "state", payload: 1 }]),
    SessionEndedError,
  );
  await assert.rejects(() => ann.batch((b) => b.publish("state", 1)));
  await ann.sessions.register();
  await ann.publish("state", 1);
  // The same holds if another session ends it.
  await bob.sessions.end("ann");
  await assert.rejects(() => ann.tasks.claimNext(), SessionEndedError);
  await ann.sessions.register();
  assert.equal((await ann.tasks.claimNext())?.id, "a");
});

Deno.test("a session whose id another process has taken over cannot act", async () => {
  await using home = new Home();
  const old = await home.start({ session: "ann", heartbeatIntervalMs: 100 });
  const path = `${home.root}/a.ts`;
  await old.call("subscribe", { name: "s", channels: null });
  const { id } = await old.call<{ id: string }>("register", {});
  assert.equal(id, "ann");
  const bob = await home.open({ session: "bob" });
  await bob.tasks.post({ id: "T", title: "t" });
  await bob.sessions.end("ann");
  const ann = await home.open({ session: "ann" });
  await ann.sessions.register();
  assert.equal(ann.session, "ann");

  const acts: [string, unknown][] = [
    ["publish", { channel: "state", payload: 1 }],
    ["publishMany", [{ channel: "state", payload: 1 }]],
    ["send", { to: "bob", payload: 1 }],
    ["acquire", { name: "l", path }],
    ["claim", { id: "T" }],
    ["claimNext", {}],
    ["post", { title: "t" }],
    ["update", { task: "mine" }],
  ];
  for (const [act, args] of acts) {
    await assert.rejects(() => old.call(act, args), (error: PeerError) => {
      assert.equal(error.type, "SessionEndedError", act);
      assert.match(error.message, /"ann" has ended.*mbus register/, act);
      return true;
    });
  }
  assert.deepEqual((await bob.poll("state")).messages, []);
  assert.deepEqual(await bob.locks.list(), []);
  assert.deepEqual(await bob.inbox().pending(), []);
  assert.equal((await ann.sessions.list())[1].task, undefined);

  // Its heartbeat detects it too: direct messages go to the other process.
  const [warning] = await old.wait<string>("warning", 1);
  assert.match(warning, /another process has its id/);
  await bob.publish("chat", "for ann", { to: "ann" });
  await bob.publish("chat", "for all");
  const seen = () => old.seen<Message>("s").map(({ payload }) => payload);
  await until("for all", () => seen().includes("for all"));
  assert.ok(!seen().includes("for ann"));

  const anew = await old.call<{ id: string }>("register", {});
  assert.equal(anew.id, "ann~2");
  await old.call("publish", { channel: "state", payload: 2 });
  const [{ sender }] = (await bob.poll("state")).messages;
  assert.equal(sender, "ann~2");
});

Deno.test("an ended session whose row is deleted publishes nothing", async () => {
  await using home = new Home();
  const ann = await home.open({ session: "ann" });
  await ann.sessions.register();
  home.foreign().exec("DELETE FROM session_registry");
  await assert.rejects(() => ann.publish("state", 1), SessionEndedError);
  await assert.rejects(
    () => ann.publishMany([{ channel: "state", payload: 1 }]),
    SessionEndedError,
  );
  assert.deepEqual(await ann.sessions.list(), []);
});
