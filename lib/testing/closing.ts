/**
 * Closing: everything ends once, and acknowledged messages stay.
 *
 * @module
 */

import assert from "node:assert/strict";
import { ClosedError } from "../model/errors.ts";
import type { Cases } from "./case.ts";
import { HOUR_MS, ON_CHANNEL, payloadsOf, targetOf } from "./peer.ts";
import { WakeUp, within } from "./waiting.ts";

/** Adds the cases. */
export function closing(cases: Cases): void {
  cases.test("closing and disposing a store twice have no effect", async (scene) => {
    const store = await scene.store();
    await Promise.all([store.close(), store.close()]);
    await store.close();
    await store[Symbol.asyncDispose]();
  });

  cases.test("an acknowledged message is there after reopening", async (scene) => {
    const [ann, bob] = await scene.two();
    const id = await ann.append(1);
    const hold = await ann.hold("/a");
    await ann.post("T-1");
    const claim = await ann.store.claimTask("T-1", ann.claimer());
    const reader = await ann.store.takeDurable(
      "d",
      ON_CHANNEL,
      ann.store.startCursor,
    );
    await ann.store.advanceDurable(reader, id);
    await ann.store.releaseDurable(reader);
    await ann.store.close();
    await bob.store.close();
    const store = await scene.store();
    const { messages } = await store.read(ON_CHANNEL, store.startCursor, 10);
    assert.deepEqual(messages.map((message) => message.id), [id]);
    assert.deepEqual(await store.locks({ project: null }), [hold]);
    const [task] = await store.tasks({ project: null, exactProject: true });
    assert.equal(task.token, claim.token);
    const again = await store.takeDurable("d", ON_CHANNEL, store.startCursor);
    const page = await store.readDurable(again, ON_CHANNEL, again.cursor, 10);
    assert.deepEqual(page.messages, []);
  });

  cases.test("closing a store ends no session", async (scene) => {
    const [ann, bob] = await scene.two();
    const woken = new WakeUp();
    using _watch = await bob.store.watch(ON_CHANNEL, woken.wake);
    await ann.store.close();
    await bob.append(1);
    await woken.next("its own message");
    assert.deepEqual(await bob.read(), [1]);
    // Closing a store ends no session.
    assert.equal((await bob.store.session("ann"))?.status, "active");
  });

  cases.test("a closed store refuses every operation", async (scene) => {
    const [ann] = await scene.two();
    const { store } = ann;
    const id = await ann.append(1, { to: "bob" });
    const hold = await ann.hold("/a");
    await ann.post("T-1");
    const claim = await store.claimTask("T-1", ann.claimer());
    const reader = await store.takeDurable("d", ON_CHANNEL, store.startCursor);
    await store.close();
    const target = targetOf("/a");
    const acts: Readonly<Record<string, () => Promise<unknown>>> = {
      append: () => ann.append(2),
      "append of several": () =>
        ann.appendAll([ann.message(1), ann.message(2)]),
      read: () => ann.read(),
      endCursor: () => store.endCursor(),
      watch: () => store.watch(ON_CHANNEL, () => {}),
      takeDurable: () => store.takeDurable("e", ON_CHANNEL, id),
      readDurable: () => store.readDurable(reader, ON_CHANNEL, id, 1),
      advanceDurable: () => store.advanceDurable(reader),
      releaseDurable: () => store.releaseDurable(reader),
      registerSession: () => ann.register(),
      updateSession: () => store.updateSession("ann", {}),
      endSession: () => store.endSession("ann"),
      session: () => store.session("ann"),
      sessions: () => store.sessions({ project: null, ended: true }),
      acquireLock: () => ann.ask("/b"),
      checkWaiter: () => ann.check("1"),
      leaveQueue: () => store.leaveQueue("1"),
      renewLock: () => store.renewLock(hold, HOUR_MS),
      releaseLock: () => store.releaseLock(hold),
      locks: () => store.locks({ project: null }),
      othersFiles: () =>
        store.othersFiles("ann", { project: null, folders: [] }, 10),
      lockWaiters: () => store.lockWaiters(target),
      postTask: () => ann.post("T-2"),
      claimTask: () => store.claimTask("T-1", ann.claimer()),
      claimNextTask: () => store.claimNextTask({}, ann.claimer()),
      renewTask: () => store.renewTask(claim, HOUR_MS),
      endClaim: () => store.endClaim(claim, { status: "open" }),
      tasks: () => store.tasks({ project: null, exactProject: true }),
      pendingFor: () => store.pendingFor("bob", store.startCursor, 10),
      answerTo: () => store.answerTo("ann", id),
      claimDeliveries: () => store.claimDeliveries("bob", [id], 1),
      moveDeliveries: () => store.moveDeliveries("bob", [id], "acked"),
      delivery: () => store.delivery(id),
      watchChanges: () => store.watchChanges("locks", null, () => {}),
      readNotes: () => store.readNotes("ann", ["k"]),
      noteActivity: () => store.noteActivity("ann", {}),
      guardEdit: () =>
        store.guardEdit({
          session: "ann",
          agent: "",
          targets: [{ target }],
          leaseMs: HOUR_MS,
          actingFor: [],
          informed: true,
        }),
      touchesOf: () => store.touchesOf("/a", 0),
      touchesBelow: () =>
        store.touchesBelow({
          folder: "/a",
          session: "ann",
          sinceMs: 0,
          limit: 1,
        }),
      moveBranch: () =>
        store.moveBranch({
          worktree: "/a",
          branch: null,
          session: "ann",
          isOwn: false,
        }),
      batch: () => store.batch([{ kind: "append", message: ann.message(3) }]),
      purge: () => store.purge(),
      stats: () => store.stats(),
    };
    for (const [name, act] of Object.entries(acts)) {
      if (name === "batch" && !store.capabilities.atomicBatches) continue;
      // An operation that throws synchronously fails here.
      await assert.rejects(act(), ClosedError, name);
    }
  });

  cases.test("a watch of a closed store wakes no reader", async (scene) => {
    const [ann, bob] = await scene.two();
    const [ended, open] = [new WakeUp(), new WakeUp()];
    const watch = await ann.store.watch(ON_CHANNEL, ended.wake);
    await bob.store.watch(ON_CHANNEL, open.wake);
    await ann.store.close();
    const { count } = ended;
    await bob.append(1);
    await open.next("the message");
    assert.equal(ended.count, count);
    watch.close();
  });

  cases.test("a bus that closes commits what it has published", async (scene) => {
    const ann = await scene.bus("ann");
    const bob = await scene.bus("bob");
    const publishing = Promise.all([ann.publish("b", 1), ann.publish("b", 2)]);
    await ann.close();
    await publishing;
    const { messages } = await bob.poll("b");
    assert.deepEqual(payloadsOf(messages), [1, 2]);
  });

  cases.test("a closed bus ends its subscriptions and refuses calls", async (scene) => {
    const ann = await scene.bus("ann");
    const reader = ann.subscribe("b");
    await reader.ready;
    const coming = reader.next();
    await ann.close();
    const { done } = await within("the end", coming);
    assert.equal(done, true);
    await assert.rejects(() => ann.publish("b", 1), ClosedError);
    await assert.rejects(() => ann.poll("b"), ClosedError);
    assert.throws(() => ann.subscribe("b"), ClosedError);
  });

  cases.test("a bus closes when its signal is aborted", async (scene) => {
    const abort = new AbortController();
    const ann = await scene.bus("ann", { signal: abort.signal });
    const bob = await scene.bus("bob");
    await ann.publish("b", 1);
    abort.abort();
    await ann.close();
    await assert.rejects(() => ann.publish("b", 2), ClosedError);
    assert.deepEqual(await bob.sessions.list(), []);
  });
}
