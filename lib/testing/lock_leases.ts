/**
 * Leases of locks: expiry, renewal, and late holders.
 *
 * @module
 */

import assert from "node:assert/strict";
import { NotHeldError } from "../model/errors.ts";
import type { Hold } from "../model/lock.ts";
import type { Cases } from "./case.ts";
import { conflicts } from "./lock_overlaps.ts";
import { blockersOf, holders } from "./locks.ts";
import { HOUR_MS } from "./peer.ts";
import { GONE_PROCESS, NO_PROCESS } from "./processes.ts";

const ADVISORY = { type: "advisory" } as const;
const TAKE_OVER = { takeOver: true } as const;

/** Asserts that an error is the loss of this hold. */
function lossOf(hold: Hold): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof NotHeldError, String(error));
    assert.equal(error.token, hold.token);
    return true;
  };
}

/** Adds the cases. */
export function lockLeases(cases: Cases): void {
  const timed = cases.needing("movesClock");

  cases.test("a hold with a wrong token cannot be renewed or released", async (scene) => {
    const [ann, bob] = await scene.two();
    const stale = await ann.hold("/a");
    await ann.store.releaseLock(stale);
    const hold = await ann.hold("/a");
    const forged = { ...hold, session: "bob" };
    for (const wrong of [stale, forged]) {
      await assert.rejects(
        () => bob.store.renewLock(wrong, HOUR_MS),
        lossOf(wrong),
      );
      await assert.rejects(() => bob.store.releaseLock(wrong), lossOf(wrong));
    }
    // The refusal changed nothing.
    assert.deepEqual(await ann.store.locks({ project: null }), [hold]);
  });

  timed.test("a renewed lock is held for its lease from then on", async (scene) => {
    const ann = await scene.peer("ann");
    const hold = await ann.hold("/a", { leaseMs: 60_000 });
    await scene.advance(30_000);
    const renewed = await ann.store.renewLock(hold, HOUR_MS);
    assert.equal(renewed.token, hold.token);
    const moreMs = Date.parse(renewed.expiresAt) - Date.parse(hold.expiresAt);
    assert.ok(moreMs >= HOUR_MS - 30_000 && moreMs < HOUR_MS, `${moreMs}`);
    await scene.advance(HOUR_MS / 2);
    const [held] = await ann.store.locks({ project: null });
    assert.equal(held.overdue, false);
  });

  timed.test("the lock of a living process is overdue and held after its expiry", async (scene) => {
    const [ann, bob] = await scene.two();
    const hold = await ann.hold("/a", { leaseMs: 60_000 });
    await scene.advance(90_000);
    const [overdue] = await bob.store.locks({ project: null });
    assert.deepEqual(overdue, { ...hold, overdue: true });
    const [blocker] = blockersOf(await bob.ask("/a"));
    assert.equal(blocker.overdue, true);
    // The late holder still holds it.
    const renewed = await ann.store.renewLock(hold, HOUR_MS);
    assert.equal(renewed.overdue, false);
    await ann.store.releaseLock(renewed);
  });

  timed.test("an overdue lock is taken over on request, and its holder is told", async (scene) => {
    const [ann, bob] = await scene.two();
    const hold = await ann.hold("/a", { leaseMs: 60_000 });
    blockersOf(await bob.ask("/a", TAKE_OVER));
    await scene.advance(90_000);
    const taken = await bob.hold("/a", TAKE_OVER);
    assert.ok(taken.token > hold.token);
    assert.deepEqual(await holders(ann.store), ["bob"]);
    assert.equal((await conflicts(ann.store)).at(-1), "taken-over: bob ann");
    await assert.rejects(
      () => ann.store.renewLock(hold, HOUR_MS),
      lossOf(hold),
    );
    await assert.rejects(() => ann.store.releaseLock(hold), lossOf(hold));
  });

  timed.test("a refused request takes over no lock", async (scene) => {
    const [ann, bob] = await scene.two();
    const eve = await scene.peer("eve");
    await ann.hold("/a", { ...ADVISORY, leaseMs: 60_000 });
    await bob.hold("/a", ADVISORY);
    await scene.advance(90_000);
    const blockers = blockersOf(await eve.ask("/a", TAKE_OVER));
    assert.deepEqual(
      blockers.map(({ session, overdue }) => [session, overdue]),
      [["ann", true], ["bob", false]],
    );
    assert.deepEqual(await holders(eve.store), ["ann", "bob"]);
  });

  timed.test("the lock of a session without a process ends at its expiry", async (scene) => {
    const ann = await scene.peer("ann", { start: NO_PROCESS });
    const bob = await scene.peer("bob");
    const hold = await ann.hold("/a", { leaseMs: 60_000 });
    await scene.advance(30_000);
    blockersOf(await bob.ask("/a"));
    await scene.advance(60_000);
    assert.deepEqual(await holders(bob.store), []);
    await assert.rejects(
      () => ann.store.renewLock(hold, HOUR_MS),
      lossOf(hold),
    );
    await bob.hold("/a");
    await assert.rejects(() => ann.store.releaseLock(hold), lossOf(hold));
    assert.deepEqual(await holders(ann.store), ["bob"]);
  });

  cases.test("the lock of a dead process is free for the next request", async (scene) => {
    const ann = await scene.peer("ann", { start: GONE_PROCESS });
    const bob = await scene.peer("bob");
    const hold = await ann.hold("/a");
    const taken = await bob.hold("/a");
    assert.ok(taken.token > hold.token);
    assert.deepEqual(await holders(bob.store), ["bob"]);
    assert.equal((await bob.store.session("ann"))?.status, "terminated");
    await assert.rejects(() => ann.store.releaseLock(hold), lossOf(hold));
  });
}
