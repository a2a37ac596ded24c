/**
 * Locks: holds and refusals.
 *
 * @module
 */

import type { Operations } from "../bus/operations.ts";
import assert from "node:assert/strict";
import {
  LimitError,
  NotHeldError,
  SessionEndedError,
} from "../model/errors.ts";
import type { Blocker, Hold, LockOutcome } from "../model/lock.ts";
import type { LockQuery } from "../model/lock.ts";
import type { Cases } from "./case.ts";
import { heldBy, HOUR_MS, type Peer, targetOf } from "./peer.ts";

const ADVISORY = { type: "advisory" } as const;

/** Returns the blockers of an outcome that must be a refusal. */
export function blockersOf(outcome: LockOutcome): readonly Blocker[] {
  assert.equal(outcome.state, "refused", JSON.stringify(outcome));
  return (outcome as LockOutcome & { state: "refused" }).blockers;
}

/** Returns the sessions of holds, oldest first. */
export async function holders(
  store: Operations,
  query: Partial<LockQuery> = {},
): Promise<string[]> {
  const holds = await store.locks({ project: null, ...query });
  return holds.map(({ session }) => session);
}

/** Adds the cases. */
export function locks(cases: Cases): void {
  cases.test("a hold has the requested fields for every store", async (scene) => {
    const [ann, bob] = await scene.two();
    await ann.register({ vendor: "claude", task: "T-1" });
    const hold = await ann.hold("/src/a.ts", { why: "mend it" });
    const { token, since, expiresAt, ...rest } = hold;
    assert.deepEqual(rest, {
      kind: "file",
      path: "/src/a.ts",
      type: "exclusive",
      session: "ann",
      name: "ann",
      vendor: "claude",
      task: "T-1",
      why: "mend it",
      overdue: false,
      count: 1,
      pathSets: { disk: "/src/a.ts", foldsCase: false },
    });
    assert.ok(Number.isSafeInteger(token) && token > 0);
    assert.equal(Date.parse(expiresAt) - Date.parse(since), HOUR_MS);
    assert.deepEqual(await bob.store.locks({ project: null }), [hold]);
  });

  cases.test("an exclusive lock blocks every other session and names its holder", async (scene) => {
    const [ann, bob] = await scene.two();
    await ann.hold("/a", { why: "mend it" });
    for (const wish of [{}, ADVISORY]) {
      const [blocker, ...others] = blockersOf(await bob.ask("/a", wish));
      assert.deepEqual(others, []);
      const { session, state, path, type, why, overdue } = blocker;
      assert.deepEqual({ session, state, path, type, why, overdue }, {
        session: "ann",
        state: "holds",
        path: "/a",
        type: "exclusive",
        why: "mend it",
        overdue: false,
      });
    }
    assert.deepEqual(await holders(bob.store), ["ann"]);
  });

  cases.test("a released lock is free", async (scene) => {
    const [ann, bob] = await scene.two();
    const hold = await ann.hold("/a");
    await ann.store.releaseLock(hold);
    assert.deepEqual(await holders(bob.store), []);
    assert.equal((await bob.hold("/a")).session, "bob");
  });

  cases.test("a later hold has a greater token in any session", async (scene) => {
    const peers = await scene.two();
    let last = 0;
    for (let i = 0; i < 6; i++) {
      const peer = peers[i % 2];
      const hold = await peer.hold("/a");
      assert.ok(hold.token > last, `${hold.token} after ${last}`);
      last = hold.token;
      await peer.store.releaseLock(hold);
    }
  });

  cases.test("one of many sessions that ask at once gets the lock", async (scene) => {
    const peers = [...await scene.two(), await scene.peer("eve")];
    for (let round = 0; round < 5; round++) {
      const outcomes = await Promise.all(
        peers.flatMap((peer) => [peer.ask("/a"), peer.ask("/a")]),
      );
      const held = outcomes.filter(({ state }) => state === "held").map(heldBy);
      // The holder may take it again.
      assert.equal(new Set(held.map(({ token }) => token)).size, 1);
      assert.equal(held.length, 2);
      const winner = peers.find(({ id }) => id === held[0].session)!;
      await winner.store.releaseLock(held[0], { entirely: true });
    }
  });

  cases.test("a lock that is taken twice must be released twice", async (scene) => {
    const [ann, bob] = await scene.two();
    const first = await ann.hold("/a");
    const again = await ann.hold("/a");
    assert.equal(again.token, first.token);
    assert.equal(again.count, 2);
    await ann.store.releaseLock(again);
    blockersOf(await bob.ask("/a"));
    await ann.store.releaseLock(again);
    await bob.hold("/a");
  });

  cases.test("a hold can be released entirely, whatever its count", async (scene) => {
    const [ann, bob] = await scene.two();
    await ann.hold("/a");
    const hold = await ann.hold("/a");
    await ann.store.releaseLock(hold, { entirely: true });
    await bob.hold("/a");
  });

  cases.test("a release can restore the earlier hold", async (scene) => {
    const [ann, bob] = await scene.two();
    const before = await ann.hold("/a", { ...ADVISORY, why: "read" });
    const more = await ann.hold("/a", { why: "write", leaseMs: 2 * HOUR_MS });
    assert.equal(more.type, "exclusive");
    assert.equal(more.why, "write");
    await ann.store.releaseLock(more, { before });
    const [left] = await bob.store.locks({ project: null });
    assert.deepEqual(left, before);
    await bob.hold("/a", ADVISORY);
  });

  cases.test("an exclusive lock taken once more as advisory stays exclusive", async (scene) => {
    const [ann, bob] = await scene.two();
    await ann.hold("/a");
    assert.equal((await ann.hold("/a", ADVISORY)).type, "exclusive");
    blockersOf(await bob.ask("/a", ADVISORY));
  });

  cases.test("a second acquire with a shorter lease keeps the expiry", async (scene) => {
    const ann = await scene.peer("ann");
    const { expiresAt } = await ann.hold("/a", { leaseMs: 2 * HOUR_MS });
    assert.equal((await ann.hold("/a")).expiresAt, expiresAt);
    const longer = await ann.hold("/a", { leaseMs: 3 * HOUR_MS });
    assert.ok(longer.expiresAt > expiresAt);
  });

  cases.test("an advisory lock becomes exclusive as the same lock", async (scene) => {
    const [ann, bob] = await scene.two();
    const hold = await ann.hold("/a", ADVISORY);
    const other = await bob.hold("/a", ADVISORY);
    const upgrades = hold.token;
    blockersOf(await ann.ask("/a", { upgrades }));
    await bob.store.releaseLock(other);
    const upgraded = await ann.hold("/a", { upgrades });
    const { token, type, count } = upgraded;
    assert.deepEqual({ token, type, count }, {
      token: hold.token,
      type: "exclusive",
      count: 1,
    });
    await ann.store.releaseLock(upgraded);
    await assert.rejects(() => ann.ask("/a", { upgrades }), NotHeldError);
    assert.deepEqual(await holders(ann.store), []);
  });

  cases.test("an ended session gets no lock", async (scene) => {
    const [ann, bob] = await scene.two();
    await bob.store.endSession("ann");
    await assert.rejects(() => ann.ask("/a"), SessionEndedError);
    assert.deepEqual(await holders(bob.store), []);
    await ann.register();
    await ann.hold("/a");
  });

  cases.test("a session has at most its limit of locks", async (scene) => {
    const ann = await scene.peer("ann", { locksMax: 3 });
    const holds: Hold[] = [];
    for (const i of [1, 2, 3]) holds.push(await ann.hold(`/${i}`));
    await assert.rejects(
      () => ann.ask("/4"),
      (error) => {
        assert.ok(error instanceof LimitError);
        assert.equal(error.max, 3);
        return true;
      },
    );
    assert.equal((await holders(ann.store)).length, 3);
    // A second acquire does not count towards the limit.
    await ann.hold("/1");
    await ann.store.releaseLock(holds[1]);
    await ann.hold("/4");
  });

  cases.test("locks are listed by the query, oldest first", async (scene) => {
    const [ann, bob] = await scene.two();
    const inProject = (peer: Peer, path: string, project: string) =>
      peer.store.acquireLock({
        session: peer.id,
        agent: "",
        target: { ...targetOf(path), project },
        type: "advisory",
        leaseMs: HOUR_MS,
        takeOver: false,
        wait: false,
        actingFor: [],
      });
    const { token } = await ann.hold("/b", ADVISORY);
    await inProject(bob, "/one/a", "/one");
    await inProject(ann, "/two/a", "/two");
    await bob.hold("/b", ADVISORY);
    const paths = async (query: Partial<LockQuery>) =>
      (await ann.store.locks({ project: null, ...query }))
        .map(({ session, path }) => `${session} ${path}`);
    assert.deepEqual(await paths({}), [
      "ann /b",
      "bob /one/a",
      "ann /two/a",
      "bob /b",
    ]);
    assert.deepEqual(await paths({ project: "/one" }), [
      "ann /b",
      "bob /one/a",
      "bob /b",
    ]);
    // Locks below a folder are listed in any project.
    const below = (below: string) => paths({ project: "/one/sub", below });
    assert.deepEqual(await below("/two"), ["ann /b", "ann /two/a", "bob /b"]);
    assert.deepEqual(await below("/two/a"), ["ann /b", "ann /two/a", "bob /b"]);
    assert.deepEqual(await below("/t"), ["ann /b", "bob /b"]);
    assert.equal((await below("/")).length, 4);
    assert.deepEqual(await paths({ session: "bob" }), [
      "bob /one/a",
      "bob /b",
    ]);
    assert.deepEqual(await paths({ path: "/b" }), ["ann /b", "bob /b"]);
    assert.deepEqual(await paths({ path: "/b", session: "bob" }), ["bob /b"]);
    assert.deepEqual(await paths({ token }), ["ann /b"]);
    assert.deepEqual(
      await paths({ overlapping: targetOf("/one", "folder") }),
      ["bob /one/a"],
    );
    assert.deepEqual(await paths({ path: "/none" }), []);
  });

  cases.test("a bus's lock is released at the end of its block", async (scene) => {
    const ann = await scene.bus("ann");
    const bob = await scene.bus("bob");
    const path = "/mbus-conformance/a.ts";
    const exclusive = { type: "exclusive" } as const;
    {
      await using lock = await ann.locks.acquire(path, exclusive);
      assert.equal(await bob.locks.tryAcquire(path), undefined);
      assert.equal((await bob.locks.holders(path))[0].token, lock.token);
    }
    const lock = await bob.locks.tryAcquire(path, exclusive);
    assert.equal(lock?.hold.session, "bob");
  });
}
