/**
 * Waiting for locks: first come, first served. A freed lock passes to the next
 * waiter in the same step.
 *
 * @module
 */

import assert from "node:assert/strict";
import { ClosedError, LockHeldError } from "../model/errors.ts";
import type { Cases } from "./case.ts";
import { blockersOf, holders } from "./locks.ts";
import { heldBy, HOUR_MS, targetOf } from "./peer.ts";
import { NO_PROCESS } from "./processes.ts";
import { within } from "./waiting.ts";

const ADVISORY = { type: "advisory" } as const;
const PATH = "/mbus-conformance/a.ts";
const EXCLUSIVE = { type: "exclusive" } as const;

// Longer than any case runs, so that no wait ends by its timeout.
const LONG = { waitMs: 600_000 };

/** Adds the cases. */
export function waiting(cases: Cases): void {
  const timed = cases.needing("movesClock");

  cases.test("a waiter gets its blockers", async (scene) => {
    const [ann, bob] = await scene.two();
    await ann.hold("/a", { why: "mend it" });
    const waiter = await bob.queue("/a");
    const outcome = await bob.check(waiter);
    assert.equal(outcome.state, "waiting");
    const { blockers } = outcome as typeof outcome & { state: "waiting" };
    assert.deepEqual(
      blockers.map(({ session, state, why }) => ({ session, state, why })),
      [{ session: "ann", state: "holds", why: "mend it" }],
    );
    assert.deepEqual(await holders(ann.store), ["ann"]);
  });

  cases.test("a request for a free path does not wait", async (scene) => {
    const ann = await scene.peer("ann");
    await ann.hold("/a", { wait: true });
    assert.deepEqual(await ann.store.lockWaiters(targetOf("/a")), []);
  });

  cases.test("a release grants the lock to its waiter in one step", async (scene) => {
    const [ann, bob] = await scene.two();
    const hold = await ann.hold("/a");
    const waiter = await bob.queue("/a", { why: "next" });
    await ann.store.releaseLock(hold);
    // The waiter holds the lock before it checks.
    assert.deepEqual(await holders(ann.store), ["bob"]);
    blockersOf(await ann.ask("/a"));
    const granted = heldBy(await bob.check(waiter));
    assert.ok(granted.token > hold.token);
    assert.equal(granted.why, "next");
    assert.deepEqual(await ann.store.lockWaiters(targetOf("/a")), []);
  });

  cases.test("waiters are served first come, first served", async (scene) => {
    const [ann, bob] = await scene.two();
    const peers = [bob, await scene.peer("eve"), await scene.peer("kim")];
    const hold = await ann.hold("/a");
    const waiters: string[] = [];
    for (const peer of peers) waiters.push(await peer.queue("/a"));
    const waiting = await ann.store.lockWaiters(targetOf("/a"));
    assert.deepEqual(
      waiting.map(({ session, state }) => [session, state]),
      [["bob", "waits"], ["eve", "waits"], ["kim", "waits"]],
    );
    await ann.store.releaseLock(hold);
    for (const [i, peer] of peers.entries()) {
      assert.deepEqual(await holders(ann.store), [peer.id]);
      const granted = heldBy(await peer.check(waiters[i]));
      await peer.store.releaseLock(granted);
    }
    assert.deepEqual(await holders(ann.store), []);
  });

  cases.test("advisory waiters are served together, up to an exclusive one", async (scene) => {
    const [ann, bob] = await scene.two();
    const [eve, kim, lee] = [
      await scene.peer("eve"),
      await scene.peer("kim"),
      await scene.peer("lee"),
    ];
    const hold = await ann.hold("/a");
    await bob.queue("/a", ADVISORY);
    await eve.queue("/a", ADVISORY);
    await kim.queue("/a");
    await lee.queue("/a", ADVISORY);
    await ann.store.releaseLock(hold);
    assert.deepEqual(await holders(ann.store), ["bob", "eve"]);
    const waiting = await ann.store.lockWaiters(targetOf("/a"));
    assert.deepEqual(waiting.map(({ session }) => session), ["kim", "lee"]);
  });

  cases.test("a later request does not overtake a waiter", async (scene) => {
    const [ann, bob] = await scene.two();
    const eve = await scene.peer("eve");
    await ann.hold("/a", ADVISORY);
    await bob.queue("/a");
    // Only an advisory lock is held, but bob waits before.
    const blockers = blockersOf(await eve.ask("/a", ADVISORY));
    assert.deepEqual(
      blockers.map(({ session, state }) => [session, state]),
      [["bob", "waits"]],
    );
  });

  cases.test("a request queues behind an overlapping waiter only", async (scene) => {
    const [ann, bob] = await scene.two();
    const eve = await scene.peer("eve");
    const hold = await ann.hold("/src/a.ts");
    await bob.queue("/src", { kind: "folder" });
    blockersOf(await eve.ask("/src/b.ts"));
    await eve.hold("/lib/b.ts");
    await ann.store.releaseLock(hold);
    const [, granted] = await ann.store.locks({ project: null });
    assert.equal(granted.path, "/src");
  });

  cases.test("a holder takes its lock again past waiters", async (scene) => {
    const [ann, bob] = await scene.two();
    const hold = await ann.hold("/src", { kind: "folder" });
    const waiter = await bob.queue("/src", { kind: "folder" });
    const again = await ann.hold("/src", { kind: "folder" });
    assert.equal(again.token, hold.token);
    // A path inside its own exclusive lock is covered.
    const inside = await ann.hold("/src/a.ts");
    await ann.store.releaseLock(again);
    assert.equal((await bob.check(waiter)).state, "waiting");
    await ann.store.releaseLock(inside);
    await ann.store.releaseLock(hold);
    heldBy(await bob.check(waiter));
  });

  cases.test("a partial release lets the waiters in that fit", async (scene) => {
    const [ann, bob] = await scene.two();
    const before = await ann.hold("/a", ADVISORY);
    const more = await ann.hold("/a");
    const waiter = await bob.queue("/a", ADVISORY);
    await ann.store.releaseLock(more, { before });
    heldBy(await bob.check(waiter));
    assert.deepEqual(await holders(ann.store), ["ann", "bob"]);
  });

  cases.test("a waiter that leaves the queue is not served, and the next one is", async (scene) => {
    const [ann, bob] = await scene.two();
    const eve = await scene.peer("eve");
    const hold = await ann.hold("/a", ADVISORY);
    const waiter = await bob.queue("/a");
    const next = await eve.queue("/a", ADVISORY);
    await bob.store.leaveQueue(waiter);
    await bob.store.leaveQueue(waiter);
    // Only bob waited before eve.
    heldBy(await eve.check(next));
    assert.deepEqual(await bob.check(waiter), {
      state: "refused",
      blockers: [],
    });
    await ann.store.releaseLock(hold);
    assert.deepEqual(await holders(ann.store), ["eve"]);
  });

  cases.test("a waiter that leaves after the grant releases the lock", async (scene) => {
    const [ann, bob] = await scene.two();
    const eve = await scene.peer("eve");
    const hold = await ann.hold("/a");
    const waiter = await bob.queue("/a");
    const next = await eve.queue("/a");
    await ann.store.releaseLock(hold);
    assert.deepEqual(await holders(ann.store), ["bob"]);
    await bob.store.leaveQueue(waiter);
    assert.deepEqual(await holders(ann.store), ["eve"]);
    heldBy(await eve.check(next));
  });

  cases.test("a waiter whose process is its session's own is granted its lock until it leaves", async (scene) => {
    const [ann, bob] = await scene.two();
    const hold = await ann.hold("/a");
    const waiter = await bob.queue("/a");
    await ann.store.releaseLock(hold);
    const granted = heldBy(await bob.check(waiter));
    assert.deepEqual(heldBy(await bob.check(waiter)), granted);
    await bob.store.leaveQueue(waiter);
    assert.deepEqual(await holders(ann.store), []);
    assert.equal((await bob.check(waiter)).state, "refused");
  });

  cases.test("a waiting upgrade becomes exclusive as the same lock", async (scene) => {
    const [ann, bob] = await scene.two();
    const mine = await ann.hold("/a", ADVISORY);
    const yours = await bob.hold("/a", ADVISORY);
    const waiter = await ann.queue("/a", { upgrades: mine.token });
    await bob.store.releaseLock(yours);
    const { token, type, count } = heldBy(await ann.check(waiter));
    assert.deepEqual({ token, type, count }, {
      token: mine.token,
      type: "exclusive",
      count: 1,
    });
  });

  cases.test("an upgrade whose waiter leaves after the grant is advisory again", async (scene) => {
    const [ann, bob] = await scene.two();
    const mine = await ann.hold("/a", ADVISORY);
    const yours = await bob.hold("/a", ADVISORY);
    const waiter = await ann.queue("/a", { upgrades: mine.token });
    await bob.store.releaseLock(yours);
    await ann.store.leaveQueue(waiter);
    const [left] = await bob.store.locks({ project: null });
    assert.equal(left.type, "advisory");
    assert.equal(left.token, mine.token);
  });

  cases.test("an upgrade of a released hold is refused", async (scene) => {
    const [ann, bob] = await scene.two();
    const mine = await ann.hold("/a", ADVISORY);
    const yours = await bob.hold("/a", ADVISORY);
    const waiter = await ann.queue("/a", { upgrades: mine.token });
    await ann.store.releaseLock(mine);
    await bob.store.releaseLock(yours);
    blockersOf(await ann.check(waiter));
    assert.deepEqual(await holders(bob.store), []);
  });

  cases.test("the locks of an ended session pass to waiters", async (scene) => {
    const [ann, bob] = await scene.two();
    const eve = await scene.peer("eve");
    await ann.hold("/a");
    await bob.queue("/a");
    const waiter = await eve.queue("/a");
    // Bob has ended too: he gets no lock and does not block eve.
    await bob.store.endSession("bob");
    await bob.store.endSession("ann");
    heldBy(await eve.check(waiter));
    assert.deepEqual(await holders(eve.store), ["eve"]);
  });

  timed.test("a lock that ends at its expiry passes to the waiter that looks", async (scene) => {
    const ann = await scene.peer("ann", { start: NO_PROCESS });
    const bob = await scene.peer("bob");
    await ann.hold("/a", { leaseMs: 60_000 });
    const waiter = await bob.queue("/a");
    for (let i = 0; i < 2; i++) {
      await scene.advance(20_000);
      assert.equal((await bob.check(waiter)).state, "waiting");
    }
    await scene.advance(40_000);
    heldBy(await bob.check(waiter));
  });

  timed.test("a check keeps a waiter's place", async (scene) => {
    const [ann, bob] = await scene.two();
    const eve = await scene.peer("eve");
    const hold = await ann.hold("/a", { leaseMs: HOUR_MS });
    const waiter = await bob.queue("/a");
    await eve.queue("/a");
    for (let i = 0; i < 6; i++) {
      await scene.advance(20_000);
      await bob.check(waiter);
      await eve.store.lockWaiters(targetOf("/a"));
    }
    await ann.store.releaseLock(hold);
    assert.deepEqual(await holders(eve.store), ["bob"]);
  });

  cases.test("a waiting bus gets the lock by push, and reports its blockers", async (scene) => {
    const ann = await scene.bus("ann");
    const bob = await scene.bus("bob");
    const lock = await ann.locks.acquire(PATH, EXCLUSIVE);
    const told = Promise.withResolvers<string[]>();
    const coming = bob.locks.acquire(PATH, {
      ...EXCLUSIVE,
      ...LONG,
      onWait: (blockers) =>
        told.resolve(blockers.map(({ session }) => session)),
    });
    assert.deepEqual(await within("whom it waits for", told.promise), ["ann"]);
    await lock.release();
    const got = await within("the lock", coming);
    assert.equal(got.hold.session, "bob");
    assert.ok(got.token > lock.token);
  });

  cases.test("a bus whose wait times out leaves the queue", async (scene) => {
    const ann = await scene.bus("ann");
    const bob = await scene.bus("bob");
    await ann.locks.acquire(PATH, EXCLUSIVE);
    await assert.rejects(
      () => bob.locks.acquire(PATH, { waitMs: 1 }),
      LockHeldError,
    );
    const abort = new AbortController();
    const reason = new Error("given up");
    const options = { ...LONG, signal: abort.signal };
    await assert.rejects(
      bob.locks.acquire(PATH, {
        ...options,
        onWait: () => abort.abort(reason),
      }),
      (error) => error === reason,
    );
    assert.deepEqual(await ann.locks.waiters(PATH), []);
  });

  cases.test("a closed bus ends its wait", async (scene) => {
    const ann = await scene.bus("ann");
    const bob = await scene.bus("bob");
    await ann.locks.acquire(PATH, EXCLUSIVE);
    const waits = Promise.withResolvers<void>();
    const coming = bob.locks.acquire(PATH, {
      ...LONG,
      onWait: () => waits.resolve(),
    });
    coming.catch(() => {});
    await within("waiting", waits.promise);
    await bob.close();
    await assert.rejects(within("the end", coming), ClosedError);
    assert.deepEqual(await ann.locks.waiters(PATH), []);
  });
}
