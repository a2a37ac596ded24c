/**
 * Tasks: exactly one has each, and what is not done comes back.
 *
 * @module
 */

import assert from "node:assert/strict";
import {
  InvalidInputError,
  NotHeldError,
  SessionEndedError,
  TaskStateError,
} from "../errors.ts";
import type { Store, TaskQuery } from "../store.ts";
import type { Claim, Task } from "../tasks.ts";
import type { Cases } from "./case.ts";
import { HOUR_MS, type Peer } from "./peer.ts";
import { GONE_PROCESS } from "./processes.ts";

const DONE = { status: "done", resultText: "null" } as const;
const FAILED = { status: "failed", resultText: '"why"' } as const;
const OPEN = { status: "open" } as const;

/** Claims a task. */
async function claim(
  peer: Peer,
  id: string,
  leaseMs = HOUR_MS,
): Promise<Claim> {
  return await peer.store.claimTask(id, peer.claimer({ leaseMs }));
}

/** Claims the next task; returns its id. */
async function next(
  peer: Peer,
  filter: Parameters<Store["claimNextTask"]>[0] = {},
): Promise<string | undefined> {
  return (await peer.store.claimNextTask(filter, peer.claimer()))?.id;
}

/** The tasks of no project. */
async function list(
  { store }: Peer,
  query: Partial<TaskQuery> = {},
): Promise<readonly Task[]> {
  return await store.tasks({ project: null, exactProject: true, ...query });
}

/** How a task stands. */
async function taskOf(peer: Peer, id: string): Promise<Task> {
  const [task] = await list(peer, { id });
  return task;
}

/** What was broadcast, in short. */
async function broadcasts({ store }: Peer): Promise<string[]> {
  const { messages } = await store.read(
    { channels: ["task_broadcast"], project: null, session: null },
    store.startCursor,
    1_000,
  );
  return messages.map(({ sender, payload }) => {
    const { event, task } = payload as Record<string, string>;
    return `${sender}: ${event} ${task}`;
  });
}

/** Refuses anything but the loss of this claim. */
function lossOf(held: Claim): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof NotHeldError, String(error));
    assert.equal(error.held, held.id);
    assert.equal(error.token, held.token);
    return true;
  };
}

/** Adds the cases. */
export function tasks(cases: Cases): void {
  const timed = cases.needing("movesClock");

  cases.test("a posted task is what was posted, and everybody sees it", async (scene) => {
    const [ann, bob] = await scene.two();
    await ann.post("T-0");
    const posted = await ann.post("T-1", {
      title: "write the parser",
      kind: "code",
      payloadText: '{"file":"a.ts"}',
      priority: 3,
      dependsOn: ["T-0"],
      project: null,
    });
    const { postedAt, changedAt, ...rest } = posted;
    assert.deepEqual(JSON.parse(JSON.stringify(rest)), {
      id: "T-1",
      title: "write the parser",
      kind: "code",
      payload: { file: "a.ts" },
      priority: 3,
      status: "open",
      dependsOn: ["T-0"],
      waitsFor: 1,
      attempts: 0,
      postedBy: "ann",
    });
    assert.equal(changedAt, postedAt);
    assert.deepEqual(await taskOf(bob, "T-1"), posted);
  });

  cases.test("an id is a task's own in its project", async (scene) => {
    const [ann, bob] = await scene.two();
    await ann.post("T-1");
    await assert.rejects(() => bob.post("T-1", { title: "2" }), TaskStateError);
    await bob.post("T-1", { project: "/one", title: "of one" });
    assert.equal((await taskOf(ann, "T-1")).title, "T-1");
    const all = await list(ann, { exactProject: false });
    assert.deepEqual(all.map(({ project }) => project), [undefined, "/one"]);
  });

  cases.test("a task depends only on those that are posted", async (scene) => {
    const ann = await scene.peer("ann");
    for (const dependsOn of [["T-2"], ["T-1"]]) {
      await assert.rejects(
        () => ann.post("T-1", { dependsOn }),
        InvalidInputError,
      );
    }
    assert.deepEqual(await list(ann), []);
    assert.deepEqual(await broadcasts(ann), []);
  });

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

  cases.test("of many that claim one at once, one gets it", async (scene) => {
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

  cases.test("many that claim the next at once get one each", async (scene) => {
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

  cases.test("the next is the one of the highest priority, then the oldest", async (scene) => {
    const [ann, bob] = await scene.two();
    const priorities = { a: 0, b: 5, c: -1, d: 5, e: 0 };
    for (const [id, priority] of Object.entries(priorities)) {
      await ann.post(id, { priority });
    }
    const order = ["b", "d", "a", "e", "c"];
    assert.deepEqual((await list(bob)).map(({ id }) => id), order);
    for (const id of order) assert.equal(await next(bob), id);
    assert.equal(await next(bob), undefined);
  });

  cases.test("one may choose by kind and priority, in one's project", async (scene) => {
    const ann = await scene.peer("ann");
    await ann.post("elsewhere", { project: "/one", kind: "code", priority: 9 });
    await ann.post("text", { kind: "text", priority: 8 });
    await ann.post("low", { kind: "code", priority: 1 });
    await ann.post("high", { kind: "code", priority: 5 });
    const filter = { kind: "code", priorityMin: 2 };
    assert.deepEqual((await list(ann, filter)).map(({ id }) => id), ["high"]);
    assert.equal(await next(ann, filter), "high");
    assert.equal(await next(ann, filter), undefined);
    assert.equal(await next(ann, { kind: "code" }), "low");
    assert.equal(await next(ann), "text");
    await assert.rejects(() => claim(ann, "elsewhere"), TaskStateError);
  });

  cases.test("tasks are listed by what is asked for", async (scene) => {
    const ann = await scene.peer("ann");
    for (const id of ["a", "b", "c"]) await ann.post(id);
    await claim(ann, "b");
    await ann.store.endClaim(await claim(ann, "c"), DONE);
    for (
      const [status, ids] of [
        ["open", ["a"]],
        ["claimed", ["b"]],
        ["done", ["c"]],
        ["failed", []],
      ] as const
    ) {
      assert.deepEqual((await list(ann, { status })).map(({ id }) => id), ids);
    }
    assert.deepEqual(await list(ann, { id: "none" }), []);
    assert.deepEqual(await list(ann, { project: "/one" }), []);
  });

  cases.test("a task is ready when all that it needs is done", async (scene) => {
    const ann = await scene.peer("ann");
    await ann.post("a");
    await ann.post("b");
    await ann.post("c", { dependsOn: ["a", "b"], priority: 9 });
    await assert.rejects(() => claim(ann, "c"), TaskStateError);
    assert.equal(await next(ann), "a");
    await ann.store.endClaim(await claim(ann, "b"), DONE);
    assert.equal((await taskOf(ann, "c")).waitsFor, 1);
    assert.equal(await next(ann), undefined);
    const a = (await taskOf(ann, "a")) as Claim;
    await ann.store.endClaim(a, DONE);
    assert.equal(await next(ann), "c");
  });

  cases.test("what failed holds up what needs it", async (scene) => {
    const ann = await scene.peer("ann");
    await ann.post("a");
    await ann.post("b", { dependsOn: ["a"] });
    await ann.store.endClaim(await claim(ann, "a"), FAILED);
    assert.equal((await taskOf(ann, "b")).waitsFor, 1);
    assert.equal(await next(ann), undefined);
  });

  cases.test("a task that needs what is done already is ready", async (scene) => {
    const ann = await scene.peer("ann");
    await ann.post("a");
    await ann.store.endClaim(await claim(ann, "a"), DONE);
    assert.equal((await ann.post("b", { dependsOn: ["a"] })).waitsFor, 0);
    assert.equal(await next(ann), "b");
  });

  cases.test("a claim ends once, with what came of it", async (scene) => {
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

  cases.test("what is given back is open for the next, under a greater token", async (scene) => {
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
    // Not under the right token for another session, nor under an old one for
    // the same.
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

  timed.test("a claim that is not renewed is open again, and the late one is told", async (scene) => {
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

  timed.test("a claim holds while it is renewed", async (scene) => {
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

  cases.test("what the dead had claimed is open again for who looks", async (scene) => {
    const ann = await scene.peer("ann", { start: GONE_PROCESS });
    const bob = await scene.peer("bob");
    for (const id of ["a", "b", "c"]) await bob.post(id);
    await claim(ann, "a");
    const held = await claim(bob, "a");
    assert.equal(held.attempts, 2);
    // Registered anew, it dies again.
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

  cases.test("every change is broadcast, and nothing else", async (scene) => {
    const [ann, bob] = await scene.two();
    await ann.post("a");
    let held = await claim(bob, "a");
    await bob.store.renewTask(held, HOUR_MS);
    await bob.store.endClaim(held, OPEN);
    held = await claim(bob, "a");
    await bob.store.endClaim(held, DONE);
    await ann.post("b");
    await ann.store.endClaim(await claim(ann, "b"), FAILED);
    await assert.rejects(() => claim(bob, "b"), TaskStateError);
    await ann.post("c");
    await claim(bob, "c");
    await bob.store.endSession("bob");
    assert.deepEqual(await broadcasts(ann), [
      "ann: posted a",
      "bob: claimed a",
      "bob: released a",
      "bob: claimed a",
      "bob: completed a",
      "ann: posted b",
      "ann: claimed b",
      "ann: failed b",
      "ann: posted c",
      "bob: claimed c",
      "bob: returned c",
    ]);
  });

  cases.test("a claim says which part of the session has it", async (scene) => {
    const ann = await scene.peer("ann");
    await ann.post("T-1");
    const claimer = ann.claimer({ agent: "reviewer" });
    const held = await ann.store.claimTask("T-1", claimer);
    assert.equal(held.agent, "reviewer");
    assert.equal((await taskOf(ann, "T-1")).agent, "reviewer");
    const open = await ann.store.endClaim(held, OPEN);
    assert.equal(open.agent, undefined);
  });

  cases.test("a bus works off a plan", async (scene) => {
    const ann = await scene.bus("ann");
    const bob = await scene.bus("bob");
    await ann.tasks.post({ id: "parse", title: "write the parser" });
    await ann.tasks.post({ id: "test", title: "t", dependsOn: ["parse"] });
    const done: string[] = [];
    for (const bus of [ann, bob, ann]) {
      const held = await bus.tasks.claimNext();
      if (held === undefined) continue;
      done.push(held.id);
      await bus.tasks.complete(held, { by: bus.session });
    }
    assert.deepEqual(done, ["parse", "test"]);
    assert.deepEqual((await ann.tasks.get("test"))?.result, { by: "bob" });
  });
}
