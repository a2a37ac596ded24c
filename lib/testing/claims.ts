/**
 * Claims: one session holds a task, and an unfinished task is requeued.
 *
 * @module
 */

import assert from "node:assert/strict";
import {
  NotHeldError,
  SessionEndedError,
  TaskStateError,
} from "../model/errors.ts";
import type { Claim } from "../model/task.ts";
import type { Cases } from "./case.ts";
import { HOUR_MS } from "./peer.ts";
import { GONE_PROCESS } from "./processes.ts";
import {
  broadcasts,
  claim,
  DONE,
  FAILED,
  next,
  OPEN,
  taskOf,
} from "./tasks.ts";

/** Asserts that an error is the loss of this claim. */
function lossOf(held: Claim): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof NotHeldError, String(error));
    assert.equal(error.held, held.id);
    assert.equal(error.token, held.token);
    return true;
  };
}

/** Adds the cases. */
export function claims(cases: Cases): void {
  const timed = cases.needing("movesClock");

  cases.test("a task has one holder", async (scene) => {
    const [ann, bob] = await scene.two();
    await ann.post("T-1");
    const held = await claim(bob, "T-1");
    assert.equal(held.status, "claimed");
    assert.equal(held.session, "bob");
    assert.equal(held.attempts, 1);
    for (const peer of [ann, bob]) {
      await assert.rejects(() => claim(peer, "T-1"), (error) => {
        assert.ok(error instanceof TaskStateError);
        assert.equal(error.task, "T-1");
        assert.match(error.message, /bob/);
        return true;
      });
    }
    assert.equal(await next(ann), undefined);
    assert.equal((await taskOf(ann, "T-1")).token, held.token);
  });

  cases.test("one session gets a task that many claim at once", async (scene) => {
    const peers = [...await scene.two(), await scene.peer("eve")];
    for (let i = 0; i < 5; i++) {
      await peers[0].post(`T-${i}`);
      const settled = await Promise.allSettled(
        peers.flatMap((peer) => [claim(peer, `T-${i}`), claim(peer, `T-${i}`)]),
      );
      const won = settled.filter(({ status }) => status === "fulfilled");
      assert.equal(won.length, 1);
      assert.equal((await taskOf(peers[0], `T-${i}`)).attempts, 1);
    }
  });

  cases.test("many sessions that claim the next task at once get one each", async (scene) => {
    const peers = [...await scene.two(), await scene.peer("eve")];
    for (let i = 0; i < 8; i++) await peers[0].post(`T-${i}`);
    const claims = await Promise.all(
      Array.from(
        { length: 10 },
        (_, i) => peers[i % 3].store.claimNextTask({}, peers[i % 3].claimer()),
      ),
    );
    const got = claims.filter((each) => each !== undefined);
    assert.equal(got.length, 8);
    assert.equal(new Set(got.map(({ id }) => id)).size, 8);
    assert.equal(new Set(got.map(({ token }) => token)).size, 8);
  });

  cases.test("a claim ends once, with its result", async (scene) => {
    const [ann, bob] = await scene.two();
    for (const [id, end] of [["a", DONE], ["b", FAILED]] as const) {
      await ann.post(id);
      const held = await claim(bob, id);
      const ended = await bob.store.endClaim(held, {
        ...end,
        resultText: '{"lines":1}',
      });
      assert.equal(ended.status, end.status);
      assert.deepEqual(ended.result, { lines: 1 });
      assert.equal(ended.session, "bob");
      assert.equal(ended.token, undefined);
      assert.deepEqual(await taskOf(ann, id), ended);
      await assert.rejects(() => bob.store.endClaim(held, DONE), lossOf(held));
      await assert.rejects(
        () => bob.store.renewTask(held, HOUR_MS),
        lossOf(held),
      );
      await assert.rejects(() => claim(ann, id), TaskStateError);
      assert.equal((await taskOf(ann, id)).status, end.status);
    }
  });

  cases.test("a released task is claimed again under a greater token", async (scene) => {
    const [ann, bob] = await scene.two();
    await ann.post("T-1");
    const first = await claim(ann, "T-1");
    const open = await ann.store.endClaim(first, OPEN);
    assert.equal(open.status, "open");
    assert.equal(open.session, undefined);
    const second = await claim(bob, "T-1");
    assert.ok(second.token > first.token);
    assert.equal(second.attempts, 2);
    await assert.rejects(() => ann.store.endClaim(first, DONE), lossOf(first));
    // Neither with the token in another session, nor with an old token.
    const forged = { ...second, session: "ann" };
    await assert.rejects(() => ann.store.endClaim(forged, DONE), NotHeldError);
    await bob.store.endClaim(second, OPEN);
    const third = await claim(bob, "T-1");
    await assert.rejects(
      () => bob.store.endClaim(second, DONE),
      lossOf(second),
    );
    await assert.rejects(
      () => bob.store.renewTask(second, HOUR_MS),
      lossOf(second),
    );
    assert.equal((await taskOf(ann, "T-1")).token, third.token);
  });

  timed.test("a claim that is not renewed is requeued, and its late holder gets an error", async (scene) => {
    const [ann, bob] = await scene.two();
    await ann.post("T-1");
    const late = await claim(ann, "T-1", 60_000);
    await scene.advance(30_000);
    assert.equal(await next(bob), undefined);
    await scene.advance(60_000);
    await assert.rejects(() => ann.store.endClaim(late, DONE), lossOf(late));
    await assert.rejects(
      () => ann.store.renewTask(late, HOUR_MS),
      lossOf(late),
    );
    const held = await claim(bob, "T-1");
    assert.equal(held.attempts, 2);
    await assert.rejects(() => ann.store.endClaim(late, DONE), lossOf(late));
    assert.ok((await broadcasts(ann)).includes("ann: returned T-1"));
  });

  timed.test("a claim holds while its session renews it", async (scene) => {
    const [ann, bob] = await scene.two();
    await ann.post("T-1");
    let held = await claim(ann, "T-1", 60_000);
    for (let i = 0; i < 3; i++) {
      await scene.advance(30_000);
      held = await ann.store.renewTask(held, 60_000);
    }
    await scene.advance(30_000);
    assert.equal(await next(bob), undefined);
    await ann.store.endClaim(held, DONE);
  });

  cases.test("a look requeues the tasks of a dead session", async (scene) => {
    const ann = await scene.peer("ann", { start: GONE_PROCESS });
    const bob = await scene.peer("bob");
    for (const id of ["a", "b", "c"]) await bob.post(id);
    await claim(ann, "a");
    const held = await claim(bob, "a");
    assert.equal(held.attempts, 2);
    // The session registers again, and dies again.
    await ann.register(GONE_PROCESS);
    await claim(ann, "b");
    await claim(ann, "c");
    assert.equal(await next(bob), "b");
    assert.equal((await taskOf(bob, "c")).status, "open");
  });

  cases.test("an ended session claims nothing", async (scene) => {
    const [ann, bob] = await scene.two();
    await ann.post("T-1");
    await bob.store.endSession("ann");
    await assert.rejects(() => claim(ann, "T-1"), SessionEndedError);
    await assert.rejects(() => next(ann), SessionEndedError);
    assert.equal((await taskOf(bob, "T-1")).attempts, 0);
  });

  cases.test("a claim names the part of the session that holds it", async (scene) => {
    const ann = await scene.peer("ann");
    await ann.post("T-1");
    const claimer = ann.claimer({ agent: "reviewer" });
    const held = await ann.store.claimTask("T-1", claimer);
    assert.equal(held.agent, "reviewer");
    assert.equal((await taskOf(ann, "T-1")).agent, "reviewer");
    const open = await ann.store.endClaim(held, OPEN);
    assert.equal(open.agent, undefined);
  });
}
