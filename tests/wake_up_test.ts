import assert from "node:assert/strict";
import type { Message } from "../mod.ts";
import {
  canLimitWatches,
  Clock,
  Home,
  numbers,
  take,
  until,
  WATCH_LIMITS,
  watchesAtMost,
  within,
} from "./fixture.ts";

// So long that no message of a test arrives by polling.
const NO_POLL = { pollIntervalMs: 60_000 };

const unlessLimited = canLimitWatches
  ? ""
  : " (ignored: needs unshare and user namespaces)";

Deno.test("a reader misses no wake-up between reading and waiting", async () => {
  await using home = new Home();
  const bus = await home.open(NO_POLL);
  const peer = await home.start(NO_POLL);
  await peer.call("echo", { from: "ping", to: "pong" });
  const pongs = bus.subscribe("pong");
  await pongs.ready;
  assert.equal(pongs.mode, "push");
  for (let round = 0; round < 3_000; round++) {
    await bus.publish("ping", round);
    const { value } = await within(`pong ${round}`, pongs.next());
    assert.equal(value!.payload, round);
  }
});

Deno.test("several processes are pushed the same messages", async () => {
  await using home = new Home();
  const bus = await home.open(NO_POLL);
  const peers = await Promise.all(numbers(0, 3).map(() => home.start(NO_POLL)));
  for (const peer of peers) {
    assert.equal(
      await peer.call("subscribe", { name: "s", channels: null }),
      "push",
    );
  }
  for (let i = 0; i < 200; i++) await bus.publish("state", i);
  for (const peer of peers) {
    const seen = await within("all", peer.wait<Message>("s", 201));
    assert.deepEqual(
      seen.filter(({ channel }) => channel === "state").map((m) => m.payload),
      numbers(0, 200),
    );
  }
});

Deno.test("publish() touches only the bells of interested processes", async () => {
  await using home = new Home();
  const bus = await home.open(NO_POLL);
  const [a, b, elsewhere] = await Promise.all([
    home.start(NO_POLL),
    home.start(NO_POLL),
    home.start({ ...NO_POLL, project: "/elsewhere" }),
  ]);
  await a.call("subscribe", { name: "s", channels: "a" });
  await b.call("subscribe", { name: "s", channels: ["b", "heartbeat"] });
  await elsewhere.call("subscribe", { name: "s", channels: "a" });
  await bus.sessions.register();
  await b.wait("s", 1);
  const bellOf = (pid: number) => {
    const [{ name }] = [...Deno.readDirSync(`${home.path}/bells`)]
      .filter(({ name }) => name.startsWith(`${pid}-`));
    return Deno.statSync(`${home.path}/bells/${name}`).mtime!.getTime();
  };
  const before = [a, b, elsewhere].map(({ pid }) => bellOf(pid));
  await bus.sessions.heartbeat();
  assert.deepEqual([a, b, elsewhere].map(({ pid }) => bellOf(pid)), before);
  await bus.publish("a", 1, { project: "/mine" });
  await a.wait("s", 1);
  assert.notEqual(bellOf(a.pid), before[0]);
  assert.equal(bellOf(b.pid), before[1]);
  assert.equal(bellOf(elsewhere.pid), before[2]);
});

Deno.test("a process keeps its bell if it opens a watch while it closes its last one", async () => {
  await using home = new Home();
  const bus = await home.open(NO_POLL);
  const peer = await home.start(NO_POLL);
  const first = bus.subscribe("state", { from: "start" });
  await first.ready;
  const other = home.foreign();
  // Delays the end of the first watch until the second one has begun.
  other.exec("BEGIN IMMEDIATE");
  await first.close();
  const second = bus.subscribe("state", { from: "start" });
  await new Promise((resolve) => setTimeout(resolve, 0));
  other.exec("COMMIT");
  await second.ready;
  const coming = second.next();
  await new Promise((resolve) => setTimeout(resolve, 0));
  await peer.call("publish", { channel: "state", payload: 1 });
  await within("the message", coming);
  assert.equal(second.mode, "push");
});

Deno.test("a process makes its bell again after it was deleted", async () => {
  await using home = new Home();
  const bus = await home.open({ pollIntervalMs: 10 });
  const peer = await home.start(NO_POLL);
  const states = bus.subscribe("state");
  await states.ready;
  const bells = () => [...Deno.readDirSync(`${home.path}/bells`)];
  assert.equal(bells().length, 1);
  Deno.removeSync(`${home.path}/bells/${bells()[0].name}`);
  await peer.call("publish", { channel: "state", payload: "unrung" });
  assert.equal((await take(states, 1))[0].payload, "unrung");
  await until("the new bell", () => bells().length === 1);
  await until("the new watch", () => states.mode === "push");
  assert.deepEqual(home.warnings, []);
});

Deno.test("the safety poll finds a message whose writer crashed before its ring", async () => {
  await using home = new Home();
  const bus = await home.open({ pollIntervalMs: 10 });
  const states = bus.subscribe("state");
  await states.ready;
  home.foreign().exec(`INSERT INTO inter_session_messages
    (sender_id, channel, payload, expires_at, rung)
    VALUES ('crashed', 'state', '1', ${Date.now() + 60_000}, 1)`);
  assert.equal((await take(states, 1))[0].payload, 1);
});

Deno.test('a bus with notify "poll" makes no bell and delivers messages', async () => {
  await using home = new Home();
  const bus = await home.open({ notify: "poll", pollIntervalMs: 10 });
  const peer = await home.start();
  const states = bus.subscribe("state");
  await states.ready;
  assert.equal(states.mode, "poll");
  assert.deepEqual([...Deno.readDirSync(`${home.path}/bells`)], []);
  await peer.call("publish", { channel: "state", payload: 1 });
  assert.equal((await take(states, 1))[0].payload, 1);
  // A message of the same process arrives without a poll.
  await bus.publish("state", 2);
  assert.equal((await take(states, 1))[0].payload, 2);
});

Deno.test({
  name: `a process without file watches polls, and warns once${unlessLimited}`,
  ignore: !canLimitWatches,
  async fn() {
    await using home = new Home();
    const bus = await home.open();
    const peer = await home.start({ pollIntervalMs: 10 }, {
      prefix: watchesAtMost(0, "instances"),
    });
    const mode = await peer.call("subscribe", { name: "s", channels: "a" });
    assert.equal(mode, "poll");
    await peer.call("subscribe", { name: "t", channels: "a" });
    for (let i = 1; i <= 20; i++) {
      await bus.publish("a", i);
      await peer.wait("s", i);
    }
    const warnings = peer.seen<string>("warning");
    assert.equal(warnings.length, 1, warnings.join("\n"));
    assert.match(warnings[0], /polling every 10 ms/);
    // The process watches again as soon as it can.
    await peer.call("write", { path: WATCH_LIMITS.instances, text: "10" });
    await until(
      "push",
      async () => await peer.call("mode", "s") === "push",
    );
  },
});

Deno.test({
  name: `a process watches its bell if it cannot watch the WAL${unlessLimited}`,
  ignore: !canLimitWatches,
  async fn() {
    await using home = new Home();
    const bus = await home.open();
    const poor = await home.start({ pollIntervalMs: 10 }, {
      prefix: watchesAtMost(1, "files"),
    });
    const mode = await poor.call("subscribe", { name: "s", channels: "a" });
    assert.equal(mode, "push");
    for (let i = 1; i <= 20; i++) {
      await bus.publish("a", i);
      await poor.wait("s", i);
    }
    await until("the warning", () => poor.seen("warning").length > 0);
    assert.equal(await poor.call("mode", "s"), "push");
    // The safety poll finds external rows, and another process can take the lease.
    home.foreign().exec(`INSERT INTO inter_session_messages
      (sender_id, channel, payload) VALUES ('x', 'a', '"foreign"')`);
    assert.equal((await poor.wait<Message>("s", 21))[20].payload, "foreign");
    const rich = bus.subscribe("a");
    await rich.ready;
    await until("the leader", () => leaders(home).includes(Deno.pid));
    const warnings = poor.seen<string>("warning");
    assert.equal(warnings.length, 1, warnings.join("\n"));
  },
});

Deno.test({
  name:
    `a bus with notify "watch" rejects without file watches${unlessLimited}`,
  ignore: !canLimitWatches,
  async fn() {
    await using home = new Home();
    const peer = await home.start({ notify: "watch" }, {
      prefix: watchesAtMost(0, "instances"),
    });
    for (const name of ["first", "second"]) {
      await assert.rejects(
        peer.call("subscribe", { name, channels: "a" }),
        { type: "StoreError", message: /Cannot watch for messages: / },
      );
    }
    await peer.call("write", { path: WATCH_LIMITS.instances, text: "10" });
    assert.equal(
      await peer.call("subscribe", { name: "third", channels: "a" }),
      "push",
    );
    const bus = await home.open();
    await bus.publish("a", 1);
    await peer.wait("third", 1);
  },
});

function leaders(home: Home): number[] {
  return home.foreign().prepare("SELECT pid FROM duties").all()
    .map(({ pid }) => Number(pid));
}

Deno.test("one process leads the watch for external writes, and another after it ends", async () => {
  await using home = new Home();
  const peers = await Promise.all(
    numbers(0, 3).map(() => home.start({ pollIntervalMs: 50 })),
  );
  for (const peer of peers) {
    await peer.call("subscribe", { name: "s", channels: "a" });
  }
  let last = -1;
  while (peers.length > 0) {
    await until("a leader", () => {
      const pids = leaders(home);
      return pids.length === 1 && pids[0] !== last;
    });
    [last] = leaders(home);
    await until("its watch", () => watchesWal(home, last));
    const leader = peers.find(({ pid }) => pid === last)!;
    peers.splice(peers.indexOf(leader), 1);
    for (const { pid } of peers) assert.ok(!watchesWal(home, pid));
    // Another process leads after a close as after a kill.
    if (peers.length === 2) await leader.kill();
    else await leader.end();
  }
  assert.deepEqual(leaders(home), []);
});

/** Returns whether a process has an inotify watch on the WAL. */
function watchesWal(home: Home, pid: number): boolean {
  if (Deno.build.os !== "linux") return leaders(home).includes(pid);
  const inode = Deno.statSync(`${home.database}-wal`).ino!;
  const needle = ` ino:${inode.toString(16)} `;
  return [...Deno.readDirSync(`/proc/${pid}/fdinfo`)].some(({ name }) => {
    try {
      return Deno.readTextFileSync(`/proc/${pid}/fdinfo/${name}`)
        .includes(needle);
    } catch {
      return false;
    }
  });
}

Deno.test("purge() removes the bells of dead processes", async () => {
  await using home = new Home();
  const bus = await home.open();
  const dead = await home.start();
  const alive = await home.start();
  await dead.call("subscribe", { name: "s", channels: "a" });
  await alive.call("subscribe", { name: "s", channels: "a" });
  const bells = () =>
    [...Deno.readDirSync(`${home.path}/bells`)].map(({ name }) => name);
  assert.equal(bells().length, 2);
  await dead.kill();
  await bus.purge();
  assert.equal(bells().length, 1);
  assert.ok(bells()[0].startsWith(`${alive.pid}-`));
  const interests = home.foreign().prepare("SELECT bell FROM bell_interests");
  assert.deepEqual(interests.all().map(({ bell }) => bell), bells());
});

Deno.test("purge() removes only old bells of other hosts and files without a row", async () => {
  await using home = new Home();
  const clock = new Clock();
  const bus = await home.open({ now: clock.now });
  const reader = bus.subscribe("a");
  await reader.ready;
  const folder = `${home.path}/bells`;
  const names = () => [...Deno.readDirSync(folder)].map(({ name }) => name);
  const [own] = names();
  const [elsewhere, lost] = ["12-0123abcd", "34-0123abcd"];
  for (const name of [elsewhere, lost, "notes.txt"]) {
    Deno.writeTextFileSync(`${folder}/${name}`, "");
  }
  const database = home.foreign();
  for (const bell of [elsewhere, "../outside"]) {
    database.prepare("INSERT INTO bells VALUES (?, 'elsewhere', 1, NULL)")
      .run(bell);
  }
  Deno.writeTextFileSync(`${home.path}/outside`, "");
  const rows = () =>
    database.prepare("SELECT bell FROM bells").all().map(({ bell }) => bell);
  await bus.purge();
  assert.equal(rows().length, 2);
  assert.equal(names().length, 4);
  clock.advance(2 * 60 * 60 * 1000);
  await bus.purge();
  assert.deepEqual(rows(), [own]);
  assert.deepEqual(names().toSorted(), [own, "notes.txt"].toSorted());
  Deno.statSync(`${home.path}/outside`);
});

Deno.test("a process makes its bell and rows again after a purge removed them", async () => {
  await using home = new Home();
  const clock = new Clock();
  const bus = await home.open({ now: clock.now });
  const peer = await home.start({ pollIntervalMs: 10 });
  await peer.call("subscribe", { name: "s", channels: ["a", "b"] });
  const database = home.foreign();
  const interests = database.prepare(
    `SELECT channel FROM bell_interests JOIN bells USING (bell)
     WHERE pid = ? ORDER BY channel`,
  );
  const wants = () => interests.all(peer.pid).map(({ channel }) => channel);
  assert.deepEqual(wants(), ["a", "b"]);
  database.exec("UPDATE bells SET host = 'elsewhere'");
  clock.advance(2 * 60 * 60 * 1000);
  await bus.purge();
  await until("the rows", () => wants().length === 2);
  assert.equal(await peer.call("mode", "s"), "push");
});

Deno.test("a reader that was woken also finds a message without a ring", async () => {
  await using home = new Home();
  const reader = (await home.open()).subscribe("a");
  await reader.ready;
  const writer = await home.open();
  const foreign = home.foreign();
  for (let i = 0; i < 3; i++) {
    await writer.publish("a", "rings");
    foreign.exec(`INSERT INTO inter_session_messages
      (sender_id, channel, payload, expires_at, rung)
      VALUES ('x', 'a', '"silent"', ${Date.now() + 60_000}, 1)`);
  }
  const payloads = (await take(reader, 6)).map(({ payload }) => payload);
  assert.deepEqual(payloads, Array(3).fill(["rings", "silent"]).flat());
});

Deno.test("publish() succeeds and warns once if a bell cannot be touched", async () => {
  await using home = new Home();
  const bus = await home.open();
  const reader = bus.subscribe("a");
  await reader.ready;
  const tooLong = "1-".padEnd(5_000, "0");
  home.foreign().exec(`
    INSERT INTO bells VALUES ('${tooLong}', 'nowhere', 1, NULL);
    INSERT INTO bell_interests VALUES ('a', '${tooLong}', 1, NULL, NULL);`);
  for (let i = 0; i < 3; i++) await bus.publish("a", i);
  await bus.publishMany([{ channel: "a", payload: 3 }]);
  assert.deepEqual((await take(reader, 4)).map((m) => m.payload), [0, 1, 2, 3]);
  assert.equal(home.warnings.length, 1, home.warnings.join("\n"));
});

Deno.test("close() does not wait for writers if the bus never watched", async () => {
  await using home = new Home();
  const bus = await home.open({ busyTimeoutMs: 600_000 });
  const other = home.foreign();
  other.exec("BEGIN IMMEDIATE");
  await within("the end", bus.close());
});
