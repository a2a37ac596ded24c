import assert from "node:assert/strict";
import { ClosedError, type Hold, type Message, NotHeldError } from "../mod.ts";
import { Clock, Home, until, within } from "./fixture.ts";
import type { Peer } from "./peer.ts";
import { works } from "./probe.ts";

const LINUX = Deno.build.os === "linux";
const NAMESPACES = LINUX &&
  works("unshare", "--pid", "--fork", "--mount-proc", "true");
const IN_NAMESPACE = {
  prefix: ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"],
};
const unlessNamespaces = NAMESPACES ? "" : " (ignored: needs unshare and root)";
const unlessLinux = LINUX ? "" : " (ignored: needs Linux)";
const EXCLUSIVE = { type: "exclusive" } as const;
const HOUR_MS = 60 * 60 * 1000;

/** Starts a peer that holds a path and claims a task. */
async function busy(home: Home, peer: Peer): Promise<void> {
  await peer.call("acquire", {
    name: "l",
    path: `${home.root}/a`,
    ...EXCLUSIVE,
  });
  await peer.call("post", { id: "T", title: "t" });
  await peer.call("claim", { id: "T" });
}

const events = (messages: readonly Message[]) =>
  messages.map(({ payload }) => payload as { event: string; session: string })
    .map(({ event, session }) => `${session} ${event}`);

/** Returns the status of a session. */
function statusOf(home: Home, session: string): unknown {
  return home.foreign().prepare(
    "SELECT status FROM session_registry WHERE session_id = ?",
  ).get(session)?.status;
}

const looks: Record<string, (home: Home) => Promise<unknown>> = {
  "lists locks": async (home) => await (await home.open()).locks.list(),
  "lists tasks": async (home) => await (await home.open()).tasks.list(),
  "asks for the lock": async (home) =>
    await (await home.open()).locks.acquire(`${home.root}/a`, EXCLUSIVE),
  "claims the task": async (home) => await (await home.open()).tasks.claim("T"),
  "claims any task": async (home) =>
    await (await home.open()).tasks.claimNext(),
  "purges": async (home) => await (await home.open()).purge(),
};

for (const [act, look] of Object.entries(looks)) {
  Deno.test(`a process that ${act} reaps a killed session`, async () => {
    await using home = new Home();
    const peer = await home.start({ session: "doomed" });
    await busy(home, peer);
    const heard = await home.open();
    const heartbeats = heard.subscribe("heartbeat");
    const tasks = heard.subscribe("task_broadcast");
    await Promise.all([heartbeats.ready, tasks.ready]);
    await peer.kill();
    // No process has checked it yet.
    assert.equal(statusOf(home, "doomed"), "active");
    await look(home);
    assert.equal(statusOf(home, "doomed"), "terminated");
    let event = "";
    while (event !== "doomed died") {
      const { value } = await within("the end", heartbeats.next());
      [event] = events([value!]);
    }
    const { value } = await within("the task", tasks.next());
    const { task, session, ...said } = value!.payload as Record<
      string,
      unknown
    >;
    assert.deepEqual([said.event, task, session], ["returned", "T", "doomed"]);
    const mine = (hold: Hold) => hold.session === "doomed";
    assert.deepEqual((await heard.locks.list()).filter(mine), []);
    const [left] = await heard.tasks.list();
    assert.notEqual(left.session, "doomed");
    // The dead session's claim counts as an attempt.
    assert.equal(left.attempts, act.startsWith("claims") ? 2 : 1);
  });
}

Deno.test("reaping is atomic", async () => {
  await using home = new Home();
  const bus = await home.open();
  const peer = await home.start({ session: "doomed" });
  await busy(home, peer);
  await peer.kill();
  const database = home.foreign();
  // The last step fails.
  database.exec(`CREATE TRIGGER no_return BEFORE UPDATE ON tasks
    BEGIN SELECT RAISE(ABORT, 'not now'); END`);
  await assert.rejects(() => bus.locks.list(), /not now/);
  assert.equal(statusOf(home, "doomed"), "active");
  const count = database.prepare("SELECT count(*) AS n FROM file_locks");
  assert.equal(count.get()!.n, 1);
  assert.deepEqual(events((await bus.poll("heartbeat")).messages), [
    "doomed came",
  ]);
  database.exec("DROP TRIGGER no_return");
  assert.deepEqual(await bus.locks.list(), []);
  assert.equal(statusOf(home, "doomed"), "terminated");
});

Deno.test("a session is announced when it starts, idles and ends, and not on a heartbeat", async () => {
  await using home = new Home();
  const bus = await home.open({ session: "me" });
  await bus.sessions.register();
  await bus.sessions.register();
  await bus.sessions.heartbeat();
  await bus.sessions.update({ task: "T" });
  await bus.sessions.update({ status: "idle" });
  await bus.sessions.update({ status: "idle" });
  await bus.sessions.update({ status: "active" });
  await bus.sessions.end();
  const { messages } = await bus.poll("heartbeat");
  assert.deepEqual(events(messages), [
    "me came",
    "me idle",
    "me active",
    "me ended",
  ]);
});

Deno.test("a silent session is announced once, and again after a heartbeat", async () => {
  await using home = new Home();
  const clock = new Clock();
  const ann = await home.open({ session: "ann", now: clock.now });
  const bob = await home.open({ session: "bob", now: clock.now });
  await ann.sessions.register();
  await bob.sessions.register();
  home.foreign().exec(
    `INSERT INTO session_registry(session_id, llm_vendor, heartbeat_at)
     VALUES ('foreign', 'unknown', '2026-01-01T00:00:00.000Z')`,
  );
  const dead = await home.start({ session: "dead" });
  await dead.call("register");
  await dead.kill();
  const told = async () => {
    await bob.purge();
    const { messages } = await bob.poll("heartbeat");
    return events(messages).filter((event) => event.endsWith(" stale"));
  };
  assert.deepEqual(await told(), []);
  clock.advance(31_000);
  await bob.sessions.heartbeat();
  assert.deepEqual(await told(), ["ann stale"]);
  await bob.sessions.heartbeat();
  assert.deepEqual(await told(), ["ann stale"]);
  // That message has expired, and ann is still silent.
  clock.advance(31_000);
  await bob.sessions.heartbeat();
  assert.deepEqual(await told(), []);
  await ann.sessions.heartbeat();
  clock.advance(31_000);
  await bob.sessions.heartbeat();
  assert.deepEqual(await told(), ["ann stale"]);
  const [ann_] = await bob.sessions.list();
  assert.equal(ann_.status, "active");
});

Deno.test("a heartbeat purges if no process has purged for a while", async () => {
  await using home = new Home();
  const clock = new Clock();
  const ann = await home.open({ session: "ann", now: clock.now });
  await ann.publish("state", 1);
  const kept = home.foreign().prepare(
    "SELECT count(*) AS n FROM inter_session_messages WHERE channel = 'state'",
  );
  clock.advance(61_000);
  await until("the purge", async () => {
    await ann.sessions.heartbeat();
    return kept.get()!.n === 0;
  });
});

Deno.test({
  name: `a stopped holder keeps everything${unlessLinux}`,
  ignore: !LINUX,
  async fn() {
    await using home = new Home();
    const bus = await home.open();
    const peer = await home.start({ session: "stopped" });
    await busy(home, peer);
    peer.signal("SIGSTOP");
    await until(
      "it to stop",
      () => /\) T /.test(Deno.readTextFileSync(`/proc/${peer.pid}/stat`)),
    );
    const taken = await bus.locks.tryAcquire(`${home.root}/a`);
    assert.equal(taken, undefined);
    assert.equal(await bus.tasks.claimNext(), undefined);
    await bus.purge();
    assert.equal(statusOf(home, "stopped"), "active");
    peer.signal("SIGCONT");
  },
});

Deno.test({
  name: `a session is dead if another process reuses its pid${unlessLinux}`,
  ignore: !LINUX,
  async fn() {
    await using home = new Home();
    const bus = await home.open();
    const peer = await home.start({ session: "gone" });
    await busy(home, peer);
    // The pid is the live peer's, and the start time is another process's.
    home.foreign().exec(`UPDATE session_registry SET process_start = '1'
      WHERE session_id = 'gone'`);
    assert.deepEqual(await bus.locks.list(), []);
    assert.equal(statusOf(home, "gone"), "terminated");
  },
});

Deno.test({
  name: `a zombie is dead${unlessLinux}`,
  ignore: !LINUX,
  async fn() {
    await using home = new Home();
    const bus = await home.open();
    // The shell becomes a program that does not wait for its children.
    const parent = new Deno.Command("sh", {
      args: ["-c", "sleep 1000 & echo $!; exec sleep 1000"],
      stdout: "piped",
    }).spawn();
    const reader = parent.stdout.getReader();
    const { value } = await reader.read();
    const pid = Number(new TextDecoder().decode(value));
    const held = await home.open({ session: "zombie", pid });
    await held.locks.acquire(`${home.root}/a`, EXCLUSIVE);
    assert.equal((await bus.locks.list()).length, 1);
    // A shell would still wait for its child.
    await until(
      "the program",
      () => Deno.readTextFileSync(`/proc/${parent.pid}/comm`) === "sleep\n",
    );
    Deno.kill(pid, "SIGKILL");
    await until(
      "the zombie",
      () => /\) Z /.test(Deno.readTextFileSync(`/proc/${pid}/stat`)),
    );
    assert.deepEqual(await bus.locks.list(), []);
    parent.kill("SIGKILL");
    await reader.cancel();
    await parent.status;
  },
});

Deno.test({
  name: `no session is reaped across pid namespaces${unlessNamespaces}`,
  ignore: !NAMESPACES,
  async fn() {
    await using home = new Home();
    const bus = await home.open({ session: "outside" });
    await bus.locks.acquire(`${home.root}/out`, EXCLUSIVE);
    const inside = await home.start({ session: "inside" }, IN_NAMESPACE);
    await inside.call("acquire", {
      name: "l",
      path: `${home.root}/in`,
      ...EXCLUSIVE,
    });
    const sessions = (holds: readonly Hold[]) => holds.map((h) => h.session);
    const both = ["outside", "inside"];
    assert.deepEqual(sessions(await inside.call("locks")), both);
    assert.deepEqual(sessions(await bus.locks.list()), both);
    await inside.call("purge");
    await bus.purge();
    assert.deepEqual(sessions(await bus.locks.list()), both);
    assert.equal(statusOf(home, "inside"), "active");
    assert.equal(statusOf(home, "outside"), "active");
    // Its liveness is unknown here, so it lives by its lease even after the kill.
    // Its input is closed later, because that would let it end in order.
    inside.signal("SIGKILL");
    await inside.ended;
    await inside.end();
    assert.deepEqual(sessions(await bus.locks.list()), both);
  },
});

Deno.test({
  name:
    `the same session id in another pid namespace is another incarnation${unlessNamespaces}`,
  ignore: !NAMESPACES,
  async fn() {
    await using home = new Home();
    const bus = await home.open({ session: "me" });
    await bus.sessions.register();
    const inside = await home.start({ session: "me" }, IN_NAMESPACE);
    await inside.call("register");
    assert.equal(await inside.call("session"), "me~2");
    assert.equal(statusOf(home, "me"), "active");
  },
});

Deno.test("locks survive a laptop's sleep", async () => {
  await using home = new Home();
  const clock = new Clock();
  const ann = await home.open({ session: "ann", now: clock.now });
  const bob = await home.open({ session: "bob", now: clock.now });
  const path = `${home.root}/a`;
  const lock = await ann.locks.acquire(path, { ...EXCLUSIVE, leaseMs: 1_000 });
  clock.advance(9 * HOUR_MS);
  await bob.purge();
  const [hold] = await bob.locks.list();
  assert.deepEqual(hold, { ...lock.hold, overdue: true });
  assert.equal(await bob.locks.tryAcquire(path), undefined);
  await lock.renew();
  assert.equal((await bob.locks.list())[0].overdue, false);
});

Deno.test("an overdue lock is taken over on request, and its holder is notified", async () => {
  await using home = new Home();
  const clock = new Clock();
  const ann = await home.open({ session: "ann", now: clock.now });
  const bob = await home.open({ session: "bob", now: clock.now });
  const path = `${home.root}/a`;
  const lock = await ann.locks.acquire(path, { ...EXCLUSIVE, leaseMs: 1_000 });
  // A hold that is not overdue is not taken over.
  const over = { ...EXCLUSIVE, takeOver: true };
  assert.equal(await bob.locks.tryAcquire(path, over), undefined);
  clock.advance(1_001);
  assert.equal(await bob.locks.tryAcquire(path, EXCLUSIVE), undefined);
  const taken = await bob.locks.acquire(path, over);
  assert.ok(taken.token > lock.token);
  assert.deepEqual(taken.overlaps, []);
  assert.equal((await bob.locks.list()).length, 1);
  const { messages } = await ann.poll("file_conflict");
  const told = messages.map(({ payload }) => payload as Record<string, unknown>)
    .findLast(({ event }) => event === "taken-over")!;
  assert.deepEqual(told.sessions, ["bob", "ann"]);
  await assert.rejects(() => lock.renew(), NotHeldError);
  await assert.rejects(() => lock.release(), NotHeldError);
  assert.equal((await bob.locks.list())[0].token, taken.token);
});

Deno.test("a take-over that cannot get the lock ends no hold", async () => {
  await using home = new Home();
  const clock = new Clock();
  const [ann, bob, eve] = await Promise.all(
    ["ann", "bob", "eve"].map((session) =>
      home.open({ session, now: clock.now })
    ),
  );
  const path = `${home.root}/a`;
  await ann.locks.acquire(path, { leaseMs: 1_000 });
  await bob.locks.acquire(path, { leaseMs: HOUR_MS });
  clock.advance(2_000);
  const over = { ...EXCLUSIVE, takeOver: true };
  assert.equal(await eve.locks.tryAcquire(path, over), undefined);
  const sessions = (await eve.locks.list()).map(({ session }) => session);
  assert.deepEqual(sessions, ["ann", "bob"]);
});

Deno.test("a hold of unknown liveness ends at its expiry", async () => {
  await using home = new Home();
  const clock = new Clock();
  const ann = await home.open({ session: "ann", now: clock.now });
  const bob = await home.open({ session: "bob", now: clock.now });
  const path = `${home.root}/a`;
  const options = { ...EXCLUSIVE, leaseMs: 1_000 };
  const first = await ann.locks.acquire(path, options);
  home.foreign().exec(`UPDATE session_registry SET host = 'elsewhere'
    WHERE session_id = 'ann'`);
  clock.advance(999);
  assert.equal(await bob.locks.tryAcquire(path, options), undefined);
  clock.advance(1);
  await assert.rejects(() => first.renew(), NotHeldError);
  await assert.rejects(() => first.release(), NotHeldError);
  const second = await bob.locks.acquire(path, options);
  assert.ok(second.token > first.token);
});

Deno.test("a resumed session takes over the id of a dead process without its locks", async () => {
  await using home = new Home();
  const first = await home.start({ session: "me" });
  await busy(home, first);
  await first.kill();
  const bus = await home.open({ session: "me" });
  await bus.sessions.register();
  assert.equal(bus.session, "me");
  const { messages } = await bus.poll("heartbeat");
  assert.deepEqual(events(messages), ["me came", "me died", "me came"]);
  assert.deepEqual(await bus.locks.list(), []);
  assert.equal((await bus.tasks.list())[0].status, "open");
});

Deno.test("a second live process of a session is id~2, and changes only its own records", async () => {
  await using home = new Home();
  const first = await home.start({ session: "me" });
  await busy(home, first);
  const second = await home.open({ session: "me" });
  const path = `${home.root}/a`;
  // Before its registration it has no id.
  await assert.rejects(() => second.locks.release(path), NotHeldError);
  await assert.rejects(() => second.sessions.update({ task: "x" }));
  await second.sessions.end();
  assert.equal(statusOf(home, "me"), "active");
  await second.sessions.register();
  assert.equal(second.session, "me~2");
  await assert.rejects(() => second.locks.release(path), NotHeldError);
  await second.locks.acquire(`${home.root}/b`);
  await second.close();
  assert.equal(statusOf(home, "me~2"), "terminated");
  assert.equal(statusOf(home, "me"), "active");
  const holds = await first.call<Hold[]>("locks");
  assert.deepEqual(holds.map(({ session }) => session), ["me"]);
});

Deno.test("close() does not end a later incarnation of the id", async () => {
  await using home = new Home();
  const bus = await home.open({ session: "me" });
  await bus.sessions.register();
  const other = await home.open();
  await other.sessions.end("me");
  const second = await home.start({ session: "me" });
  await second.call("register");
  assert.equal(await second.call("session"), "me");
  await bus.close();
  assert.equal(statusOf(home, "me"), "active");
});

Deno.test("a closed bus rejects lock and task calls", async () => {
  await using home = new Home();
  const bus = await home.open();
  await bus.sessions.register();
  await bus.close();
  await assert.rejects(() => bus.locks.acquire("/a"), ClosedError);
  await assert.rejects(() => bus.tasks.claimNext(), ClosedError);
  await assert.rejects(() => bus.locks.list(), ClosedError);
});
