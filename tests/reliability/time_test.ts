import assert from "node:assert/strict";
import {
  type Claim,
  DurableNameInUseError,
  type Hold,
  type Message,
  type Task,
} from "../../mod.ts";
import {
  Clock,
  hasProgram,
  Home,
  numbers,
  payloadsOf,
  run,
  take,
} from "../fixture.ts";
import { PeerError } from "../peer.ts";
import { works } from "../probe.ts";
import { type Defect, withDefects } from "./defect.ts";
import { LONG, seeded } from "./seed.ts";
import { canSetClocks, resume, SetClock, stop, unlessClocks } from "./time.ts";

const LINUX = Deno.build.os === "linux";
const unlessLinux = LINUX ? "" : " (ignored: needs Linux)";
const NAMESPACES = LINUX &&
  works("unshare", "--pid", "--fork", "--mount-proc", "true");
const unlessNamespaces = NAMESPACES ? "" : " (ignored: needs unshare and root)";
const IN_NAMESPACE = {
  prefix: ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"],
};
const EXCLUSIVE = { type: "exclusive" } as const;
const HOUR_MS = 60 * 60 * 1000;
const MONTH = { ttlSeconds: 30 * 24 * 60 * 60 };

/** Returns a check for a peer's error of this name. */
function refusedWith(name: string): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof PeerError, String(error));
    assert.equal(error.type, name, error.message);
    return true;
  };
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

const SET = "order, holds and tokens stay while the clock is set by hours";

Deno.test({
  name: `${SET}, and nothing is lost${unlessClocks}`,
  ignore: !canSetClocks,
  fn: () =>
    seeded(import.meta.url, SET, async (chance) => {
      await using home = new Home();
      const clock = new SetClock(`${home.root}/time`);
      const ann = await home.start({ session: "ann" }, { env: clock.env });
      const bob = await home.start({ session: "bob" }, { env: clock.env });
      await bob.call("subscribe", { name: "all", channels: "a" });
      await bob.call("subscribe", {
        name: "durable",
        channels: "a",
        durable: "d",
        ack: true,
      });
      const path = `${home.root}/held`;
      await ann.call("acquire", { name: "held", path, ...EXCLUSIVE });
      const tokens: number[] = [];
      let published = 0;
      for (let step = 0; step < (LONG ? 60 : 12); step++) {
        const hours = chance.whole(-12, 13);
        clock.set(hours < 0 ? `${hours}h` : `+${hours}h`);
        for (const peer of [ann, bob]) {
          const payloads = numbers(published, 10);
          published += payloads.length;
          await peer.call(
            "publishMany",
            payloads.map((payload) => ({ channel: "a", payload, ...MONTH })),
          );
        }
        const name = `lock ${step}`;
        const taking = { name, path: `${home.root}/free`, ...EXCLUSIVE };
        const taker = chance.of([ann, bob]);
        tokens.push((await taker.call<Hold>("acquire", taking)).token);
        await taker.call("release", name);
        await assert.rejects(
          bob.call("acquire", { name: "no", path, ...EXCLUSIVE }),
          refusedWith("LockHeldError"),
          `at ${hours} h`,
        );
        await bob.call("purge");
      }
      assert.deepEqual(tokens, [...tokens].sort((a, b) => a - b));
      for (const name of ["all", "durable"]) {
        const seen = await bob.wait<Message>(name, published);
        assert.deepEqual(payloadsOf(seen), numbers(0, published), name);
      }
      assert.deepEqual(bob.seen("durable.lost"), []);
      await ann.call("release", "held");
    }),
});

Deno.test({
  name:
    `a process whose clock is 12 h ahead purges no living message${unlessClocks}`,
  ignore: !canSetClocks,
  async fn() {
    await using home = new Home();
    const clock = new SetClock(`${home.root}/time`);
    const ann = await home.open({ session: "ann" });
    const ahead = await home.start({ session: "bob" }, { env: clock.env });
    await ahead.call("flood", { channel: "b", first: 0, count: 1 });
    await ann.publishMany(
      numbers(0, 20).map((payload) => ({ channel: "a", payload })),
    );
    await ann.publish("a", "direct", { to: "bob", ttlSeconds: 3_600 });
    clock.set("+12h");
    // Enough for steps of the purge that the process takes by itself.
    await ahead.call("flood", { channel: "b", first: 0, count: 400 });
    for (let i = 0; i < 3; i++) await ahead.call("purge");
    await ahead.end();
    assert.deepEqual(
      payloadsOf((await ann.poll("a")).messages),
      numbers(0, 20),
    );
    // The direct message is kept for the other session, too.
    const direct = home.foreign().prepare(
      "SELECT payload FROM inter_session_messages WHERE recipient_id = 'bob'",
    );
    assert.deepEqual(direct.all().map(({ payload }) => payload), ['"direct"']);
  },
});

Deno.test({
  name: `sessions work while the clock is stopped${unlessClocks}`,
  ignore: !canSetClocks,
  async fn() {
    await using home = new Home();
    const clock = new SetClock(`${home.root}/time`);
    clock.set("2026-11-22 12:00:00");
    const ann = await home.start({ session: "ann" }, { env: clock.env });
    const bob = await home.start({ session: "bob" }, { env: clock.env });
    await bob.call("subscribe", { name: "all", channels: "a" });
    await bob.call("subscribe", {
      name: "durable",
      channels: "a",
      durable: "d",
      ack: true,
    });
    await ann.call("flood", { channel: "a", first: 0, count: 300 });
    for (const name of ["all", "durable"]) {
      const seen = await bob.wait<Message>(name, 300);
      assert.deepEqual(payloadsOf(seen), numbers(0, 300));
      // Proves that the clock was stopped.
      const times = new Set(seen.map(({ createdAt }) => createdAt));
      assert.deepEqual([...times], ["2026-11-22T12:00:00.000Z"]);
    }
    const held = { path: `${home.root}/a`, ...EXCLUSIVE };
    await ann.call("acquire", { name: "a", ...held });
    // Waits use the monotonic clock.
    await assert.rejects(
      bob.call("acquire", { name: "b", ...held, waitMs: 100 }),
      refusedWith("LockHeldError"),
    );
    const granted = bob.call("acquire", { name: "b", ...held, waitMs: 19_000 });
    await bob.wait("b.waits", 1);
    await ann.call("release", "a");
    await granted;
    await assert.rejects(
      ann.call("ask", { to: "bob", payload: 1, timeoutMs: 100 }),
      refusedWith("AskTimeoutError"),
    );
    await ann.call("post", { id: "T", title: "t" });
    await bob.call("claim", { id: "T" });
    assert.equal(
      (await bob.call<Task>("complete", { id: "T" })).status,
      "done",
    );
  },
});

Deno.test("a bus purges after the clock is set back by hours", async () => {
  await using home = new Home();
  const clock = new Clock();
  const bus = await home.open({ now: clock.now });
  const publish = () => bus.publish("a", "short-lived", { ttlSeconds: 1 });
  await publish();
  clock.advance(-5 * HOUR_MS);
  const count = home.foreign().prepare(
    "SELECT count(*) AS n FROM inter_session_messages WHERE channel = 'a'",
  );
  for (let minute = 0; minute < 30; minute++) {
    clock.advance(60_000);
    await publish();
    await sleep(0);
  }
  // The first message expires in five hours.
  assert.ok(Number(count.get()!.n) <= 4, `${count.get()!.n} are kept`);
});

async function claimOfStopped(script?: string): Promise<void> {
  await using home = new Home();
  const holder = await home.start({ session: "holder" }, { script });
  const other = await home.start({ session: "other" }, { script });
  await holder.call("post", { id: "T", title: "t" });
  const leaseMs = LONG ? 60_000 : 300;
  const first = await holder.call<Claim>("claim", { id: "T", leaseMs });
  await stop(holder.pid);
  assert.equal(await other.call("claimNext"), null);
  await sleep(leaseMs + (LONG ? 60_000 : 50));
  const second = await other.call<Claim | null>("claimNext");
  assert.ok(second !== null && second.token > first.token);
  resume(holder.pid);
  await assert.rejects(
    holder.call("complete", { id: "T", result: "late" }),
    refusedWith("NotHeldError"),
  );
  const done = await other.call<Task>("complete", { id: "T", result: "mine" });
  assert.deepEqual([done.status, done.result], ["done", "mine"]);
}

Deno.test({
  name:
    `a stopped holder's claim goes to another session when its lease expires${unlessLinux}`,
  ignore: !LINUX,
  fn: () => claimOfStopped(),
});

async function lockOfStopped(script?: string): Promise<void> {
  await using home = new Home();
  const holder = await home.start({ session: "holder" }, { script });
  const other = await home.start({ session: "other" }, { script });
  const path = `${home.root}/a`;
  const leaseMs = LONG ? 60_000 : 200;
  const asking = { name: "l", path, ...EXCLUSIVE };
  const first = await holder.call<Hold>("acquire", { ...asking, leaseMs });
  await stop(holder.pid);
  await sleep(leaseMs + (LONG ? 60_000 : 50));
  // The holder is alive, so its expired lock is not granted to others.
  await assert.rejects(
    other.call("acquire", asking),
    refusedWith("LockHeldError"),
  );
  const second = await other.call<Hold>("acquire", {
    ...asking,
    takeOver: true,
  });
  assert.ok(second.token > first.token);
  resume(holder.pid);
  await assert.rejects(
    holder.call("release", "l"),
    refusedWith("NotHeldError"),
  );
  const [hold] = await other.call<Hold[]>("locks");
  assert.equal(hold.token, second.token);
}

Deno.test({
  name:
    `release() rejects after a stopped holder's lock was taken over${unlessLinux}`,
  ignore: !LINUX,
  fn: () => lockOfStopped(),
});

Deno.test({
  name:
    `a lock of a stopped holder in another pid namespace ends with its lease${unlessNamespaces}`,
  ignore: !NAMESPACES,
  async fn() {
    await using home = new Home();
    const bus = await home.open({ session: "outside" });
    const inside = await home.start({ session: "inside" }, IN_NAMESPACE);
    const path = `${home.root}/a`;
    const leaseMs = 300;
    const asking = { name: "l", path, leaseMs, ...EXCLUSIVE };
    const first = await inside.call<Hold>("acquire", asking);
    // The peer is unshare's child.
    const children = `/proc/${inside.pid}/task/${inside.pid}/children`;
    const pid = Number(Deno.readTextFileSync(children));
    await stop(pid);
    assert.equal(await bus.locks.tryAcquire(path, EXCLUSIVE), undefined);
    await sleep(leaseMs + 50);
    const second = await bus.locks.acquire(path, EXCLUSIVE);
    assert.ok(second.token > first.token);
    resume(pid);
    await assert.rejects(
      inside.call("release", "l"),
      refusedWith("NotHeldError"),
    );
    assert.equal((await bus.locks.list())[0].token, second.token);
  },
});

const STOPPED_READER = "a durable reader stopped past its lease";

Deno.test({
  name:
    `${STOPPED_READER} gets no message that another acknowledged${unlessLinux}`,
  ignore: !LINUX,
  async fn() {
    await using home = new Home();
    const clock = new Clock();
    const other = await home.open({ now: clock.now });
    const reader = await home.start();
    await reader.call("subscribe", {
      name: "d",
      channels: "a",
      durable: "d",
      paused: true,
    });
    await other.publishMany(
      numbers(0, 20).map((payload) => ({ channel: "a", payload, ...MONTH })),
    );
    // The reader has the rest of the page, undelivered.
    assert.equal((await reader.call<Message>("next", "d")).payload, 0);
    await stop(reader.pid);
    const taken = other.subscribe("a", { durable: "d" });
    await assert.rejects(taken.ready, DurableNameInUseError);
    if (LONG) {
      await sleep(32_000);
      clock.nowMs = Date.now();
    } else {
      // Long enough to notice the stop. The lease expires by the other's clock.
      await sleep(1_200);
      clock.nowMs = Date.now() + 31_000;
    }
    const taker = other.subscribe("a", { durable: "d" });
    const seen = await take(taker, 20);
    assert.deepEqual(payloadsOf(seen), numbers(0, 20));
    await taker.ack(seen[19]);
    resume(reader.pid);
    await assert.rejects(
      reader.call("next", "d"),
      refusedWith("LeaseLostError"),
    );
  },
});

Deno.test({
  name: `a stopped session gets every message when it continues${unlessLinux}`,
  ignore: !LINUX,
  async fn() {
    await using home = new Home();
    const bus = await home.open();
    const sleeper = await home.start({ session: "sleeper" });
    const path = `${home.root}/a`;
    await sleeper.call("subscribe", { name: "all", channels: "a" });
    await sleeper.call("subscribe", {
      name: "d",
      channels: "a",
      durable: "d",
      ack: true,
    });
    await sleeper.call("acquire", { name: "l", path, ...EXCLUSIVE });
    await stop(sleeper.pid);
    const count = LONG ? 1_200 : 120;
    for (let i = 0; i < count; i++) {
      await bus.publish("a", i, MONTH);
      // Two minutes in the long form.
      await sleep(LONG ? 100 : 5);
    }
    assert.equal(await bus.locks.tryAcquire(path), undefined);
    resume(sleeper.pid);
    for (const name of ["all", "d"]) {
      const seen = await sleeper.wait<Message>(name, count);
      assert.deepEqual(payloadsOf(seen), numbers(0, count), name);
    }
    await sleeper.call("release", "l");
  },
});

// In a separate pid namespace, a test can set the next pid.
const canChoosePids = NAMESPACES &&
  works(
    "unshare",
    "--pid",
    "--fork",
    "--mount-proc",
    "sh",
    "-c",
    "echo 4000 > /proc/sys/kernel/ns_last_pid",
  );

Deno.test({
  name: `who is given the pid of a dead holder holds nothing${
    canChoosePids ? "" : " (ignored: needs unshare and root)"
  }`,
  ignore: !canChoosePids,
  async fn() {
    await using home = new Home();
    const script = new URL("./peers/time_pid_reuse.ts", import.meta.url);
    const told = await run("unshare", [
      "--pid",
      "--fork",
      "--kill-child",
      "--mount-proc",
      Deno.execPath(),
      "run",
      "--quiet",
      "--allow-all",
      script.pathname,
      home.path,
    ]);
    const { first, second, refused, holds, claimed } = JSON.parse(told);
    assert.equal(second, first, "the pid was not given again");
    assert.equal(refused, false);
    assert.deepEqual(holds, ["second"]);
    assert.equal(claimed, "second");
  },
});

/** Moments with an unusual length of day, or an unusual end of a day. */
const MOMENTS = [
  // Clocks go forward and back in Berlin.
  "2026-03-29T00:59:58Z",
  "2026-10-25T00:59:58Z",
  // And in New York.
  "2026-03-08T06:59:58Z",
  "2026-11-01T05:59:58Z",
  // Leap days begin and end; 2100 has none.
  "2028-02-28T23:59:58Z",
  "2028-02-29T23:59:58Z",
  "2100-02-28T23:59:58Z",
  // Before a leap second and the end of a year.
  "2016-12-31T23:59:58Z",
  // Before the overflow of seconds in 32 bits.
  "2038-01-19T03:14:06Z",
] as const;
const ZONES = ["UTC", "Europe/Berlin", "America/New_York"] as const;

Deno.test({
  name:
    `a TTL keeps its length across daylight saving and leap days${unlessClocks}`,
  ignore: !canSetClocks || !hasProgram("sqlite3"),
  async fn() {
    for (const moment of MOMENTS) {
      await using home = new Home();
      const clock = new SetClock(`${home.root}/time`);
      const at = moment.replace("T", " ").replace("Z", "");
      clock.set(`@${at}`);
      // libfaketime reads times in the zone of its process, so other zones get
      // an offset.
      const offset = Math.round((Date.parse(moment) - Date.now()) / 1000);
      const zoned = new SetClock(`${home.root}/offset`);
      zoned.set(offset < 0 ? `${offset}` : `+${offset}`);
      for (const TZ of ZONES) {
        const env = { ...zoned.env, TZ };
        const peer = await home.start({}, { env });
        const { id } = await peer.call<{ id: string }[]>("publishMany", [
          { channel: "a", payload: TZ, ttlSeconds: 86_400 },
        ]).then(([published]) => published);
        await new Deno.Command("sqlite3", {
          args: [
            "-cmd",
            ".timeout 5000",
            home.database,
            `INSERT INTO inter_session_messages
               (sender_id, channel, payload, ttl_seconds)
             VALUES ('foreign', 'a', '"foreign"', 86400)`,
          ],
          env,
        }).output();
        const messages = await peer.call<Message[]>("poll", {
          channels: ["a"],
          after: String(Number(id) - 1),
        });
        assert.equal(messages.length, 2, `${moment} ${TZ}`);
        for (const { createdAt, expiresAt, sender } of messages) {
          const since = Date.parse(createdAt) - Date.parse(moment);
          assert.ok(
            since >= -2_000 && since < 60_000,
            `${sender} ${createdAt}`,
          );
          const lastsMs = Date.parse(expiresAt) - Date.parse(createdAt);
          assert.equal(lastsMs, 86_400_000, `${sender} ${moment} ${TZ}`);
        }
        await peer.end();
      }
    }
  },
});

/** Defects that let a stopped holder act on a lost hold. */
const DEFECTS: Record<string, [Defect, (script: string) => Promise<void>]> = {
  "a late holder of a lock can release it": [{
    file: "lib/rules/lock_table.ts",
    text: "throw new NotHeldError(act, held.path, held.token);",
    by: `yield [{ kind: "holds", path: held.path }];
    return [...this.#records.holds.values()].at(-1)!;`,
  }, lockOfStopped],
  "a late holder of a claim can complete it": [{
    file: "lib/rules/tasks.ts",
    text: `record !== undefined && record.task.status === "claimed" &&
    record.task.token === token && record.task.session === session &&
    !isOverdue(record.task, at)`,
    by: "record !== undefined",
  }, claimOfStopped],
};

for (const [defect, [change, scenario]] of Object.entries(DEFECTS)) {
  Deno.test({
    name: `a stopped holder finds that ${defect}${unlessLinux}`,
    ignore: !LINUX,
    fn: () =>
      withDefects([change], async (library) => {
        const { pathname } = new URL("tests/peers/bus_peer.ts", library);
        await assert.rejects(scenario(pathname), assert.AssertionError);
      }),
  });
}
