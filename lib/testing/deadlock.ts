/**
 * Deadlock: a wait that would close a cycle is refused at once.
 *
 * @module
 */

import assert from "node:assert/strict";
import { DeadlockError } from "../model/errors.ts";
import type { Cases } from "./case.ts";
import { holders } from "./locks.ts";
import { heldBy, type Peer, targetOf } from "./peer.ts";

const ADVISORY = { type: "advisory" } as const;
const WAIT = { wait: true } as const;

/** Asserts a refusal with this cycle, as `session path session`. */
async function assertCycle(
  ask: () => Promise<unknown>,
  steps: readonly string[],
): Promise<void> {
  await assert.rejects(ask, (error) => {
    assert.ok(error instanceof DeadlockError, String(error));
    assert.deepEqual(
      error.cycle.map(({ session, path, waitsFor }) =>
        `${session} ${path} ${waitsFor}`
      ),
      steps,
    );
    return true;
  });
}

/** Returns three sessions, each holding the path of its number. */
async function three(
  scene: { peer(id: string): Promise<Peer> },
): Promise<Peer[]> {
  const peers = [];
  for (const id of ["s0", "s1", "s2"]) peers.push(await scene.peer(id));
  for (const [i, peer] of peers.entries()) await peer.hold(`/${i}`);
  return peers;
}

/** Adds the cases. */
export function deadlock(cases: Cases): void {
  cases.test("a cycle of two sessions is refused and listed", async (scene) => {
    const [s0, s1] = await three(scene);
    await s1.queue("/0");
    await assertCycle(() => s0.ask("/1", WAIT), ["s0 /1 s1", "s1 /0 s0"]);
  });

  cases.test("a cycle of three sessions is refused and listed", async (scene) => {
    const [s0, s1, s2] = await three(scene);
    await s0.queue("/1");
    await s1.queue("/2");
    await assertCycle(() => s2.ask("/0", WAIT), [
      "s2 /0 s0",
      "s0 /1 s1",
      "s1 /2 s2",
    ]);
  });

  cases.test("a refused waiter leaves nothing behind", async (scene) => {
    const [s0, s1] = await three(scene);
    const waiter = await s1.queue("/0");
    await assert.rejects(() => s0.ask("/1", WAIT), DeadlockError);
    assert.deepEqual(await s0.store.lockWaiters(targetOf("/1")), []);
    assert.deepEqual(await holders(s0.store), ["s0", "s1", "s2"]);
    // Releasing its own hold ends the wait of the other session.
    const [own] = await s0.store.locks({ project: null, path: "/0" });
    await s0.store.releaseLock(own);
    heldBy(await s1.check(waiter));
  });

  cases.test("a request that does not wait is refused without a cycle", async (scene) => {
    const [s0, s1] = await three(scene);
    await s1.queue("/0");
    assert.equal((await s0.ask("/1")).state, "refused");
  });

  cases.test("a line of waiters is not a cycle", async (scene) => {
    const [s0, s1, s2] = await three(scene);
    await s1.queue("/0");
    await s2.queue("/0");
    await s2.queue("/1");
    assert.equal((await s0.store.lockWaiters(targetOf("/0"))).length, 2);
  });

  cases.test("two holders of a path that both upgrade are a cycle", async (scene) => {
    const [s0, s1] = await three(scene);
    const mine = await s0.hold("/a", ADVISORY);
    const yours = await s1.hold("/a", ADVISORY);
    const waiter = await s0.queue("/a", { upgrades: mine.token });
    await assertCycle(
      () => s1.ask("/a", { ...WAIT, upgrades: yours.token }),
      ["s1 /a s0", "s0 /a s1"],
    );
    await s1.store.releaseLock(yours);
    assert.equal(heldBy(await s0.check(waiter)).type, "exclusive");
  });

  cases.test("earlier waiters count for a cycle", async (scene) => {
    const [s0, s1, s2] = await three(scene);
    await s0.hold("/a", ADVISORY);
    await s1.queue("/a");
    // s0's lock would admit s2, but s1 waits before it.
    await s2.queue("/a", ADVISORY);
    await assertCycle(() => s1.ask("/2", { ...WAIT, agent: "x" }), [
      "s1 /2 s2",
      "s2 /a s1",
    ]);
  });

  cases.test("a cycle through folders and globs is refused", async (scene) => {
    const [s0, s1] = await three(scene);
    await s0.hold("/src", { kind: "folder" });
    await s1.hold("/lib/*.ts", { kind: "glob" });
    await s1.queue("/src/a.ts");
    await assertCycle(() => s0.ask("/lib/a.ts", WAIT), [
      "s0 /lib/a.ts s1",
      "s1 /src/a.ts s0",
    ]);
  });

  cases.test("a session that acts for another waits for no session that waits for that one", async (scene) => {
    const [, s1] = await three(scene);
    const helper = await scene.peer("helper");
    await s1.queue("/0");
    // s0 waits until its helper ends.
    await assertCycle(() => helper.ask("/1", { ...WAIT, actingFor: ["s0"] }), [
      "helper /1 s1",
      "s1 /0 s0",
      "s0 /1 helper",
    ]);
    assert.equal(
      (await helper.ask("/1", { actingFor: ["s0"] })).state,
      "refused",
    );
  });

  cases.test("a session cannot wait for a session whose helper waits for it", async (scene) => {
    const [, s1, s2] = await three(scene);
    const helper = await scene.peer("helper");
    await helper.queue("/1", { actingFor: ["s0"] });
    await assertCycle(() => s1.ask("/0", WAIT), [
      "s1 /0 s0",
      "s0 /1 helper",
      "helper /1 s1",
    ]);
    // s2 holds nothing that the helper or s0 waits for.
    await s2.queue("/0");
  });

  cases.test("one of two sessions that wait for each other at once is refused", async (scene) => {
    const [s0, s1] = await three(scene);
    const settled = await Promise.allSettled([
      s0.ask("/1", WAIT),
      s1.ask("/0", WAIT),
    ]);
    const states = settled.map((each) =>
      each.status === "fulfilled" ? each.value.state : each.reason.name
    );
    assert.deepEqual(states.toSorted(), ["DeadlockError", "waiting"]);
  });
}
