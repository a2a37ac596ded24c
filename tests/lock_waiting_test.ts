import assert from "node:assert/strict";
import {
  type Blocker,
  ClosedError,
  type Hold,
  LockHeldError,
  type MessageBus,
  SessionEndedError,
} from "../mod.ts";
import { Home, numbers, until, within } from "./fixture.ts";
import type { Peer } from "./peer.ts";

// Long enough that no event of a test comes from polling.
const NO_POLL = { pollIntervalMs: 60_000 };
const EXCLUSIVE = { type: "exclusive" } as const;
const LONG = { waitMs: 60_000 };

// Longer than a test, so that only a push ends a wait.
const PUSHED_MS = 5_000;

/** Makes a peer wait for a path; resolves once it is queued. */
async function queue(
  peer: Peer,
  name: string,
  path: string,
  type: string,
): Promise<{ readonly got: Promise<Hold> }> {
  const got = peer.call<Hold>("acquire", { name, path, type, ...LONG });
  got.catch(() => {});
  await within(`${name} to wait`, peer.wait(`${name}.waits`, 1));
  return { got };
}

/** Returns the bell file of a process. */
function bellOf(home: Home, pid: number): string {
  const row = home.foreign().prepare("SELECT bell FROM bells WHERE pid = ?")
    .get(pid);
  return `${home.path}/bells/${row!.bell}`;
}

const waitersIn = (home: Home) =>
  home.foreign().prepare("SELECT count(*) AS n FROM lock_waiters").get()!.n;

Deno.test("repeated waits share one watch, which ends soon after", async () => {
  await using home = new Home();
  const ann = await home.open({ ...NO_POLL, session: "ann" });
  const bob = await home.open({ ...NO_POLL, session: "bob" });
  const path = `${home.root}/a`;
  const bells = () =>
    [...Deno.readDirSync(`${home.path}/bells`)].map(({ name }) => name);
  const rungBy = new Set<string>();
  for (let turn = 0; turn < 5; turn++) {
    const lock = await ann.locks.acquire(path, EXCLUSIVE);
    const waiting = Promise.withResolvers<void>();
    const onWait = () => waiting.resolve();
    const got = bob.locks.acquire(path, { ...EXCLUSIVE, ...LONG, onWait });
    await within("bob to wait", waiting.promise);
    bells().forEach((bell) => rungBy.add(bell));
    await lock.release();
    await (await within("the lock", got, PUSHED_MS)).release();
  }
  assert.equal(rungBy.size, 1);
  await until("nobody to watch", () => bells().length === 0);
});

Deno.test("a waiter gets a released lock by push, after its blockers", async () => {
  await using home = new Home();
  const ann = await home.open({ ...NO_POLL, session: "ann" });
  const bob = await home.start({ ...NO_POLL, session: "bob" });
  const path = `${home.root}/a`;
  const lock = await ann.locks.acquire(path, { ...EXCLUSIVE, why: "mend" });
  const got = bob.call<Hold>("acquire", { name: "l", path, ...LONG });
  const [[blocker]] = await bob.wait<Blocker[]>("l.waits", 1);
  assert.equal(blocker.session, "ann");
  assert.equal(blocker.why, "mend");
  await lock.release();
  const hold = await within("the lock", got, PUSHED_MS);
  assert.ok(hold.token > lock.token);
  assert.equal(hold.session, "bob");
  assert.deepEqual(await ann.locks.waiters(path), []);
  await bob.call("release", "l");
  assert.equal(waitersIn(home), 0);
});

Deno.test("a lock that is granted and released at once leaves no waiter behind", async () => {
  await using home = new Home();
  const ann = await home.open({ ...NO_POLL, session: "ann" });
  const bob = await home.open({ ...NO_POLL, session: "bob" });
  const path = `${home.root}/a`;
  const lock = await ann.locks.acquire(path, EXCLUSIVE);
  const waiting = Promise.withResolvers<void>();
  const onWait = () => waiting.resolve();
  const got = bob.locks.acquire(path, { ...EXCLUSIVE, ...LONG, onWait });
  await within("bob to wait", waiting.promise);
  assert.equal(waitersIn(home), 1);
  await lock.release();
  const granted = await within("the lock", got, PUSHED_MS);
  await granted.release();
  assert.equal(waitersIn(home), 0);
});

Deno.test("waiters of any type are served first come, first served", async () => {
  await using home = new Home();
  const ann = await home.open({ ...NO_POLL, session: "ann" });
  const path = `${home.root}/a`;
  const lock = await ann.locks.acquire(path, EXCLUSIVE);
  const peers = await Promise.all(
    numbers(0, 5).map((i) => home.start({ ...NO_POLL, session: `p${i}` })),
  );
  const types = ["advisory", "advisory", "exclusive", "advisory", "exclusive"];
  const got: Promise<Hold>[] = [];
  for (const i of numbers(0, 5)) {
    got.push((await queue(peers[i], "l", path, types[i])).got);
  }
  const holders = async () =>
    (await ann.locks.list()).map(({ session }) => session);
  await lock.release();
  await within("the first two", Promise.all([got[0], got[1]]), PUSHED_MS);
  assert.deepEqual(await holders(), ["p0", "p1"]);
  await peers[0].call("release", "l");
  assert.deepEqual(await holders(), ["p1"]);
  await peers[1].call("release", "l");
  await within("the third", got[2], PUSHED_MS);
  assert.deepEqual(await holders(), ["p2"]);
  await peers[2].call("release", "l");
  await within("the fourth", got[3], PUSHED_MS);
  assert.deepEqual(await holders(), ["p3"]);
  await peers[3].call("release", "l");
  await within("the fifth", got[4], PUSHED_MS);
  assert.deepEqual(await holders(), ["p4"]);
});

Deno.test("onWait gets changed blockers", async () => {
  await using home = new Home();
  const ann = await home.open({ ...NO_POLL, session: "ann" });
  const path = `${home.root}/a`;
  const lock = await ann.locks.acquire(path, EXCLUSIVE);
  const [bob, eve] = await Promise.all(
    ["bob", "eve"].map((session) => home.start({ ...NO_POLL, session })),
  );
  const first = await queue(bob, "l", path, "exclusive");
  await queue(eve, "l", path, "exclusive");
  const whom = (blockers: Blocker[]) =>
    blockers.map(({ session, state }) => `${session} ${state}`);
  const [before] = eve.seen<Blocker[]>("l.waits");
  assert.deepEqual(whom(before), ["ann holds", "bob waits"]);
  await lock.release();
  await within("the first", first.got, PUSHED_MS);
  const [, after] = await within(
    "to be told",
    eve.wait<Blocker[]>("l.waits", 2),
    PUSHED_MS,
  );
  assert.deepEqual(whom(after), ["bob holds"]);
});

Deno.test("a release wakes only waiters that get a lock", async () => {
  await using home = new Home();
  const ann = await home.open({ ...NO_POLL, session: "ann" });
  const path = `${home.root}/a`;
  const lock = await ann.locks.acquire(path, EXCLUSIVE);
  const [bob, eve] = await Promise.all(
    ["bob", "eve"].map((session) => home.start({ ...NO_POLL, session })),
  );
  const first = await queue(bob, "l", path, "exclusive");
  await queue(eve, "l", path, "exclusive");
  const bell = bellOf(home, eve.pid);
  const rungAt = () => Deno.statSync(bell).mtime!.getTime();
  const before = rungAt();
  await lock.release();
  await within("the first", first.got, PUSHED_MS);
  assert.equal(rungAt(), before);
});

Deno.test("a lock that another program deletes is granted to its waiter", async () => {
  await using home = new Home();
  const ann = await home.open({ session: "ann" });
  const path = `${home.root}/a`;
  await ann.locks.acquire(path, EXCLUSIVE);
  const bob = await home.start({ ...NO_POLL, session: "bob" });
  const { got } = await queue(bob, "l", path, "exclusive");
  home.foreign().exec("DELETE FROM file_locks");
  await within("the lock", got, PUSHED_MS);
});

Deno.test("a later request queues behind a waiter", async () => {
  await using home = new Home();
  const [ann, bob, eve] = await Promise.all(
    ["ann", "bob", "eve"].map((session) => home.open({ session })),
  );
  const path = `${home.root}/a`;
  const lock = await ann.locks.acquire(path);
  const waits = Promise.withResolvers<void>();
  const got = bob.locks.acquire(path, {
    ...EXCLUSIVE,
    ...LONG,
    onWait: () => waits.resolve(),
  });
  await waits.promise;
  // Only an advisory lock is held, but bob waits before.
  await assert.rejects(() => eve.locks.acquire(path), (error) => {
    assert.ok(error instanceof LockHeldError);
    assert.deepEqual(
      error.blockers.map(({ session, state }) => [session, state]),
      [["bob", "waits"]],
    );
    return true;
  });
  const waiters = await eve.locks.waiters(path);
  assert.deepEqual(waiters.map(({ session }) => session), ["bob"]);
  await lock.release();
  assert.equal((await got).hold.session, "bob");
});

Deno.test("a holder acquires its lock again past waiters", async () => {
  await using home = new Home();
  const ann = await home.open({ session: "ann" });
  const bob = await home.open({ session: "bob" });
  const path = `${home.root}/d/a`;
  Deno.mkdirSync(`${home.root}/d`);
  const lock = await ann.locks.acquire(`${home.root}/d`, EXCLUSIVE);
  const waits = Promise.withResolvers<void>();
  const got = bob.locks.acquire(`${home.root}/d`, {
    ...EXCLUSIVE,
    ...LONG,
    onWait: () => waits.resolve(),
  });
  await waits.promise;
  const again = await ann.locks.acquire(`${home.root}/d`, EXCLUSIVE);
  assert.equal(again.token, lock.token);
  const inside = await ann.locks.acquire(path, EXCLUSIVE);
  for (const each of [inside, again, lock]) await each.release();
  assert.equal((await got).hold.session, "bob");
});

Deno.test("release and grant are one transaction: both happen or neither", async () => {
  await using home = new Home();
  const ann = await home.open({ session: "ann" });
  const bob = await home.open({ session: "bob" });
  const path = `${home.root}/a`;
  const lock = await ann.locks.acquire(path, EXCLUSIVE);
  const waits = Promise.withResolvers<void>();
  const got = bob.locks.acquire(path, {
    ...EXCLUSIVE,
    ...LONG,
    onWait: () => waits.resolve(),
  });
  await waits.promise;
  const holders = async () =>
    (await ann.locks.list()).map(({ session }) => session);
  // The grant to bob fails, so ann's release fails too.
  const database = home.foreign();
  database.exec(`CREATE TRIGGER no_grant BEFORE INSERT ON file_locks
    BEGIN SELECT RAISE(ABORT, 'no grant'); END`);
  await assert.rejects(() => lock.release(), /no grant/);
  assert.deepEqual(await holders(), ["ann"]);
  database.exec("DROP TRIGGER no_grant");
  await lock.release();
  assert.deepEqual(await holders(), ["bob"]);
  await got;
});

Deno.test("a killed waiter is skipped", async () => {
  await using home = new Home();
  const ann = await home.open({ ...NO_POLL, session: "ann" });
  const path = `${home.root}/a`;
  const lock = await ann.locks.acquire(path, EXCLUSIVE);
  const doomed = await home.start({ ...NO_POLL, session: "doomed" });
  const next = await home.start({ ...NO_POLL, session: "next" });
  await queue(doomed, "l", path, "exclusive");
  const { got } = await queue(next, "l", path, "exclusive");
  await doomed.kill();
  await lock.release();
  await within("the lock", got, PUSHED_MS);
  assert.deepEqual(
    (await ann.locks.list()).map(({ session }) => session),
    ["next"],
  );
});

Deno.test("a killed holder's lock passes to the waiter without a bell", async () => {
  await using home = new Home();
  const holder = await home.start({ ...NO_POLL, session: "holder" });
  const waiter = await home.start({ ...NO_POLL, session: "waiter" });
  const path = `${home.root}/a`;
  await holder.call("acquire", { name: "l", path, ...EXCLUSIVE });
  const got = waiter.call<Hold>("acquire", {
    name: "l",
    path,
    ...EXCLUSIVE,
    ...LONG,
  });
  await waiter.wait("l.waits", 1);
  await holder.kill();
  assert.equal((await within("the lock", got, PUSHED_MS)).session, "waiter");
});

Deno.test("a lock granted to a process that dies first is released", async () => {
  await using home = new Home();
  const ann = await home.open({ ...NO_POLL, session: "ann" });
  const path = `${home.root}/a`;
  const lock = await ann.locks.acquire(path, EXCLUSIVE);
  // Like a command, whose session is another process that lives on.
  const command = await home.start({
    ...NO_POLL,
    session: "shell",
    pid: Deno.pid,
  });
  const next = await home.start({ ...NO_POLL, session: "next" });
  await queue(command, "l", path, "exclusive");
  const { got } = await queue(next, "l", path, "exclusive");
  command.signal("SIGSTOP");
  await lock.release();
  assert.deepEqual(
    (await ann.locks.list()).map(({ session }) => session),
    ["shell"],
  );
  await command.kill();
  await within("the lock", got, PUSHED_MS);
});

Deno.test("an aborted wait and a timed out wait leave the queue", async () => {
  await using home = new Home();
  const ann = await home.open({ session: "ann" });
  const bob = await home.open({ session: "bob" });
  const path = `${home.root}/a`;
  const lock = await ann.locks.acquire(path, EXCLUSIVE);
  await assert.rejects(
    () => bob.locks.acquire(path, { waitMs: 1 }),
    (error) => error instanceof LockHeldError && error.waitedMs >= 1,
  );
  const abort = new AbortController();
  const reason = new Error("given up");
  await assert.rejects(
    () =>
      bob.locks.acquire(path, {
        ...LONG,
        signal: abort.signal,
        onWait: () => abort.abort(reason),
      }),
    (error) => error === reason,
  );
  await assert.rejects(
    () => bob.locks.acquire(path, { signal: AbortSignal.abort(reason) }),
    (error) => error === reason,
  );
  assert.equal(waitersIn(home), 0);
  await lock.release();
  assert.deepEqual(await ann.locks.list(), []);
});

Deno.test("a wait rejects when its bus closes or its session ends", async () => {
  await using home = new Home();
  const ann = await home.open({ session: "ann" });
  const path = `${home.root}/a`;
  await ann.locks.acquire(path, EXCLUSIVE);
  const waitOf = async (bus: MessageBus): Promise<Promise<unknown>[]> => {
    const waits = Promise.withResolvers<void>();
    const got = bus.locks.acquire(path, {
      ...LONG,
      onWait: () => waits.resolve(),
    });
    got.catch(() => {});
    await waits.promise;
    return [got];
  };
  const bob = await home.open({ session: "bob" });
  const [closed] = await waitOf(bob);
  await bob.close();
  await assert.rejects(within("the end", closed, PUSHED_MS), ClosedError);
  const eve = await home.open({ ...NO_POLL, session: "eve" });
  const [ended] = await waitOf(eve);
  await ann.sessions.end("eve");
  await assert.rejects(within("the end", ended, PUSHED_MS), SessionEndedError);
  assert.equal(waitersIn(home), 0);
});

Deno.test("processes that compete for a file hold it one at a time, despite SIGKILLs", async () => {
  await using home = new Home();
  const bus = await home.open();
  const path = `${home.root}/a`;
  const journal = `${home.root}/journal`;
  const start = (i: number) => home.start({ session: `p${i}` });
  const peers = await Promise.all(numbers(0, 6).map(start));
  const lines = () => {
    try {
      return Deno.readTextFileSync(journal).split("\n").filter((l) => l !== "");
    } catch {
      return [];
    }
  };
  const rounds = peers.map((peer) =>
    peer.call("lockRounds", { path, rounds: 40, journal })
  );
  rounds.forEach((each) => each.catch(() => {}));
  for (const victim of peers.slice(0, 3)) {
    const before = lines().length;
    await until("progress", () => lines().length > before + 10);
    await victim.kill();
  }
  await within("the living", Promise.all(rounds.slice(3)));
  let holder = "";
  let last = 0;
  let held = 0;
  for (const line of lines()) {
    const [act, session, token] = line.split(" ");
    if (act === "+") {
      held++;
      // Each earlier holder either released it or was killed.
      assert.ok(holder === "" || /^p[012]$/.test(holder), line);
      assert.ok(Number(token) > last, line);
      [holder, last] = [session, Number(token)];
    } else {
      assert.equal(holder, session);
      assert.equal(Number(token), last);
      holder = "";
    }
  }
  assert.ok(held >= 120, `${held} rounds`);
  assert.deepEqual(await bus.locks.list({ allProjects: true }), []);
});
