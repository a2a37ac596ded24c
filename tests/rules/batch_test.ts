/** Rules compose: each step of a batch sees the changes of earlier ones. */

import assert from "node:assert/strict";
import {
  LimitError,
  MessageBusError,
  NotHeldError,
  TaskStateError,
} from "../../lib/model/errors.ts";
import type { Operation } from "../../lib/model/batch.ts";
import { together } from "../../lib/rules/batch.ts";
import { acquire, checkWaiter, releaseLock } from "../../lib/rules/locks.ts";
import { endSession, registerSession } from "../../lib/rules/sessions.ts";
import { claimTask, endClaim } from "../../lib/rules/tasks.ts";
import { blockers, claimer, held, posting, request, World } from "./world.ts";

const DONE = { status: "done", resultText: "1" } as const;

function worldOf(...ids: readonly string[]): World {
  const world = new World();
  for (const id of ids) world.join(id);
  return world;
}

function batch(world: World, ...operations: readonly Operation[]) {
  return world.run((records, at) => together(records, at, operations));
}

Deno.test("batch: results and messages are in the order of the steps", () => {
  const world = worldOf("ann", "bob");
  const hold = world.hold("ann", "/a");
  const waiter = world.queue("bob", "/a");
  world.post("T-1");
  const claim = world.claim("T-1", "ann");
  const message = {
    sender: "ann",
    channel: "a",
    payloadText: "1",
    ttlSeconds: 60,
    project: null,
  };
  const results = batch(
    world,
    { kind: "append", message },
    { kind: "release-lock", hold },
    { kind: "end-claim", claim, end: DONE },
    { kind: "post-task", posting: posting("T-2", { dependsOn: ["T-1"] }) },
    { kind: "update-session", id: "ann", change: { status: "idle" } },
    { kind: "append", message: { ...message, to: "bob" } },
  );
  assert.deepEqual(results.map(({ kind }) => kind), [
    "append",
    "release-lock",
    "end-claim",
    "post-task",
    "update-session",
    "append",
  ]);
  assert.equal(world.task("T-2").waitsFor, 0);
  held(world.check(waiter, "bob"));
  assert.deepEqual(
    world.said.slice(-5).map(({ channel }) => channel),
    ["a", "task_broadcast", "task_broadcast", "heartbeat", "a"],
  );
});

Deno.test("batch: two steps on one record", () => {
  const world = worldOf("ann");
  const hold = world.hold("ann", "/a");
  world.hold("ann", "/a");
  const step: Operation = { kind: "release-lock", hold };
  const update = (status: "idle" | "active"): Operation => ({
    kind: "update-session",
    id: "ann",
    change: { status },
  });
  assert.throws(() => batch(world, step, step, step), NotHeldError);
  assert.equal(world.holds.length, 1);
  batch(world, step, update("idle"), step, update("active"));
  assert.deepEqual(world.holds, []);
  assert.deepEqual(world.events("heartbeat").slice(-2), [
    "idle ann",
    "active ann",
  ]);
  // One write for each record.
  const keys = world.changes.map(({ kind, key }) => `${kind} ${key}`);
  assert.equal(new Set(keys).size, keys.length);
});

Deno.test("batch: a task that a step posts is there for the next ones", () => {
  const world = worldOf("ann");
  const post = (id: string, dependsOn: string[] = []): Operation => ({
    kind: "post-task",
    posting: posting(id, { dependsOn }),
  });
  assert.throws(() => batch(world, post("T-1"), post("T-1")), TaskStateError);
  assert.equal(world.memory.records.task.size, 0);
  batch(world, post("T-1"), post("T-2", ["T-1"]));
  assert.equal(world.task("T-2").waitsFor, 1);
});

Deno.test("batch: a later step that throws leaves nothing of the earlier ones", () => {
  const world = worldOf("ann", "bob");
  const hold = world.hold("ann", "/a");
  world.queue("bob", "/a");
  world.post("T-1");
  const claim = world.claim("T-1", "ann");
  const good: Operation[] = [
    { kind: "release-lock", hold },
    { kind: "end-claim", claim, end: DONE },
    { kind: "update-session", id: "ann", change: { status: "idle" } },
  ];
  const bad: Operation[] = [
    { kind: "release-lock", hold: { ...hold, token: 99 } },
    { kind: "end-claim", claim: { ...claim, token: 99 }, end: DONE },
    { kind: "update-session", id: "none", change: {} },
    { kind: "post-task", posting: posting("T-1") },
  ];
  const before = structuredClone(world.memory.records);
  for (const step of bad) {
    assert.throws(() => batch(world, ...good, step), MessageBusError);
    assert.deepEqual(world.memory.records, before);
  }
});

Deno.test("compose: earlier locks of the decision count towards the limit", () => {
  const world = worldOf("ann", "bob");
  world.hold("ann", "/0");
  const taking = (paths: readonly string[]) => () =>
    world.run(function* (records, at) {
      for (const path of paths) {
        yield* acquire(records, at, request("ann", path), 3);
      }
    });
  assert.throws(taking(["/1", "/2", "/3"]), LimitError);
  assert.deepEqual(world.holds, ["ann /0 exclusive"]);
  taking(["/1", "/1", "/2"])();
  assert.equal(world.holds.length, 3);
  // A lock that a step releases, the next may take.
  world.run(function* (records, at) {
    const { hold } = world.memory.records.hold.get("1")!;
    yield* releaseLock(records, at, hold);
    yield* acquire(records, at, request("ann", "/3"), 3);
  });
  assert.throws(taking(["/4"]), LimitError);
});

Deno.test("compose: the limit counts waits that a step began", () => {
  const world = worldOf("ann", "bob");
  world.hold("bob", "/b");
  const queueing = () =>
    world.run(function* (records, at) {
      const wait = { wait: true };
      yield* acquire(records, at, request("ann", "/b", wait), 1);
      yield* acquire(records, at, request("ann", "/c"), 1);
    });
  assert.throws(queueing, LimitError);
});

Deno.test("compose: a lock that is released and granted refuses its former holder", () => {
  const world = worldOf("ann", "bob");
  const hold = world.hold("ann", "/x");
  const waiter = world.queue("bob", "/x");
  const outcome = world.run(function* (records, at) {
    yield* releaseLock(records, at, hold);
    const again = yield* acquire(records, at, request("ann", "/x"), 9);
    const { state } = yield* checkWaiter(records, at, waiter, "bob");
    assert.equal(state, "held");
    return again;
  });
  assert.deepEqual(blockers(outcome), ["bob holds /x"]);
});

Deno.test("compose: a cycle is seen among the waits that one decision begins", () => {
  const world = worldOf("ann", "bob");
  world.hold("ann", "/a");
  world.hold("bob", "/b");
  const wait = { wait: true };
  const both = () =>
    world.run(function* (records, at) {
      yield* acquire(records, at, request("bob", "/a", wait), 9);
      yield* acquire(records, at, request("ann", "/b", wait), 9);
    });
  assert.throws(both, { name: "DeadlockError" });
  assert.deepEqual(world.waiters, []);
});

Deno.test("compose: a session that a step registers may lock, claim and end", () => {
  const world = worldOf("ann");
  world.post("T-1");
  world.run(function* (records, at) {
    const start = {
      id: "bob",
      vendor: "script",
      project: null,
      pid: 77,
      processStart: "s77",
    };
    yield* registerSession(records, at, start);
    yield* acquire(records, at, request("bob", "/a"), 9);
    const claim = yield* claimTask(records, at, "T-1", claimer("bob"));
    yield* endClaim(records, at, claim, { status: "open" });
    yield* claimTask(records, at, "T-1", claimer("bob"));
    yield* endSession(records, at, "bob");
  });
  assert.deepEqual(world.holds, []);
  assert.equal(world.task("T-1").status, "open");
  assert.deepEqual(world.events("heartbeat").slice(-2), [
    "came bob",
    "ended bob",
  ]);
  // The decision took and released the lock: there is nothing to write.
  assert.equal(world.changes.filter(({ kind }) => kind === "hold").length, 0);
});
