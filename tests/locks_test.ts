import assert from "node:assert/strict";
import {
  type Hold,
  InvalidInputError,
  LimitError,
  LockHeldError,
  type LockType,
  type MessageBus,
  NotHeldError,
} from "../mod.ts";
import { lockTarget } from "../lib/path/lock_target.ts";
import { openOperations } from "../lib/store/open.ts";
import { resolveOptions } from "../lib/bus/options.ts";
import { Clock, Home, numbers, within } from "./fixture.ts";

const EXCLUSIVE = { type: "exclusive" } as const;

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

Deno.test("advisory locks do not conflict, and an exclusive lock blocks every other", async () => {
  const types: LockType[] = ["advisory", "exclusive"];
  for (const held of types) {
    for (const asked of types) {
      await using home = new Home();
      const [ann, bob, path] = await two(home);
      await ann.locks.acquire(path, { type: held });
      const both = held === "advisory" && asked === "advisory";
      const got = await bob.locks.tryAcquire(path, { type: asked });
      assert.equal(got !== undefined, both, `${asked} over ${held}`);
      const holders = (await bob.locks.holders(path)).map((h) => h.session);
      assert.deepEqual(holders, both ? ["ann", "bob"] : ["ann"]);
    }
  }
});

Deno.test("a session's own locks never conflict", async () => {
  await using home = new Home();
  const [ann, , path] = await two(home);
  await ann.locks.acquire(path, EXCLUSIVE);
  await ann.locks.acquire(`${home.root}/`, EXCLUSIVE);
  await ann.locks.acquire(path, { ...EXCLUSIVE, agent: "helper" });
  assert.equal((await ann.locks.list()).length, 3);
});

Deno.test("LockHeldError has the holder, its task, reason and expiry", async () => {
  await using home = new Home();
  const clock = new Clock();
  const [ann, bob, path] = [
    await home.open({ session: "ann", task: "T-1", now: clock.now }),
    await home.open({ session: "bob", now: clock.now }),
    `${home.root}/a.ts`,
  ];
  const since = new Date(clock.nowMs).toISOString();
  await ann.locks.acquire(path, { ...EXCLUSIVE, leaseMs: 60_000, why: "mend" });
  await assert.rejects(() => bob.locks.acquire(path), (error) => {
    assert.ok(error instanceof LockHeldError);
    const [{ process, ...blocker }] = error.blockers;
    assert.equal(process?.pid, Deno.pid);
    assert.deepEqual(blocker, {
      session: "ann",
      name: "ann",
      state: "holds",
      path,
      type: "exclusive",
      vendor: "script",
      task: "T-1",
      why: "mend",
      since,
      expiresAt: new Date(clock.nowMs + 60_000).toISOString(),
      overdue: false,
    });
    for (const part of ["ann", "T-1", "mend", "exclusively", path]) {
      assert.ok(error.message.includes(part), part);
    }
    return true;
  });
});

Deno.test("a hold is released as often as it was acquired", async () => {
  await using home = new Home();
  const [ann, bob, path] = await two(home);
  const outer = await ann.locks.acquire(path, EXCLUSIVE);
  const inner = await ann.locks.acquire(path, EXCLUSIVE);
  assert.equal(inner.token, outer.token);
  assert.equal(inner.hold.count, 2);
  await inner.release();
  await inner.release();
  assert.equal(await bob.locks.tryAcquire(path), undefined);
  await outer.release();
  await (await bob.locks.acquire(path, EXCLUSIVE)).release();
});

Deno.test("agents of a session hold and release on their own", async () => {
  await using home = new Home();
  const [ann, , path] = await two(home);
  const one = await ann.locks.acquire(path, { agent: "one" });
  const two_ = await ann.locks.acquire(path, { agent: "two" });
  assert.notEqual(one.token, two_.token);
  await ann.locks.release(path, { agent: "one" });
  assert.deepEqual((await ann.locks.list()).map((h) => h.agent), ["two"]);
  await assert.rejects(() => one.release(), NotHeldError);
});

Deno.test("release() by path ends a hold of any count", async () => {
  await using home = new Home();
  const [ann, bob, path] = await two(home);
  await ann.locks.acquire(path, EXCLUSIVE);
  await ann.locks.acquire(path, EXCLUSIVE);
  await assert.rejects(() => bob.locks.release(path), NotHeldError);
  await ann.locks.release(path);
  assert.deepEqual(await ann.locks.list(), []);
  await assert.rejects(() => ann.locks.release(path), NotHeldError);
});

Deno.test("tokens only grow, and old tokens are refused everywhere", async () => {
  await using home = new Home();
  const [ann, bob, path] = await two(home);
  let last = 0;
  for (let round = 0; round < 5; round++) {
    const bus = round % 2 === 0 ? ann : bob;
    const lock = await bus.locks.acquire(path, EXCLUSIVE);
    assert.ok(lock.token > last);
    last = lock.token;
    await bus.locks.release(path);
    await assert.rejects(() => lock.renew(), NotHeldError);
    await assert.rejects(() => bus.locks.upgrade(lock), NotHeldError);
    await assert.rejects(() => lock.release(), (error) => {
      assert.ok(error instanceof NotHeldError);
      assert.equal(error.token, lock.token);
      return true;
    });
    assert.deepEqual(await bus.locks.list(), []);
  }
});

Deno.test("another session's lock cannot be renewed, upgraded or released", async () => {
  await using home = new Home();
  const [ann, bob, path] = await two(home);
  const lock = await ann.locks.acquire(path);
  await assert.rejects(() => bob.locks.upgrade(lock), NotHeldError);
  assert.deepEqual(await ann.locks.list(), [lock.hold]);
});

Deno.test("renew() extends a lock from now", async () => {
  await using home = new Home();
  const clock = new Clock();
  const ann = await home.open({ now: clock.now });
  const lock = await ann.locks.acquire(`${home.root}/a`, { leaseMs: 1_000 });
  clock.advance(900);
  await lock.renew(5_000);
  const at = new Date(clock.nowMs + 5_000).toISOString();
  assert.equal(lock.hold.expiresAt, at);
  assert.equal((await ann.locks.list())[0].expiresAt, at);
});

Deno.test("upgrade() keeps the hold, its token and its count", async () => {
  await using home = new Home();
  const [ann, bob, path] = await two(home);
  const lock = await ann.locks.acquire(path, { agent: "a" });
  const upgraded = await ann.locks.upgrade(lock);
  assert.equal(upgraded.token, lock.token);
  assert.equal(upgraded.hold.type, "exclusive");
  assert.equal(upgraded.hold.count, 1);
  assert.equal(await bob.locks.tryAcquire(path), undefined);
  await upgraded.release();
  assert.deepEqual(await bob.locks.list(), []);
});

Deno.test("a refused upgrade leaves the advisory lock", async () => {
  await using home = new Home();
  const [ann, bob, path] = await two(home);
  const lock = await ann.locks.acquire(path);
  await bob.locks.acquire(path);
  await assert.rejects(() => ann.locks.upgrade(lock), LockHeldError);
  const [hold] = await ann.locks.list();
  assert.deepEqual(hold, lock.hold);
});

Deno.test("upgrade() of a glob keeps its path set", async () => {
  await using home = new Home();
  const ann = await home.open();
  Deno.mkdirSync(`${home.root}/[id]`);
  const lock = await ann.locks.acquire(`${home.root}/\\[id\\]/*.ts`);
  const upgraded = await ann.locks.upgrade(lock);
  assert.equal(upgraded.token, lock.token);
  assert.equal((await ann.locks.list()).length, 1);
});

Deno.test("await using releases a lock", async () => {
  await using home = new Home();
  const [ann, bob, path] = await two(home);
  {
    await using _lock = await ann.locks.acquire(path, EXCLUSIVE);
    assert.equal(await bob.locks.tryAcquire(path), undefined);
  }
  await using lost = await bob.locks.acquire(path, EXCLUSIVE);
  await bob.locks.release(path);
  assert.equal(lost.path, path);
});

Deno.test("a failed release can be retried", async () => {
  await using home = new Home();
  const ann = await home.open({ busyTimeoutMs: 0 });
  const lock = await ann.locks.acquire(`${home.root}/a`);
  const other = home.foreign();
  other.exec("BEGIN IMMEDIATE");
  await assert.rejects(() => lock.release(), { name: "BusyError" });
  other.exec("COMMIT");
  await lock.release();
  assert.deepEqual(await ann.locks.list(), []);
});

Deno.test("watch() yields each change by push", async () => {
  await using home = new Home();
  const [ann, , path] = await two(home);
  const watcher = await home.start({ pollIntervalMs: 60_000 });
  await watcher.call("watchLocks", "w");
  await watcher.wait("w", 1);
  const lock = await ann.locks.acquire(path);
  const [, held] = await within("held", watcher.wait<Hold[]>("w", 2));
  assert.deepEqual(held, [lock.hold]);
  await lock.release();
  const [, , none] = await within("free", watcher.wait<Hold[]>("w", 3));
  assert.deepEqual(none, []);
});

Deno.test("a session has at most locksMax locks", async () => {
  await using home = new Home();
  const ann = await home.open({ session: "ann", locksMax: 3 });
  const path = (i: number) => `${home.root}/${i}`;
  const locks = [];
  for (const i of numbers(0, 3)) locks.push(await ann.locks.acquire(path(i)));
  await assert.rejects(() => ann.locks.acquire(path(3)), (error) => {
    assert.ok(error instanceof LimitError);
    assert.equal(error.kind, "state");
    assert.equal(error.max, 3);
    return true;
  });
  // A repeated acquire does not count.
  await ann.locks.acquire(path(0));
  assert.equal((await ann.locks.list()).length, 3);
  await locks[1].release();
  await ann.locks.acquire(path(3));
  await assert.rejects(() => home.open({ locksMax: 0 }), InvalidInputError);
});

Deno.test("the limit counts locks of all processes of a session", async () => {
  await using home = new Home();
  const ann = await home.open({ session: "ann", locksMax: 4 });
  await ann.sessions.register();
  await using store = await openOperations(
    resolveOptions({ home: home.path, notify: "poll", locksMax: 4 }),
  );
  // Another process of the same session, such as a command.
  const other = async (i: number) => {
    const outcome = await store.acquireLock({
      session: "ann",
      agent: "",
      target: lockTarget(`${home.root}/${i}`, "/"),
      type: "advisory",
      leaseMs: 60_000,
      takeOver: false,
      wait: false,
      actingFor: [],
    });
    assert.equal(outcome.state, "held");
    return outcome.hold;
  };
  const path = (i: number) => `${home.root}/${i}`;
  const locks = [];
  for (const i of [0, 2]) {
    locks.push(await ann.locks.acquire(path(i)));
    await other(i + 1);
  }
  await assert.rejects(() => ann.locks.acquire(path(4)), LimitError);
  await assert.rejects(() => other(5), LimitError);
  // A lock that one releases, the other may acquire.
  await locks[0].release();
  const hold = await other(6);
  await assert.rejects(() => ann.locks.acquire(path(7)), LimitError);
  await store.releaseLock(hold);
  for (const round of numbers(0, 5)) {
    const lock = await ann.locks.acquire(path(8));
    await assert.rejects(() => other(9), LimitError, `round ${round}`);
    await lock.release();
  }
  assert.equal((await ann.locks.list()).length, 3);
});

Deno.test("a session has at most a thousand locks by default", async () => {
  await using home = new Home();
  const ann = await home.open();
  await ann.sessions.register();
  const insert = home.foreign().prepare(
    `INSERT INTO file_locks(file_path, session_id, expires_at)
     VALUES (?, ?, ${Date.now() + 600_000})`,
  );
  for (const i of numbers(0, 999)) insert.run(`/nowhere/${i}`, ann.session);
  await ann.locks.acquire("/nowhere/a");
  await assert.rejects(() => ann.locks.acquire("/nowhere/b"), LimitError);
});

Deno.test("a read-only bus lists locks and changes nothing", async () => {
  await using home = new Home();
  const clock = new Clock();
  const ann = await home.open({ now: clock.now });
  await ann.locks.acquire(`${home.root}/a`, { leaseMs: 1_000 });
  await ann.tasks.post({ id: "T", title: "t" });
  await ann.tasks.claim("T", { leaseMs: 1_000 });
  const dead = await home.start({ session: "dead" });
  await dead.call("acquire", { name: "l", path: `${home.root}/b` });
  await dead.kill();
  home.foreign().exec(
    `INSERT INTO file_locks(file_path, session_id) VALUES ('/c', 'foreign')`,
  );
  clock.advance(2_000);
  const reader = await home.open({ readOnly: true, now: clock.now });
  const paths = async (bus: MessageBus) =>
    (await bus.locks.list()).map(({ path }) => path);
  assert.deepEqual(await paths(reader), [`${home.root}/a`, "/c"]);
  assert.equal((await reader.tasks.list()).length, 1);
  const count = home.foreign().prepare("SELECT count(*) AS n FROM file_locks");
  assert.equal(count.get()!.n, 3);
});

Deno.test("acquire() rejects invalid options before anything is written", async () => {
  await using home = new Home();
  const ann = await home.open();
  const path = `${home.root}/a`;
  const wrong = [
    { leaseMs: 0 },
    { leaseMs: -1 },
    { leaseMs: NaN },
    { leaseMs: 25 * 60 * 60 * 1000 },
    { waitMs: -1 },
    { waitMs: NaN },
    { type: "shared" as LockType },
  ];
  for (const options of wrong) {
    await assert.rejects(
      () => ann.locks.acquire(path, options),
      InvalidInputError,
      JSON.stringify(options),
    );
  }
  assert.deepEqual(await ann.sessions.list(), []);
});
