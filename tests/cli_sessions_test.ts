/**
 * `mbus sessions` and `mbus status`: what sessions do, which of them wait, and for
 * what.
 *
 * @module
 */

import assert from "node:assert/strict";
import { type ActivityState, type MessageBus, openBus } from "../mod.ts";
import { Mbus } from "./cli/mbus.ts";

const ALL = ["--all-projects"];

/** Opens a bus as a session in a state. */
async function inState(
  mbus: Mbus,
  session: string,
  state: ActivityState,
): Promise<MessageBus> {
  const bus = await openBus({ home: mbus.home, session, project: null });
  await bus.sessions.register();
  await bus.sessions.update({ activity: { state } });
  return bus;
}

/** Returns the ids and states of the listed sessions. */
async function listed(mbus: Mbus, ...args: string[]): Promise<string[]> {
  const sessions = await mbus.json(["sessions", ...ALL, ...args]);
  return sessions.map(({ id, state }) => `${id} ${state}`);
}

Deno.test("sessions lists those that need their person first, ended ones on request", async () => {
  await using mbus = new Mbus();
  await using _idle = await inState(mbus, "resting", "idle");
  await using _busy = await inState(mbus, "busy", "working");
  await using _stuck = await inState(mbus, "stuck", "waiting");
  const asking = await inState(mbus, "asking", "needs-person");
  assert.deepEqual(await listed(mbus), [
    "asking needs-person",
    "stuck waiting",
    "busy working",
    "resting idle",
  ]);
  const waiting = ["sessions", ...ALL, "--waiting"];
  assert.match(await mbus.done(waiting), /asking +needs you \d+ s ago/);
  assert.deepEqual(await listed(mbus, "--waiting"), ["asking needs-person"]);
  await asking.close();
  assert.equal((await listed(mbus)).length, 3);
  assert.equal((await listed(mbus, "--ended")).at(-1), "asking gone");
  const { code, stdout } = await mbus.run(waiting);
  assert.deepEqual([code, stdout], [1, "No session needs you.\n"]);
});

Deno.test("status says what a session does, and shows its locks, tasks and messages", async () => {
  await using mbus = new Mbus();
  const refused = await mbus.run(["status"]);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /it is not on the bus/);
  await mbus.done(["status", "moving", "the parser"]);
  await mbus.done(["lock", "a.ts"]);
  await mbus.done(["task", "post", "write it", "--id", "T-1"]);
  await mbus.done(["task", "claim", "T-1"]);
  await using bob = await inState(mbus, "bob", "working");
  await bob.publish("chat", "hello", { to: "tester" });
  const text = await mbus.done(["status"]);
  assert.match(text, /^work +moving the parser$/m);
  assert.match(text, /^locks +a\.ts$/m);
  assert.match(text, /^tasks +T-1$/m);
  assert.match(text, /^unread +1 \(read with mbus inbox\)$/m);
  const [seen] = await mbus.json(["sessions"]);
  assert.deepEqual([seen.doing, seen.does], [
    "moving the parser",
    "moving the parser",
  ]);
  await mbus.done(["status", "--clear"]);
  const [later] = await mbus.json(["status"]);
  assert.deepEqual([later.doing, later.does], [undefined, "write it"]);
  const long = await mbus.run(["status", "x".repeat(201)]);
  assert.equal(long.code, 2);
  assert.match(long.stderr, /201 characters\. Pass at most 200/);
});

Deno.test("a status on the channel state is what its sender does", async () => {
  await using mbus = new Mbus();
  const does = async () => (await mbus.json(["sessions"]))[0].does;
  await mbus.done(["send", "state", '{"status":"tests the printer"}']);
  assert.equal(await does(), "tests the printer");
  await mbus.done(["send", "state", '{"progress":0.5}']);
  await mbus.done(["send", "build", '{"status":"green"}']);
  assert.equal(await does(), "tests the printer");
  await using bob = await inState(mbus, "bob", "working");
  await bob.batch((b) => b.publish("state", { status: "y".repeat(300) }));
  const [own] = (await bob.sessions.list()).filter(({ id }) => id === "bob");
  assert.equal(own.does, "y".repeat(200));
});

Deno.test("commands that wait show their session as waiting", async () => {
  await using mbus = new Mbus();
  const activity = async () => {
    const sessions = await mbus.json(["sessions"]);
    const { state, why } = sessions.find(({ id }) => id === "tester")!
      .activity as { state: string; why?: string };
    return [state, why];
  };
  await mbus.done(["lock", "a.ts", "--exclusive", "--session", "bob"]);
  await mbus.done(["register", "--vendor", "claude"]);
  const lock = mbus.start(["lock", "a.ts", "--exclusive", "--wait", "60s"]);
  await lock.errorLine();
  while (
    (await mbus.json(["sessions", "--ended"])).every(({ activity }) =>
      activity === undefined
    )
  );
  assert.deepEqual(await activity(), ["waiting", "the lock of a.ts"]);
  await mbus.done(["unlock", "a.ts", "--session", "bob"]);
  assert.equal(await lock.end(), 0);
  assert.deepEqual(await activity(), ["working", undefined]);

  const ask = mbus.start(["ask", "bob", '"may I?"']);
  const [question] = await mbus.json(["inbox", "--wait", "--session", "bob"]);
  assert.deepEqual(await activity(), ["waiting", "an answer of bob"]);
  await mbus.done(["reply", String(question.id), '"yes"', "--session", "bob"]);
  assert.equal(await ask.end(), 0);
  assert.deepEqual(await activity(), ["working", undefined]);
});

Deno.test("statusline prints one line, and makes no bus", async () => {
  await using mbus = new Mbus();
  assert.equal(await mbus.done(["statusline"]), "");
  await assert.rejects(Deno.stat(mbus.home));
  await mbus.done(["register", "--vendor", "claude"]);
  await using busy = await inState(mbus, "busy", "working");
  await using _asking = await inState(mbus, "asking", "needs-person");
  await using _stuck = await inState(mbus, "stuck", "waiting");
  await busy.publish("chat", "hello", { to: "tester" });
  assert.equal(
    await mbus.done(["statusline", ...ALL]),
    "tester · needs you: asking · blocked: stuck · 1 working · 0 idle · 1 unread\n",
  );
  const away = { env: { MBUS_SESSION: "nobody" } };
  assert.match(
    await mbus.done(["statusline", ...ALL], away),
    /^needs you: asking · blocked: stuck · 2 working · 0 idle$/m,
  );
});
