/**
 * Tasks: posting, order and dependencies.
 *
 * @module
 */

import type { Operations } from "../bus/operations.ts";
import assert from "node:assert/strict";
import {
  InvalidInputError,
  NotHeldError,
  TaskStateError,
  UnknownSessionError,
} from "../model/errors.ts";
import type { TaskQuery } from "../model/task.ts";
import type { Claim, Task } from "../model/task.ts";
import type { Cases } from "./case.ts";
import { HOUR_MS, type Peer } from "./peer.ts";
import { within } from "./waiting.ts";

/** End of a done task without a result. */
export const DONE = { status: "done", resultText: "null" } as const;
/** End of a failed task with a reason. */
export const FAILED = { status: "failed", resultText: '"why"' } as const;
/** End of a released claim. */
export const OPEN = { status: "open" } as const;

/** Claims a task. */
export async function claim(
  peer: Peer,
  id: string,
  leaseMs = HOUR_MS,
): Promise<Claim> {
  return await peer.store.claimTask(id, peer.claimer({ leaseMs }));
}

/** Claims the next task; returns its id. */
export async function next(
  peer: Peer,
  filter: Parameters<Operations["claimNextTask"]>[0] = {},
): Promise<string | undefined> {
  return (await peer.store.claimNextTask(filter, peer.claimer()))?.id;
}

/** Returns tasks of no project. */
async function list(
  { store }: Peer,
  query: Partial<TaskQuery> = {},
): Promise<readonly Task[]> {
  return await store.tasks({ project: null, exactProject: true, ...query });
}

/** Returns the status of a task. */
export async function taskOf(peer: Peer, id: string): Promise<Task> {
  const [task] = await list(peer, { id });
  return task;
}

/** Returns announcements of tasks, in short. */
export async function broadcasts({ store }: Peer): Promise<string[]> {
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

/** Lets a claim begin to wait. */
async function pause(ms: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, ms));
}

/** Adds the cases. */
export function tasks(cases: Cases): void {
  cases.test("a posted task has the posted fields for every store", async (scene) => {
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

  cases.test("an id is unique among tasks of a project", async (scene) => {
    const [ann, bob] = await scene.two();
    await ann.post("T-1");
    await assert.rejects(() => bob.post("T-1", { title: "2" }), TaskStateError);
    await bob.post("T-1", { project: "/one", title: "of one" });
    assert.equal((await taskOf(ann, "T-1")).title, "T-1");
    const all = await list(ann, { exactProject: false });
    assert.deepEqual(all.map(({ project }) => project), [undefined, "/one"]);
  });

  cases.test("a task depends only on posted tasks", async (scene) => {
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

  cases.test("the next task has the highest priority, then is the oldest", async (scene) => {
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

  cases.test("a claim can filter by kind and priority in its project", async (scene) => {
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

  cases.test("tasks are listed by the query", async (scene) => {
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

  cases.test("a task can be claimed when its dependencies are done", async (scene) => {
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

  cases.test("a failed task keeps its dependents waiting", async (scene) => {
    const ann = await scene.peer("ann");
    await ann.post("a");
    await ann.post("b", { dependsOn: ["a"] });
    await ann.store.endClaim(await claim(ann, "a"), FAILED);
    assert.equal((await taskOf(ann, "b")).waitsFor, 1);
    assert.equal(await next(ann), undefined);
  });

  cases.test("a task whose dependencies are done already can be claimed", async (scene) => {
    const ann = await scene.peer("ann");
    await ann.post("a");
    await ann.store.endClaim(await claim(ann, "a"), DONE);
    assert.equal((await ann.post("b", { dependsOn: ["a"] })).waitsFor, 0);
    assert.equal(await next(ann), "b");
  });

  cases.test("every change of a task is announced, and nothing else", async (scene) => {
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

  cases.test("an id that is posted ifAbsent is posted once", async (scene) => {
    const [ann, bob] = await scene.two();
    const posted = await Promise.all(
      [ann, bob, ann, bob].map((peer, i) =>
        peer.post("T-1", { title: `title ${i}`, ifAbsent: true })
      ),
    );
    assert.equal(new Set(posted.map(({ title }) => title)).size, 1);
    assert.equal((await broadcasts(ann)).length, 1);
    assert.deepEqual(await taskOf(ann, "T-1"), posted[0]);
  });

  cases.test("an edited task has the new fields for every store", async (scene) => {
    const [ann, bob] = await scene.two();
    const posted = await ann.post("T-1", { kind: "code", priority: 1 });
    await ann.post("T-2", { priority: 2 });
    const act = { id: "T-1", project: null, session: "bob" };
    const edited = await bob.store.editTask(act, {
      title: "parse",
      payloadText: '{"file":"a.ts"}',
      priority: 3,
      kind: null,
    });
    assert.deepEqual(await taskOf(ann, "T-1"), edited);
    const { changedAt: _changed, kind: _kind, ...rest } = posted;
    const { changedAt: _now, ...fields } = edited;
    assert.deepEqual(JSON.parse(JSON.stringify(fields)), {
      ...JSON.parse(JSON.stringify(rest)),
      title: "parse",
      payload: { file: "a.ts" },
      priority: 3,
    });
    assert.equal(await next(ann), "T-1");
    await assert.rejects(() => bob.store.editTask(act, {}), TaskStateError);
  });

  cases.test("a cancelled task is failed, and its claim is lost", async (scene) => {
    const [ann, bob] = await scene.two();
    await ann.post("T-1");
    const held = await claim(bob, "T-1");
    const act = { id: "T-1", project: null, session: "ann" };
    const cancelled = await ann.store.cancelTask(act, '"obsolete"');
    assert.deepEqual(await taskOf(bob, "T-1"), cancelled);
    const { status, result, session, token } = cancelled;
    assert.deepEqual(
      [status, result, session, token],
      ["failed", "obsolete", undefined, undefined],
    );
    await assert.rejects(() => bob.store.endClaim(held, DONE), NotHeldError);
    await assert.rejects(
      () => ann.store.cancelTask(act, "null"),
      TaskStateError,
    );
    assert.equal((await broadcasts(ann)).at(-1), "ann: cancelled T-1");
  });

  cases.test("a waiting claim gets the next task once, as soon as it is posted", async (scene) => {
    const ann = await scene.bus("ann");
    const waiters = [await scene.bus("bob"), await scene.bus("eve")];
    const claims = waiters.map((bus) =>
      bus.tasks.claimNext({ waitMs: Infinity, filter: { kind: "code" } })
    );
    await ann.tasks.post({ id: "text", title: "t", kind: "text" });
    await ann.tasks.post({ id: "a", title: "t", kind: "code" });
    await ann.tasks.post({ id: "b", title: "t", kind: "text" });
    await ann.tasks.edit("b", { kind: "code" });
    const held = await within("both claims", Promise.all(claims));
    assert.deepEqual(held.map((claim) => claim?.id).sort(), ["a", "b"]);
  });

  cases.test("a task that is posted wakes a waiting claim", async (scene) => {
    const ann = await scene.bus("ann");
    const bob = await scene.bus("bob");
    const handOver = async () => {
      // Far too many for the check that is repeated during a wait.
      for (let i = 0; i < 20; i++) {
        const next = bob.tasks.claimNext({ waitMs: Infinity });
        await pause(20);
        await ann.tasks.post({ id: `T-${i}`, title: "t" });
        assert.equal((await next)?.id, `T-${i}`);
      }
    };
    await within("20 tasks", handOver());
  });

  cases.test("only the session that a task is assigned to can claim it", async (scene) => {
    const [ann, bob] = await scene.two();
    const posted = await ann.post("T-1", { assign: "bo", priority: 9 });
    assert.equal(posted.assignedTo, "bob");
    assert.deepEqual(await taskOf(bob, "T-1"), posted);
    await ann.post("T-2");
    await assert.rejects(() => claim(ann, "T-1"), TaskStateError);
    assert.equal(await next(ann), "T-2");
    assert.equal(await next(ann), undefined);
    const act = { id: "T-1", project: null, session: "ann" };
    await ann.store.editTask(act, { assign: "ann" });
    assert.equal(await next(bob), undefined);
    await ann.store.editTask(act, { assign: null });
    assert.equal((await taskOf(bob, "T-1")).assignedTo, undefined);
    assert.equal(await next(bob), "T-1");
    await assert.rejects(
      () => ann.post("T-3", { assign: "none" }),
      UnknownSessionError,
    );
  });

  cases.test("a waiting claim gets a task once it is assigned to its session", async (scene) => {
    const ann = await scene.bus("ann");
    const bob = await scene.bus("bob");
    await ann.tasks.post({ id: "T-1", title: "t", assign: "ann" });
    const next = bob.tasks.claimNext({ waitMs: Infinity });
    // Registers, which the wait has not done yet.
    await bob.sessions.register();
    await ann.tasks.edit("T-1", { assign: "bob" });
    assert.equal((await within("the task", next))?.id, "T-1");
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
