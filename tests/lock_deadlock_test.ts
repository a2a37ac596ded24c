import assert from "node:assert/strict";
import fc from "fast-check";
import {
  DeadlockError,
  type Lock,
  LockHeldError,
  type LockType,
  type MessageBus,
} from "../mod.ts";
import { findCycle, type Waiting } from "../lib/rules/deadlock.ts";
import { Home, numbers } from "./fixture.ts";

const EXCLUSIVE = { type: "exclusive" } as const;

/** Starts a wait; resolves once it is queued. */
async function wait(
  ask: (options: { waitMs: number; onWait: () => void }) => Promise<Lock>,
): Promise<{ readonly got: Promise<Lock> }> {
  const waits = Promise.withResolvers<void>();
  const got = ask({ waitMs: 60_000, onWait: () => waits.resolve() });
  got.catch(() => {});
  await waits.promise;
  return { got };
}

/** Asserts that waiting is refused at once with this cycle. */
async function assertCycle(
  asking: Promise<unknown>,
  steps: readonly (readonly [string, string, string])[],
): Promise<void> {
  await assert.rejects(asking, (error) => {
    assert.ok(error instanceof DeadlockError);
    assert.deepEqual(
      error.cycle,
      steps.map(([session, path, waitsFor]) => ({ session, path, waitsFor })),
    );
    for (const [session, path, waitsFor] of steps) {
      const step = `${session} waits for ${waitsFor} on ${path}`;
      assert.ok(error.message.includes(step), step);
    }
    return true;
  });
}

async function sessions(home: Home, count: number): Promise<MessageBus[]> {
  return await Promise.all(
    numbers(0, count).map((i) => home.open({ session: `s${i}` })),
  );
}

Deno.test("a cycle of two waiters is refused at once and listed", async () => {
  await using home = new Home();
  const [s0, s1] = await sessions(home, 2);
  const [a, b] = ["a", "b"].map((name) => `${home.root}/${name}`);
  const lock = await s0.locks.acquire(a, EXCLUSIVE);
  await s1.locks.acquire(b, EXCLUSIVE);
  const { got } = await wait((o) => s1.locks.acquire(a, o));
  const asking = s0.locks.acquire(b, { waitMs: 60_000 });
  await assertCycle(asking, [["s0", b, "s1"], ["s1", a, "s0"]]);
  // The refused wait left nothing behind.
  await assert.rejects(() => s0.locks.acquire(b), LockHeldError);
  assert.deepEqual(await s0.locks.waiters(b), []);
  await lock.release();
  await got;
});

Deno.test("a cycle of three waiters is refused at once and listed", async () => {
  await using home = new Home();
  const all = await sessions(home, 3);
  const paths = numbers(0, 3).map((i) => `${home.root}/${i}`);
  for (const i of numbers(0, 3)) {
    await all[i].locks.acquire(paths[i], EXCLUSIVE);
  }
  await wait((o) => all[0].locks.acquire(paths[1], o));
  await wait((o) => all[1].locks.acquire(paths[2], o));
  await assertCycle(all[2].locks.acquire(paths[0], { waitMs: 60_000 }), [
    ["s2", paths[0], "s0"],
    ["s0", paths[1], "s1"],
    ["s1", paths[2], "s2"],
  ]);
});

Deno.test("two holders of a path that both upgrade are a cycle", async () => {
  await using home = new Home();
  const [s0, s1] = await sessions(home, 2);
  const path = `${home.root}/a`;
  const mine = await s0.locks.acquire(path);
  const yours = await s1.locks.acquire(path);
  const { got } = await wait((o) => s0.locks.upgrade(mine, o));
  const asking = s1.locks.upgrade(yours, { waitMs: 60_000 });
  await assertCycle(asking, [["s1", path, "s0"], ["s0", path, "s1"]]);
  await yours.release();
  const upgraded = await got;
  assert.equal(upgraded.hold.type, "exclusive");
  assert.equal(upgraded.token, mine.token);
  assert.equal(upgraded.hold.count, 1);
});

Deno.test("an earlier waiter is an edge of the wait-for graph", async () => {
  await using home = new Home();
  const [s0, s1, s2] = await sessions(home, 3);
  const [a, b] = ["a", "b"].map((name) => `${home.root}/${name}`);
  await s0.locks.acquire(a);
  await s2.locks.acquire(b, EXCLUSIVE);
  // s1 waits for s0; s0's lock admits s2, but s1 waits before it.
  await wait((o) => s1.locks.acquire(a, { ...EXCLUSIVE, ...o }));
  await wait((o) => s2.locks.acquire(a, o));
  await assertCycle(s1.locks.acquire(b, { waitMs: 60_000, agent: "x" }), [
    ["s1", b, "s2"],
    ["s2", a, "s1"],
  ]);
});

Deno.test("a delegating session is an edge of the wait-for graph", async () => {
  for (const last of ["helper", "other"]) {
    await using home = new Home();
    const [caller, helper, other] = await sessions(home, 3);
    const [a, b] = ["a", "b"].map((name) => `${home.root}/${name}`);
    await caller.locks.acquire(a, EXCLUSIVE);
    await other.locks.acquire(b, EXCLUSIVE);
    // Like a command that runs under with-lock.
    const help = (o: { waitMs: number; onWait?: () => void }) =>
      helper.locks.acquire(b, { ...o, actingFor: [caller.session] });
    const ask = (o: { waitMs: number; onWait?: () => void }) =>
      other.locks.acquire(a, o);
    const [s0, s1, s2] = [caller.session, helper.session, other.session];
    if (last === "helper") {
      await wait(ask);
      await assertCycle(help({ waitMs: 60_000 }), [
        [s1, b, s2],
        [s2, a, s0],
        [s0, b, s1],
      ]);
    } else {
      await wait(help);
      await assertCycle(ask({ waitMs: 60_000 }), [
        [s2, a, s0],
        [s0, b, s1],
        [s1, b, s2],
      ]);
    }
  }
});

Deno.test("a line of waiters is not a cycle", async () => {
  await using home = new Home();
  const all = await sessions(home, 4);
  const path = `${home.root}/a`;
  const lock = await all[0].locks.acquire(path, EXCLUSIVE);
  const waiting: Promise<Lock>[] = [];
  for (const bus of all.slice(1)) {
    waiting.push(
      (await wait((o) => bus.locks.acquire(path, { ...EXCLUSIVE, ...o }))).got,
    );
  }
  await lock.release();
  for (const got of waiting) await (await got).release();
});

Deno.test("an upgrade of a released lock is refused", async () => {
  await using home = new Home();
  const [s0, s1] = await sessions(home, 2);
  const path = `${home.root}/a`;
  const mine = await s0.locks.acquire(path);
  const yours = await s1.locks.acquire(path);
  const { got } = await wait((o) => s0.locks.upgrade(mine, o));
  await s0.locks.release(path);
  await yours.release();
  await assert.rejects(got, LockHeldError);
  assert.deepEqual(await s0.locks.list(), []);
});

Deno.test("findCycle() finds a cycle if and only if there is one", () => {
  const edges = fc.array(fc.tuple(fc.nat(5), fc.nat(5)), { maxLength: 14 });
  fc.assert(
    fc.property(
      edges,
      fc.array(fc.nat(5), { maxLength: 3 }),
      (pairs, first) => {
        const waits = new Map<string, Waiting[]>();
        for (const [from, to] of pairs) {
          const waiting = {
            path: `${from}-${to}`,
            blockers: [{ session: `${to}` }],
          };
          waits.set(`${from}`, [...waits.get(`${from}`) ?? [], waiting]);
        }
        // Session 0 requests; its other waits count too.
        const wanted: Waiting = {
          path: "wanted",
          blockers: first.map((session) => ({ session: `${session}` })),
        };
        const cycle = findCycle("0", wanted, waits);
        assert.equal(cycle !== undefined, reaches(first, pairs, 0));
        if (cycle === undefined) return;
        assert.equal(cycle[0].session, "0");
        assert.equal(cycle.at(-1)!.waitsFor, "0");
        cycle.forEach((step, i) => {
          const next = cycle[i + 1];
          if (next !== undefined) assert.equal(step.waitsFor, next.session);
          if (i === 0) assert.ok(first.includes(Number(step.waitsFor)));
          else assert.equal(step.path, `${step.session}-${step.waitsFor}`);
        });
      },
    ),
    { numRuns: 2_000 },
  );
});

/** Returns whether `to` is reachable, by brute force over all edges. */
function reaches(
  from: readonly number[],
  pairs: readonly (readonly [number, number])[],
  to: number,
): boolean {
  const reached = new Set(from);
  for (const _ of pairs) {
    for (const [a, b] of pairs) if (reached.has(a)) reached.add(b);
  }
  return reached.has(to);
}

interface ModelHold {
  readonly session: number;
  readonly path: number;
  type: LockType;
  count: number;
  token: number;
}

Deno.test("holds match a small model after any sequence of acts", async () => {
  const step = fc.record({
    session: fc.nat(2),
    path: fc.nat(2),
    act: fc.constantFrom("advisory", "exclusive", "upgrade", "release"),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      await using home = new Home();
      const all = await sessions(home, 3);
      const model: ModelHold[] = [];
      const locks = new Map<ModelHold, Lock[]>();
      let lastToken = 0;
      for (const { session, path, act } of steps) {
        const { locks: of } = all[session];
        const target = `${home.root}/${path}`;
        const own = model.find((h) => h.session === session && h.path === path);
        const others = model.filter((h) =>
          h.path === path && h.session !== session
        );
        if (act === "release" || act === "upgrade") {
          if (own === undefined) continue;
          const lock = locks.get(own)!.at(-1)!;
          if (act === "upgrade") {
            if (others.length > 0 && own.type !== "exclusive") {
              await assert.rejects(() => of.upgrade(lock), LockHeldError);
            } else {
              await of.upgrade(lock);
              own.type = "exclusive";
            }
          } else {
            await lock.release();
            locks.get(own)!.pop();
            if (--own.count === 0) model.splice(model.indexOf(own), 1);
          }
        } else {
          const free = others.every((h) =>
            act === "advisory" && h.type === "advisory"
          );
          const lock = await of.tryAcquire(target, { type: act as LockType });
          assert.equal(lock !== undefined, free);
          if (lock === undefined) continue;
          if (own === undefined) {
            assert.ok(lock.token > lastToken);
            lastToken = lock.token;
            const hold: ModelHold = {
              session,
              path,
              type: act as LockType,
              count: 1,
              token: lock.token,
            };
            model.push(hold);
            locks.set(hold, [lock]);
          } else {
            own.count++;
            if (act === "exclusive") own.type = "exclusive";
            locks.get(own)!.push(lock);
          }
        }
        const held = (await all[0].locks.list()).map((h) => ({
          session: Number(h.session.slice(1)),
          path: Number(h.path.slice(-1)),
          type: h.type,
          count: h.count,
          token: h.token,
        }));
        assert.deepEqual(held, model.toSorted((a, b) => a.token - b.token));
      }
    }),
    { numRuns: 60 },
  );
});
