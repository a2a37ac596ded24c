import assert from "node:assert/strict";
import {
  type Claim,
  ClosedError,
  InvalidInputError,
  type Json,
  type MessageBus,
  type NewTask,
  NotHeldError,
  type Task,
  type TaskChanges,
  TaskStateError,
} from "../mod.ts";
import { Clock, Home, numbers, until, within } from "./fixture.ts";

/** Opens two sessions on one clock. */
async function two(home: Home): Promise<[MessageBus, MessageBus, Clock]> {
  const clock = new Clock();
  return [
    await home.open({ session: "ann", now: clock.now }),
    await home.open({ session: "bob", now: clock.now }),
    clock,
  ];
}

/** Returns announcements, as `task event by`. */
async function told(bus: MessageBus): Promise<string[]> {
  const { messages } = await bus.poll("task_broadcast", { limit: 1_000 });
  return messages.map(({ payload, sender }) => {
    const { task, event } = payload as Record<string, string>;
    return `${task} ${event} ${sender}`;
  });
}

/** Claims tasks until none can be claimed; returns their ids. */
async function claimAll(
  bus: MessageBus,
  options: Parameters<MessageBus["tasks"]["claimNext"]>[0] = {},
): Promise<string[]> {
  const ids: string[] = [];
  for (;;) {
    const claim = await bus.tasks.claimNext(options);
    if (claim === undefined) return ids;
    ids.push(claim.id);
  }
}

Deno.test("a task is posted with all fields, and keeps its result", async () => {
  await using home = new Home();
  const [ann, bob, clock] = await two(home);
  const at = new Date(clock.nowMs).toISOString();
  const posted = await ann.tasks.post({
    id: "T-1",
    title: "write it",
    kind: "code",
    payload: { file: "a.ts" },
    priority: 3,
  });
  const task: Task = {
    id: "T-1",
    title: "write it",
    kind: "code",
    payload: { file: "a.ts" },
    priority: 3,
    status: "open",
    dependsOn: [],
    waitsFor: 0,
    attempts: 0,
    postedBy: "ann",
    postedAt: at,
    changedAt: at,
  };
  assert.deepEqual(posted, task);
  clock.advance(1_000);
  const claim = await bob.tasks.claim("T-1", { agent: "sub", leaseMs: 5_000 });
  const claimedAt = new Date(clock.nowMs).toISOString();
  assert.deepEqual(claim, {
    ...task,
    status: "claimed",
    attempts: 1,
    changedAt: claimedAt,
    session: "bob",
    agent: "sub",
    token: claim.token,
    leaseExpiresAt: new Date(clock.nowMs + 5_000).toISOString(),
  });
  const done = await bob.tasks.complete(claim, { lines: 12 });
  const { token: _, leaseExpiresAt: __, ...rest } = claim;
  assert.deepEqual(done, { ...rest, status: "done", result: { lines: 12 } });
  assert.deepEqual(await ann.tasks.get("T-1"), done);
  assert.equal(await ann.tasks.get("T-2"), undefined);
});

Deno.test("claimNext() takes the highest priority, then the oldest", async () => {
  await using home = new Home();
  const [ann] = await two(home);
  const priorities = [0, 5, -1, 5, 0];
  for (const [i, priority] of priorities.entries()) {
    await ann.tasks.post({ id: `${i}`, title: "t", priority });
  }
  const order = ["1", "3", "0", "4", "2"];
  assert.deepEqual((await ann.tasks.list()).map(({ id }) => id), order);
  assert.deepEqual(await claimAll(ann), order);
});

Deno.test("a filter selects by kind and minimum priority", async () => {
  await using home = new Home();
  const [ann] = await two(home);
  for (const i of numbers(0, 6)) {
    const kind = i % 2 === 0 ? "code" : "test";
    await ann.tasks.post({ id: `${i}`, title: "t", kind, priority: i });
  }
  const filter = { kind: "code", priorityMin: 2 };
  const ids = (tasks: readonly Task[]) => tasks.map(({ id }) => id);
  assert.deepEqual(ids(await ann.tasks.list(filter)), ["4", "2"]);
  assert.deepEqual(await claimAll(ann, { filter }), ["4", "2"]);
  assert.deepEqual(ids(await ann.tasks.list({ status: "claimed" })), [
    "4",
    "2",
  ]);
  assert.deepEqual(await claimAll(ann), ["5", "3", "1", "0"]);
});

Deno.test("a chain of dependencies is claimed in its order", async () => {
  await using home = new Home();
  const [ann] = await two(home);
  await ann.tasks.post({ id: "a", title: "t" });
  await ann.tasks.post({ id: "b", title: "t", dependsOn: ["a", "a"] });
  const c = await ann.tasks.post({
    id: "c",
    title: "t",
    priority: 9,
    dependsOn: ["a", "b"],
  });
  assert.equal(c.waitsFor, 2);
  assert.deepEqual([...c.dependsOn].toSorted(), ["a", "b"]);
  for (const id of ["a", "b", "c"]) {
    for (
      const later of ["a", "b", "c"].slice(["a", "b", "c"].indexOf(id) + 1)
    ) {
      await assert.rejects(() => ann.tasks.claim(later), TaskStateError);
    }
    const claim = await ann.tasks.claimNext();
    assert.equal(claim?.id, id);
    assert.equal(await ann.tasks.claimNext(), undefined);
    await ann.tasks.complete(claim!);
  }
});

Deno.test("a dependent of a failed task waits, of a done task does not", async () => {
  await using home = new Home();
  const [ann] = await two(home);
  await ann.tasks.post({ id: "a", title: "t" });
  await ann.tasks.post({ id: "b", title: "t" });
  await ann.tasks.post({ id: "c", title: "t", dependsOn: ["a"] });
  const failed = await ann.tasks.fail(await ann.tasks.claim("a"), "no way");
  assert.equal(failed.status, "failed");
  assert.equal(failed.result, "no way");
  await ann.tasks.complete(await ann.tasks.claim("b"));
  const later = { id: "d", title: "t", dependsOn: ["b"] };
  assert.equal((await ann.tasks.post(later)).waitsFor, 0);
  assert.deepEqual(await claimAll(ann), ["d"]);
});

Deno.test("a claimed task cannot be claimed by another session", async () => {
  await using home = new Home();
  const [ann, bob] = await two(home);
  await ann.tasks.post({ id: "a", title: "t" });
  const claim = await ann.tasks.claim("a");
  for (const bus of [ann, bob]) {
    await assert.rejects(() => bus.tasks.claim("a"), (error) => {
      assert.ok(error instanceof TaskStateError);
      assert.equal(error.task, "a");
      assert.match(error.message, /ann has it since/);
      return true;
    });
    assert.equal(await bus.tasks.claimNext(), undefined);
  }
  await ann.tasks.complete(claim);
  await assert.rejects(() => bob.tasks.claim("a"), /it is done/);
  await assert.rejects(() => bob.tasks.claim("none"), TaskStateError);
});

Deno.test("renew() extends a claim, and an expired claim is lost", async () => {
  await using home = new Home();
  const [ann, bob, clock] = await two(home);
  await ann.tasks.post({ id: "a", title: "t" });
  let claim = await ann.tasks.claim("a", { leaseMs: 1_000 });
  clock.advance(900);
  claim = await ann.tasks.renew(claim, 1_000);
  clock.advance(900);
  assert.equal(await bob.tasks.claimNext(), undefined);
  clock.advance(100);
  await assert.rejects(() => ann.tasks.renew(claim), NotHeldError);
  await assert.rejects(() => ann.tasks.complete(claim), NotHeldError);
  const [open] = await bob.tasks.list();
  assert.equal(open.status, "open");
  assert.equal(open.attempts, 1);
  const second = await bob.tasks.claim("a");
  assert.equal(second.attempts, 2);
  assert.ok(second.token > claim.token);
  assert.deepEqual(await told(ann), [
    "a posted ann",
    "a claimed ann",
    "a returned ann",
    "a claimed bob",
  ]);
});

Deno.test("an old token is refused everywhere", async () => {
  await using home = new Home();
  const [ann, bob, clock] = await two(home);
  await ann.tasks.post({ id: "a", title: "t" });
  const old = await ann.tasks.claim("a", { leaseMs: 1_000 });
  clock.advance(1_000);
  const claim = await bob.tasks.claim("a");
  const acts: ((claim: Claim) => Promise<unknown>)[] = [
    (c) => ann.tasks.renew(c),
    (c) => ann.tasks.complete(c),
    (c) => ann.tasks.fail(c),
    (c) => ann.tasks.release(c),
  ];
  for (const act of acts) {
    await assert.rejects(() => act(old), NotHeldError);
    await assert.rejects(
      () => act({ ...claim, session: "ann" }),
      NotHeldError,
    );
  }
  assert.deepEqual(await bob.tasks.get("a"), claim);
  // The session's own old token is refused too.
  clock.advance(60 * 60 * 1000);
  const again = await ann.tasks.claim("a");
  for (const act of acts) await assert.rejects(() => act(old), NotHeldError);
  assert.deepEqual(await ann.tasks.get("a"), again);
});

Deno.test("a released task is open", async () => {
  await using home = new Home();
  const [ann, bob] = await two(home);
  await ann.tasks.post({ id: "a", title: "t" });
  const open = await ann.tasks.release(await ann.tasks.claim("a"));
  assert.equal(open.status, "open");
  assert.equal(open.session, undefined);
  assert.equal(open.token, undefined);
  assert.equal((await bob.tasks.claimNext())?.attempts, 2);
});

Deno.test("tasks of two projects are separate under the same ids", async () => {
  await using home = new Home();
  const [mine, yours] = [
    await home.open({ project: "/mine" }),
    await home.open({ project: "/yours" }),
  ];
  for (const bus of [mine, yours]) {
    await bus.tasks.post({ id: "a", title: "t" });
  }
  const claim = await mine.tasks.claim("a");
  assert.equal(claim.project, "/mine");
  assert.equal((await yours.tasks.get("a"))?.status, "open");
  await mine.tasks.post({ id: "b", title: "secret" });
  assert.equal((await yours.tasks.list()).length, 1);
  assert.equal((await yours.tasks.list({ allProjects: true })).length, 3);
  assert.deepEqual(await claimAll(yours), ["a"]);
  await assert.rejects(() => yours.tasks.claim("b"), TaskStateError);
  await assert.rejects(
    () => yours.tasks.post({ id: "c", title: "t", dependsOn: ["b"] }),
    InvalidInputError,
  );
  const heard = (await yours.poll("task_broadcast")).messages;
  assert.ok(!JSON.stringify(heard).includes("secret"));
});

Deno.test("a change and its announcement are stored together or not at all", async () => {
  await using home = new Home();
  const [ann] = await two(home);
  await ann.tasks.post({ id: "a", title: "t" });
  await ann.tasks.post({ id: "b", title: "t" });
  const claim = await ann.tasks.claim("a");
  await ann.tasks.release(claim);
  await ann.tasks.complete(await ann.tasks.claim("a"), { n: 1 });
  await ann.tasks.fail(await ann.tasks.claim("b"));
  assert.deepEqual(await told(ann), [
    "a posted ann",
    "b posted ann",
    "a claimed ann",
    "a released ann",
    "a claimed ann",
    "a completed ann",
    "b claimed ann",
    "b failed ann",
  ]);
  await ann.tasks.post({ id: "c", title: "t" });
  await ann.tasks.post({ id: "d", title: "t" });
  const held = await ann.tasks.claim("d");
  const database = home.foreign();
  database.exec(
    `CREATE TRIGGER mute BEFORE INSERT ON inter_session_messages
    BEGIN SELECT RAISE(ABORT, 'mute'); END`,
  );
  const before = await ann.tasks.list();
  for (
    const act of [
      () => ann.tasks.post({ id: "e", title: "t" }),
      () => ann.tasks.claim("c"),
      () => ann.tasks.claimNext(),
      () => ann.tasks.complete(held),
      () => ann.tasks.fail(held),
      () => ann.tasks.release(held),
    ]
  ) await assert.rejects(act, /mute/);
  assert.deepEqual(await ann.tasks.list(), before);
  database.exec("DROP TRIGGER mute");
});

Deno.test("watch() yields each change by push", async () => {
  await using home = new Home();
  const poster = await home.start();
  const bus = await home.open({ pollIntervalMs: 60_000 });
  const watch = bus.tasks.watch();
  assert.deepEqual((await watch.next()).value, []);
  await poster.call("post", { id: "a", title: "t" });
  const { value } = await within("the task", watch.next());
  assert.deepEqual(value!.map(({ id }) => id), ["a"]);
  const last = watch.next();
  await bus.close();
  assert.equal((await within("the end", last)).done, true);
});

Deno.test("an invalid task is refused, and nothing is stored", async () => {
  await using home = new Home();
  const [ann] = await two(home);
  const deep = (depth: number): Json => depth === 0 ? 1 : [deep(depth - 1)];
  const wrong: NewTask[] = [
    { title: "" },
    { title: " " },
    { title: "x".repeat(501) },
    { id: "", title: "t" },
    { id: "a b", title: "t" },
    { id: "x".repeat(129), title: "t" },
    { title: "t", priority: 0.5 },
    { title: "t", priority: Infinity },
    { id: "a", title: "t", dependsOn: ["a"] },
    { title: "t", dependsOn: ["nowhere"] },
    { title: "t", dependsOn: numbers(0, 101).map(String) },
    { title: "t", payload: NaN },
    { title: "t", payload: deep(70) },
    { title: "t", payload: "x".repeat(70_000) },
  ];
  for (const task of wrong) {
    await assert.rejects(
      () => ann.tasks.post(task),
      InvalidInputError,
      JSON.stringify(task).slice(0, 80),
    );
  }
  for (const leaseMs of [0, -1, NaN, 25 * 60 * 60 * 1000]) {
    await assert.rejects(
      () => ann.tasks.claimNext({ leaseMs }),
      InvalidInputError,
    );
  }
  assert.deepEqual(await ann.tasks.list(), []);
  await ann.tasks.post({ id: "a", title: "t" });
  await assert.rejects(
    () => ann.tasks.post({ id: "a", title: "again" }),
    TaskStateError,
  );
  assert.deepEqual(await told(ann), ["a posted ann"]);
});

Deno.test("claimNext() waits for a posted, freed, released or expired task", async () => {
  await using home = new Home();
  const ann = await home.open({ session: "ann" });
  const bob = await home.open({ session: "bob" });
  const wait = () => bob.tasks.claimNext({ waitMs: Infinity });
  const got = async (next: Promise<Claim | undefined>) => {
    const claim = await within("the next task", next);
    await bob.tasks.complete(claim!);
    return claim!.id;
  };

  let next = wait();
  await ann.tasks.post({ id: "posted", title: "t" });
  assert.equal(await got(next), "posted");

  await ann.tasks.post({ id: "first", title: "t" });
  let held = await ann.tasks.claim("first");
  await ann.tasks.post({ id: "freed", title: "t", dependsOn: ["first"] });
  next = wait();
  await ann.tasks.complete(held);
  assert.equal(await got(next), "freed");

  await ann.tasks.post({ id: "released", title: "t" });
  held = await ann.tasks.claim("released");
  next = wait();
  await ann.tasks.release(held);
  assert.equal(await got(next), "released");

  await ann.tasks.post({ id: "expired", title: "t" });
  await ann.tasks.claim("expired", { leaseMs: 1_000 });
  assert.equal(await got(wait()), "expired");
});

Deno.test("claimNext() ends its wait with the time, the signal and the bus", async () => {
  await using home = new Home();
  const bus = await home.open();
  assert.equal(await bus.tasks.claimNext({ waitMs: 1 }), undefined);
  const ends = new AbortController();
  const { signal } = ends;
  const aborted = bus.tasks.claimNext({ waitMs: Infinity, signal });
  const closed = bus.tasks.claimNext({ waitMs: 1e12 });
  const failures = Promise.allSettled([aborted, closed]);
  ends.abort(new Error("enough"));
  await assert.rejects(within("the abort", aborted), /enough/);
  await bus.close();
  const [, last] = await within("the close", failures);
  assert.ok(last.status === "rejected" && last.reason instanceof ClosedError);
  for (const waitMs of [-1, NaN]) {
    const other = await home.open();
    await assert.rejects(other.tasks.claimNext({ waitMs }), InvalidInputError);
  }
});

Deno.test("work() completes and fails tasks of a kind until its signal aborts", async () => {
  await using home = new Home();
  const ann = await home.open({ session: "ann" });
  const bob = await home.open({ session: "bob" });
  const ends = new AbortController();
  const seen: string[] = [];
  const working = bob.tasks.work(async ({ id }, signal) => {
    seen.push(id);
    if (id === "bad") throw new Error("no disk");
    if (id === "huge") return "x".repeat(1 << 17);
    if (id !== "last") return { by: id };
    ends.abort();
    assert.ok(signal.aborted);
    await Promise.reject(signal.reason);
  }, { kind: "code", signal: ends.signal });
  await ann.tasks.post({ id: "text", title: "t", kind: "text" });
  for (const id of ["good", "bad", "huge", "last", "rest"]) {
    await ann.tasks.post({ id, title: "t", kind: "code" });
  }
  await within("the end of the work", working);
  assert.deepEqual(seen, ["good", "bad", "huge", "last"]);
  const tasks = await ann.tasks.list();
  const states = tasks.map(({ id, status }) => `${id} ${status}`);
  assert.deepEqual(states, [
    "text open",
    "good done",
    "bad failed",
    "huge failed",
    "last open",
    "rest open",
  ]);
  const results = tasks.map(({ result }) => result);
  assert.deepEqual(results.slice(1, 3), [{ by: "good" }, "no disk"]);
  assert.match(String(results[3]), /bytes/);
});

Deno.test("work() renews its claim, and aborts the work on a cancelled task", async () => {
  await using home = new Home();
  const ann = await home.open({ session: "ann" });
  const bob = await home.open({ session: "bob" });
  for (const id of ["long", "cancelled"]) {
    await ann.tasks.post({ id, title: "t" });
  }
  const ends = new AbortController();
  const reasons: unknown[] = [];
  await within(
    "the end of the work",
    bob.tasks.work(async ({ id, leaseExpiresAt }, signal) => {
      if (id === "long") {
        await until(
          "a renewal",
          async () =>
            (await ann.tasks.get(id))!.leaseExpiresAt! > leaseExpiresAt!,
        );
        return "renewed";
      }
      await ann.tasks.cancel(id, "obsolete");
      await until("the abort", () => signal.aborted);
      reasons.push(signal.reason);
      ends.abort();
      return "too late";
    }, { leaseMs: 3_000, signal: ends.signal }),
  );
  const [long, cancelled] = await ann.tasks.list();
  assert.deepEqual([long.status, long.result, long.attempts], [
    "done",
    "renewed",
    1,
  ]);
  assert.deepEqual([cancelled.status, cancelled.result], [
    "failed",
    "obsolete",
  ]);
  assert.ok(reasons[0] instanceof NotHeldError);
});

Deno.test("work() ends when the bus closes, and its task is open again", async () => {
  await using home = new Home();
  const ann = await home.open({ session: "ann" });
  const bob = await home.open({ session: "bob" });
  await ann.tasks.post({ id: "T-1", title: "t" });
  const { promise: started, resolve: start } = Promise.withResolvers<void>();
  const working = bob.tasks.work(async (_claim, signal) => {
    start();
    await until("the abort", () => signal.aborted);
  });
  await within("the start of the work", started);
  await bob.close();
  await within("the end of the work", working);
  assert.equal((await ann.tasks.get("T-1"))!.status, "open");
});

Deno.test("tasks are posted ifAbsent, edited and cancelled, with checked input", async () => {
  await using home = new Home();
  const bus = await home.open({ session: "ann" });
  const { tasks } = bus;
  const first = await tasks.post({ id: "T-1", title: "one", ifAbsent: true });
  assert.deepEqual(
    await tasks.post({ id: "T-1", title: "two", ifAbsent: true }),
    first,
  );
  assert.equal((await tasks.edit("T-1", { title: "new" })).title, "new");
  for (
    const wrong of [
      () => tasks.post({ title: "t", ifAbsent: true }),
      () => tasks.edit("T-1", { title: " " }),
      () => tasks.edit("T-1", { priority: 0.5 }),
      () => tasks.edit("T-1", { payload: "x".repeat(1 << 17) }),
      () => tasks.edit("T-1", { titel: "x" } as TaskChanges),
      () => tasks.cancel("a b"),
    ]
  ) await assert.rejects(wrong, InvalidInputError);
  assert.equal((await tasks.cancel("T-1")).result, "cancelled");
  for (const act of [tasks.cancel("T-1"), tasks.edit("T-1", {})]) {
    await assert.rejects(
      act,
      (error) => error instanceof TaskStateError && error.state === "failed",
    );
  }
});
