/**
 * Composition: several rules in one decision, all or none; each sees the changes
 * of earlier ones.
 *
 * @module
 */

import assert from "node:assert/strict";
import { LimitError, NotHeldError } from "../model/errors.ts";
import type { LockRequest } from "../model/lock.ts";
import type { Operation } from "../model/batch.ts";
import type { HostedProcess } from "../model/process.ts";
import { acquire, releaseLock } from "../rules/locks.ts";
import type { Decide, Moment } from "../rules/rule.ts";
import { claimNextTask } from "../rules/tasks.ts";
import type { Cases } from "./case.ts";
import { holders } from "./locks.ts";
import { heldBy, HOUR_MS, type Peer, targetOf } from "./peer.ts";
import { anotherProcess, GONE_PROCESS } from "./processes.ts";
import { claimDeliveries } from "../rules/deliveries.ts";
import type { SessionStart } from "../model/session.ts";

/** Runs rules as one decision of a session's store. */
async function decide<T>({ store }: Peer, rule: Decide<T>): Promise<T> {
  const guards = ["locks", "sessions", "tasks"] as const;
  return await store.store.update({
    act: "do several things",
    guards,
    decide: rule,
  });
}

function request(
  session: string,
  path: string,
  options: Partial<LockRequest> = {},
): LockRequest {
  return {
    session,
    agent: "",
    target: targetOf(path),
    type: "exclusive",
    leaseMs: HOUR_MS,
    takeOver: false,
    wait: false,
    actingFor: [],
    ...options,
  };
}

/** Returns the moment of another process, which counts as alive. */
function momentOf(process: Partial<HostedProcess>, at: Moment): Moment {
  return {
    nowMs: at.nowMs,
    self: { ...at.self, ...process },
    life: (judged) => judged.pid === process.pid ? "alive" : at.life(judged),
    nextToken: () => at.nextToken(),
    incarnations: at.incarnations,
  };
}

/** Adds the cases. */
export function composition(cases: Cases): void {
  const batched = cases.needing("atomicBatches");

  batched.test("two steps of a batch change one record", async (scene) => {
    const [ann, bob] = await scene.two();
    const hold = await ann.hold("/a");
    await ann.hold("/a");
    const waiter = await bob.queue("/a");
    const release: Operation = { kind: "release-lock", hold };
    const update = (status: "idle" | "active"): Operation => ({
      kind: "update-session",
      id: "ann",
      change: { status, ...(status === "idle" && { task: "T-1" }) },
    });
    await assert.rejects(
      () => ann.store.batch([release, release, release]),
      NotHeldError,
    );
    assert.deepEqual(await holders(bob.store), ["ann"]);
    await ann.store.batch([release, update("idle"), release, update("active")]);
    heldBy(await bob.check(waiter));
    const { status, task } = (await bob.store.session("ann"))!;
    assert.deepEqual([status, task], ["active", "T-1"]);
  });

  cases.test("a decision's own locks count towards the limit", async (scene) => {
    const [ann, bob] = await scene.two();
    await ann.hold("/0");
    const taking = (...paths: readonly string[]) =>
      decide(ann, function* (records, at) {
        for (const path of paths) {
          yield* acquire(records, at, request("ann", path), 3);
        }
      });
    await assert.rejects(taking("/1", "/2", "/3"), LimitError);
    assert.deepEqual(await holders(bob.store), ["ann"]);
    await taking("/1", "/1", "/2");
    assert.equal((await holders(bob.store)).length, 3);
    // A released lock frees its place within the decision.
    const [{ token, ...hold }] = await bob.store.locks({
      project: null,
      path: "/2",
    });
    await decide(ann, function* (records, at) {
      yield* releaseLock(records, at, { ...hold, token });
      yield* acquire(records, at, request("ann", "/3"), 3);
    });
    await assert.rejects(taking("/4"), LimitError);
  });

  cases.test("a decision that claims several tasks gets each one once", async (scene) => {
    const [ann, bob] = await scene.two();
    for (const id of ["T-1", "T-2", "T-3"]) await ann.post(id);
    const ids = await decide(ann, function* (records, at) {
      const ids: (string | undefined)[] = [];
      for (let i = 0; i < 4; i++) {
        const claim = yield* claimNextTask(records, at, {}, ann.claimer());
        ids.push(claim?.id);
      }
      return ids;
    });
    assert.deepEqual(ids, ["T-1", "T-2", "T-3", undefined]);
    assert.equal(await bob.store.claimNextTask({}, bob.claimer()), undefined);
  });

  cases.test("a lock granted to a process that dies first passes to the next waiter", async (scene) => {
    const [ann, bob] = await scene.two();
    const eve = await scene.peer("eve");
    const looks: readonly (() => Promise<unknown>)[] = [
      () => eve.store.locks({ project: null }),
      () => ann.ask("/a"),
      () => eve.store.purge(),
    ];
    const gone = { pid: GONE_PROCESS.pid!, startTime: "1" };
    for (const look of looks) {
      const hold = await ann.hold("/a");
      await decide(bob, function* (records, at) {
        const wish = request("bob", "/a", { wait: true });
        yield* acquire(records, momentOf(gone, at), wish, 9);
      });
      const waiter = await eve.queue("/a");
      await decide(ann, function* (records, at) {
        yield* releaseLock(records, momentOf(gone, at), hold);
      });
      await look();
      const granted = heldBy(await eve.check(waiter));
      // The waiter's session continues.
      assert.equal((await eve.store.session("bob"))?.status, "active");
      assert.deepEqual(await holders(ann.store), ["eve"]);
      assert.deepEqual(await ann.store.lockWaiters(targetOf("/a")), []);
      await eve.store.releaseLock(granted);
    }
  });

  cases.test("a message that a living process has claimed is not claimed again", async (scene) => {
    const [ann, bob] = await scene.two();
    const ids: string[] = [];
    for (let i = 0; i < 4; i++) ids.push(await ann.append(i, { to: "bob" }));
    const claim = (limit: number) =>
      bob.store.claimDeliveries("bob", ids, limit);
    const claimAs = async (
      { pid, processStart }: Pick<SessionStart, "pid" | "processStart">,
      limit: number,
    ) => {
      const process = { pid: pid!, startTime: processStart! };
      return await decide(bob, function* (records, at) {
        const moment = momentOf(process, at);
        return yield* claimDeliveries(records, moment, "bob", ids, limit);
      });
    };
    assert.deepEqual(await claimAs(anotherProcess(), 1), [ids[0]]);
    assert.deepEqual(await claimAs(GONE_PROCESS, 1), [ids[1]]);
    // The claim of a dead process lapses.
    assert.deepEqual(await claim(2), [ids[1], ids[2]]);
    assert.deepEqual(await claim(9), [ids[1], ids[2], ids[3]]);
    assert.deepEqual(await claimAs(anotherProcess(), 9), [ids[0]]);
    await bob.store.moveDeliveries("bob", [ids[0], ids[1]], "acked");
    assert.deepEqual(await claim(9), [ids[2], ids[3]]);
    assert.deepEqual(await ann.store.claimDeliveries("ann", ids, 9), []);
  });
}
