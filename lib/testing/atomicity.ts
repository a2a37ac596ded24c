/**
 * Atomicity: a refused operation changes nothing, and a batch is all or none.
 *
 * @module
 */

import assert from "node:assert/strict";
import { MessageBusError, NotHeldError } from "../model/errors.ts";
import type { Operation } from "../model/batch.ts";
import type { Cases } from "./case.ts";
import { everything } from "./everything.ts";
import { holders } from "./locks.ts";
import { heldBy, HOUR_MS } from "./peer.ts";

const DONE = { status: "done", resultText: '"well"' } as const;

/** Adds the cases. */
export function atomicity(cases: Cases): void {
  const batched = cases.needing("atomicBatches");

  cases.test("a refused operation changes nothing", async (scene) => {
    const [ann, bob] = await scene.two();
    const eve = await scene.peer("eve");
    const { store } = ann;
    const gone = await ann.hold("/gone");
    await store.releaseLock(gone);
    const held = await ann.hold("/a");
    await bob.hold("/b");
    await bob.queue("/a");
    await ann.post("T-1");
    const stale = await store.claimTask("T-1", ann.claimer());
    await store.endClaim(stale, { status: "open" });
    const claim = await bob.store.claimTask("T-1", bob.claimer());
    await eve.store.endSession("eve");
    const interest = { channels: ["a"], project: null, session: null };
    await bob.store.takeDurable("d", interest, store.startCursor);
    const before = await everything(store);
    const nobody = ann.message(2, { to: "nobody" });
    const refused: Readonly<Record<string, () => Promise<unknown>>> = {
      "a message for nobody": () => ann.appendAll([ann.message(1), nobody]),
      "a name in use": () =>
        store.takeDurable("d", interest, store.startCursor),
      "an unknown session's change": () =>
        store.updateSession("nobody", { status: "idle" }),
      "an unknown session's activity": () =>
        store.noteActivity("nobody", { touched: ["/a"] }),
      "a cycle": () => ann.ask("/b", { wait: true }),
      "an ended session's lock": () => eve.ask("/free"),
      "a lock that is gone": () => store.releaseLock(gone),
      "a lock that is gone, renewed": () => store.renewLock(gone, HOUR_MS),
      "an upgrade of what is gone": () =>
        ann.ask("/gone", { upgrades: gone.token }),
      "a task that is there": () => bob.post("T-1"),
      "a task that needs none": () => bob.post("T-2", { dependsOn: ["none"] }),
      "a claim of what is claimed": () => store.claimTask("T-1", ann.claimer()),
      "a claim of nothing": () => store.claimTask("none", ann.claimer()),
      "an ended session's claim": () => store.claimNextTask({}, eve.claimer()),
      "a stale claim's end": () => store.endClaim(stale, DONE),
      "a stale claim's renewal": () => store.renewTask(stale, HOUR_MS),
    };
    for (const [what, act] of Object.entries(refused)) {
      await assert.rejects(act, MessageBusError, what);
      assert.deepEqual(await everything(store), before, what);
    }
    // Earlier records are unchanged.
    await store.releaseLock(held);
    await bob.store.endClaim(claim, DONE);
  });

  batched.test("a batch performs all of its steps in order", async (scene) => {
    const [ann, bob] = await scene.two();
    const hold = await ann.hold("/a");
    const waiter = await bob.queue("/a");
    await ann.post("T-1");
    const claim = await ann.store.claimTask("T-1", ann.claimer());
    const operations: Operation[] = [
      { kind: "append", message: ann.message("first") },
      { kind: "release-lock", hold },
      { kind: "end-claim", claim, end: DONE },
      {
        kind: "post-task",
        posting: {
          id: "T-2",
          title: "next",
          payloadText: "null",
          priority: 0,
          dependsOn: ["T-1"],
          project: null,
          session: "ann",
        },
      },
      { kind: "update-session", id: "ann", change: { status: "idle" } },
      { kind: "append", message: ann.message("last", { to: "bob" }) },
    ];
    const results = await ann.store.batch(operations);
    assert.deepEqual(
      results.map(({ kind }) => kind),
      operations.map(({ kind }) => kind),
    );
    const [first, , ended, posted, updated, last] = results;
    assert.ok(first.kind === "append" && last.kind === "append");
    assert.equal(last.appended.to, "bob");
    const read = await bob.page(undefined, { session: "bob" });
    assert.deepEqual(
      read.messages.map(({ id, payload }) => [id, payload]),
      [[first.appended.id, "first"], [last.appended.id, "last"]],
    );
    assert.ok(ended.kind === "end-claim" && posted.kind === "post-task");
    assert.equal(ended.task.status, "done");
    assert.equal(posted.task.waitsFor, 0);
    assert.ok(updated.kind === "update-session");
    assert.equal(updated.session.status, "idle");
    // The released lock passed to the waiter.
    assert.deepEqual(await holders(ann.store), ["bob"]);
    heldBy(await bob.check(waiter));
  });

  batched.test("a step of a batch may depend on an earlier one", async (scene) => {
    const ann = await scene.peer("ann");
    await ann.post("T-1");
    const claim = await ann.store.claimTask("T-1", ann.claimer());
    await assert.rejects(
      () =>
        ann.store.batch([
          { kind: "end-claim", claim, end: DONE },
          { kind: "end-claim", claim, end: DONE },
        ]),
      NotHeldError,
    );
    const [task] = await ann.store.tasks({ project: null, exactProject: true });
    assert.equal(task.status, "claimed");
  });

  batched.test("a batch with a refused step changes nothing", async (scene) => {
    const [ann, bob] = await scene.two();
    const gone = await ann.hold("/gone");
    await ann.store.releaseLock(gone);
    const hold = await ann.hold("/a");
    await bob.queue("/a");
    await ann.post("T-1");
    const claim = await ann.store.claimTask("T-1", ann.claimer());
    const good: Operation[] = [
      { kind: "append", message: ann.message(1) },
      { kind: "release-lock", hold },
      { kind: "end-claim", claim, end: DONE },
      { kind: "update-session", id: "ann", change: { status: "idle" } },
    ];
    const bad: Operation[] = [
      { kind: "append", message: ann.message(1, { to: "nobody" }) },
      { kind: "release-lock", hold: gone },
      { kind: "end-claim", claim: { ...claim, token: 0 }, end: DONE },
      { kind: "update-session", id: "nobody", change: {} },
    ];
    const before = await everything(bob.store);
    for (const [i, step] of bad.entries()) {
      for (const operations of [[...good, step], [step, ...good]]) {
        await assert.rejects(
          () => ann.store.batch(operations),
          MessageBusError,
        );
        assert.deepEqual(await everything(bob.store), before, `${i}`);
      }
    }
    await ann.store.batch(good);
  });

  batched.test("an empty batch changes nothing", async (scene) => {
    const ann = await scene.peer("ann");
    const before = await everything(ann.store);
    assert.deepEqual(await ann.store.batch([]), []);
    assert.deepEqual(await everything(ann.store), before);
  });

  batched.test("a bus's batch keeps its place in the order of publishes", async (scene) => {
    const ann = await scene.bus("ann");
    await ann.tasks.post({ id: "T-1", title: "t" });
    const claim = await ann.tasks.claim("T-1");
    await Promise.all([
      ann.publish("b", 1),
      ann.batch((b) => {
        b.publish("b", 2);
        b.complete(claim);
        b.publish("b", 3);
      }),
      ann.publish("b", 4),
    ]);
    const { messages } = await ann.poll("b");
    assert.deepEqual(messages.map(({ payload }) => payload), [1, 2, 3, 4]);
    assert.equal((await ann.tasks.get("T-1"))?.status, "done");
  });

  cases.lacking("atomicBatches").test(
    "a bus refuses what its store can't do together",
    async (scene) => {
      const ann = await scene.bus("ann");
      await assert.rejects(() => ann.batch((b) => b.publish("b", 1)), {
        name: "InvalidInputError",
        field: "batch",
      });
    },
  );
}
