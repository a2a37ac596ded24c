import assert from "node:assert/strict";
import type { Message, Session, SessionChange } from "../mod.ts";
import { Clock, Home } from "./fixture.ts";

/** Returns messages of the heartbeat channel, in short. */
const told = (messages: readonly Message[]) =>
  messages.map(({ payload, sender }) => {
    const { event, session } = payload as Record<string, string>;
    assert.equal(session, sender);
    return `${session} ${event}`;
  });

Deno.test("a session registers with its known facts", async () => {
  await using home = new Home();
  const clock = new Clock();
  const bus = await home.open({
    session: "me",
    vendor: "claude",
    model: "opus",
    task: "T-1",
    tty: "/dev/pts/3",
    project: "/repo",
    now: clock.now,
  });
  assert.equal(bus.session, "me");
  const session = await bus.sessions.register();
  const nowIso = new Date(clock.nowMs).toISOString();
  const { host, processStart, worktree: _w, branch: _b, ...known } = session;
  assert.deepEqual(known, {
    id: "me",
    name: "me",
    vendor: "claude",
    model: "opus",
    task: "T-1",
    tty: "/dev/pts/3",
    project: "/repo",
    pid: Deno.pid,
    activeFiles: [],
    status: "active",
    registeredAt: nowIso,
    heartbeatAt: nowIso,
  });
  assert.equal(typeof host, "string");
  assert.equal(typeof processStart, "string");
  assert.deepEqual(await bus.sessions.list(), [session]);
});

Deno.test("a session without an id gets one of its vendor", async () => {
  await using home = new Home();
  const [one, two] = [
    await home.open({ vendor: "codex" }),
    await home.open({ vendor: "codex" }),
  ];
  assert.match(one.session, /^codex-[0-9a-f]{8}$/);
  assert.notEqual(one.session, two.session);
});

Deno.test("publishing registers the session, once, before the message", async () => {
  await using home = new Home();
  const bus = await home.open({ session: "me" });
  assert.deepEqual(await bus.sessions.list(), []);
  await Promise.all([bus.publish("a", 1), bus.publish("a", 2)]);
  await bus.publish("a", 3);
  const { messages } = await bus.poll(null);
  assert.deepEqual(messages.map(({ channel }) => channel), [
    "heartbeat",
    "a",
    "a",
    "a",
  ]);
  assert.deepEqual(told(messages.slice(0, 1)), ["me came"]);
});

Deno.test("update() changes the given fields and the heartbeat", async () => {
  await using home = new Home();
  const clock = new Clock();
  const bus = await home.open({ session: "me", task: "T-1", now: clock.now });
  await assert.rejects(bus.sessions.update({ status: "idle" }), {
    name: "UnknownSessionError",
    kind: "input",
  });
  const before = await bus.sessions.register();
  const steps: [SessionChange, Partial<Session>][] = [
    [{ activeFiles: ["a.ts", "ü b.ts"] }, { activeFiles: ["a.ts", "ü b.ts"] }],
    [{ task: "T-2", model: "m" }, { task: "T-2", model: "m" }],
    [{ status: "idle", branch: "main" }, { status: "idle", branch: "main" }],
    [{ status: "active" }, { status: "active" }],
    [{}, {}],
  ];
  let expected = before;
  for (const [change, changed] of steps) {
    clock.advance(1_000);
    const after = await bus.sessions.update(change);
    expected = {
      ...expected,
      ...changed,
      heartbeatAt: new Date(clock.nowMs).toISOString(),
    };
    assert.deepEqual(after, expected);
  }
  const { task: _, ...withoutTask } = expected;
  assert.deepEqual(await bus.sessions.update({ task: null }), withoutTask);
  for (const activeFiles of [[""], [5], [null]] as unknown as string[][]) {
    await assert.rejects(bus.sessions.update({ activeFiles }), {
      field: "activeFiles",
    });
  }
});

Deno.test("the heartbeat channel carries only changes", async () => {
  await using home = new Home();
  const bus = await home.open({ session: "me", vendor: "claude" });
  const watcher = await home.open();
  await bus.sessions.register();
  await bus.sessions.register();
  for (let i = 0; i < 3; i++) await bus.sessions.heartbeat();
  await bus.sessions.update({ activeFiles: ["a.ts"] });
  await bus.sessions.update({ status: "active" });
  await bus.sessions.update({ status: "idle" });
  await bus.sessions.update({ status: "idle" });
  await bus.sessions.heartbeat();
  await bus.sessions.update({ status: "active" });
  await bus.close();
  const { messages } = await watcher.poll("heartbeat");
  assert.deepEqual(told(messages), [
    "me came",
    "me idle",
    "me active",
    "me ended",
  ]);
  assert.equal((messages[0].payload as { vendor: string }).vendor, "claude");
});

Deno.test("a heartbeat is visible to others and rings no bell", async () => {
  await using home = new Home();
  const clock = new Clock();
  const bus = await home.open({ session: "me", now: clock.now });
  const watcher = await home.open({ now: clock.now });
  await bus.sessions.register();
  clock.advance(20_000);
  await bus.sessions.heartbeat();
  const [session] = await watcher.sessions.list();
  assert.equal(session.heartbeatAt, new Date(clock.nowMs).toISOString());
  assert.ok(session.registeredAt < session.heartbeatAt);
});

Deno.test("a second process of one session is another incarnation", async () => {
  await using home = new Home();
  const first = await home.open({ session: "me" });
  await first.publish("a", 1);
  const second = await home.start({ session: "me" });
  await second.call("publish", { channel: "a", payload: 2 });
  assert.equal(await second.call("session"), "me~2");
  const third = await home.start({ session: "me" });
  assert.equal((await third.call<Session>("register")).id, "me~3");
  const { messages } = await first.poll("a");
  assert.deepEqual(messages.map(({ sender }) => sender), ["me", "me~2"]);
  // Ending ends only the own incarnation.
  await second.end();
  const ids = async () => (await first.sessions.list()).map(({ id }) => id);
  assert.deepEqual(await ids(), ["me", "me~3"]);
  const fourth = await home.start({ session: "me" });
  await fourth.call("register");
  assert.equal(await fourth.call("session"), "me~2");
  assert.deepEqual((await ids()).sort(), ["me", "me~2", "me~3"]);
});

Deno.test("a resumed session keeps its id", async () => {
  await using home = new Home();
  const watcher = await home.open();
  const ended = await home.start({ session: "me", task: "T-1" });
  await ended.call("register");
  await ended.end();
  const list = () => watcher.sessions.list({ ended: true });
  const [before] = await list();
  assert.equal(before.status, "terminated");
  assert.ok(before.endedAt! >= before.registeredAt);
  assert.deepEqual(await watcher.sessions.list(), []);

  const killed = await home.start({ session: "me" });
  await killed.call("register");
  assert.equal(await killed.call("session"), "me");
  await killed.kill();

  const resumed = await home.start({ session: "me" });
  await resumed.call("register");
  assert.equal(await resumed.call("session"), "me");
  const [after, ...others] = await list();
  assert.deepEqual(others, []);
  assert.equal(after.status, "active");
  assert.equal(after.pid, resumed.pid);
  assert.equal(after.task, "T-1");
  assert.equal("endedAt" in after, false);
});

Deno.test("the end of a process touches only its own incarnation", async () => {
  await using home = new Home();
  const first = await home.start({ session: "me" });
  await first.call("register");
  const watcher = await home.open();
  // Another session ends it, and another process resumes it.
  await watcher.sessions.end("me");
  const second = await home.start({ session: "me" });
  await second.call("register");
  assert.equal(await second.call("session"), "me");
  await first.end();
  const [session] = await watcher.sessions.list();
  assert.equal(session?.pid, second.pid);
});

Deno.test("a session whose process was killed is found dead at the next look", async () => {
  await using home = new Home();
  const bus = await home.open();
  const peer = await home.start({ session: "killed" });
  await peer.call("register");
  assert.deepEqual((await bus.sessions.list()).map(({ id }) => id), ["killed"]);
  await peer.kill();
  assert.deepEqual(await bus.sessions.list(), []);
  const { messages } = await bus.poll("heartbeat");
  assert.deepEqual(told(messages), ["killed came", "killed died"]);
});

Deno.test("ending an unknown session is refused, an ended one is not", async () => {
  await using home = new Home();
  const bus = await home.open();
  const peer = await home.start({ session: "peer" });
  await peer.call("register");
  await bus.sessions.end("peer");
  await bus.sessions.end("peer");
  await assert.rejects(bus.sessions.end("nobody"), {
    name: "UnknownSessionError",
    session: "nobody",
  });
  const { messages } = await bus.poll("heartbeat");
  assert.deepEqual(told(messages), ["peer came", "peer ended"]);
});

Deno.test("sessions are listed by project", async () => {
  await using home = new Home();
  const [a, b, none] = [
    await home.open({ session: "a", project: "/a" }),
    await home.open({ session: "b", project: "/b" }),
    await home.open({ session: "none", project: null }),
  ];
  for (const bus of [a, b, none]) await bus.sessions.register();
  const ids = (sessions: readonly Session[]) => sessions.map(({ id }) => id);
  assert.deepEqual(ids(await a.sessions.list()), ["a", "none"]);
  assert.deepEqual(ids(await b.sessions.list()), ["b", "none"]);
  assert.deepEqual(ids(await none.sessions.list()), ["a", "b", "none"]);
  assert.deepEqual(
    ids(await a.sessions.list({ allProjects: true })),
    ["a", "b", "none"],
  );
});
