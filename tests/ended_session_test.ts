import assert from "node:assert/strict";
import { type MessageBus, NotHeldError, SessionEndedError } from "../mod.ts";
import { Home } from "./fixture.ts";

const EXCLUSIVE = { type: "exclusive" } as const;

/** Two sessions, and a path of their own. */
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
  // Ended by somebody else it is the same.
  await bob.sessions.end("ann");
  await assert.rejects(() => ann.locks.acquire(path), SessionEndedError);
  assert.deepEqual(await bob.locks.list(), []);
  await ann.sessions.register();
  await ann.locks.acquire(path);
});

Deno.test("an ended session's tasks are open again, and it claims none", async () => {
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
  // Ended by somebody else it is the same.
  await bob.sessions.end("ann");
  await assert.rejects(() => ann.tasks.claimNext(), SessionEndedError);
  await ann.sessions.register();
  assert.equal((await ann.tasks.claimNext())?.id, "a");
});
