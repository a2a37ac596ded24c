/** Tasks are posted, claimed, released and ended by one rule each. */

import assert from "node:assert/strict";
import {
  InvalidInputError,
  NotHeldError,
  TaskStateError,
  UnknownSessionError,
} from "../../lib/model/errors.ts";
import type {
  Claim,
  ClaimEnd,
  Claimer,
  Task,
  TaskEdit,
  TaskFilter,
  TaskPosting,
  TaskQuery,
} from "../../lib/model/task.ts";
import { endSession } from "../../lib/rules/sessions.ts";
import {
  cancelTask,
  claimNextTask,
  editTask,
  endClaim,
  listTasks,
  postTask,
  renewClaim,
} from "../../lib/rules/tasks.ts";
import { claimer, HOUR_MS, posting, World } from "./world.ts";

const DONE: ClaimEnd = { status: "done", resultText: '"well"' };
const FAILED: ClaimEnd = { status: "failed", resultText: '"why"' };

function worldOf(...ids: readonly string[]): World {
  const world = new World();
  for (const id of ids) world.join(id);
  return world;
}

function next(
  world: World,
  session: string,
  filter: TaskFilter = {},
  options: Partial<Claimer> = {},
): string | undefined {
  return world.run((records, at) =>
    claimNextTask(records, at, filter, claimer(session, options))
  )?.id;
}

function end(world: World, claim: Claim, how: ClaimEnd): Task {
  return world.run((records, at) => endClaim(records, at, claim, how));
}

function listed(world: World, query: Partial<TaskQuery> = {}): string[] {
  const whole = { project: null, exactProject: false, ...query };
  return world.run((records, at) => listTasks(records, at, whole))
    .map(({ id, status }) => `${id} ${status}`);
}

Deno.test("post: a task has the posted fields, and is announced", () => {
  const world = worldOf("ann");
  const task = world.post("T-1", {
    title: "mend it",
    kind: "code",
    payloadText: '{"file":"/a"}',
    priority: 3,
    project: "/repo",
  });
  assert.deepEqual(task, {
    id: "T-1",
    title: "mend it",
    kind: "code",
    payload: { file: "/a" },
    priority: 3,
    status: "open",
    dependsOn: [],
    waitsFor: 0,
    attempts: 0,
    postedBy: "ann",
    postedAt: "2026-12-01T08:00:00.000Z",
    changedAt: "2026-12-01T08:00:00.000Z",
    project: "/repo",
  });
  assert.deepEqual(world.payloads("task_broadcast").at(-1), {
    event: "posted",
    task: "T-1",
    title: "mend it",
    kind: "code",
    status: "open",
    priority: 3,
    attempts: 0,
  });
  assert.deepEqual(world.wakes, ["tasks"]);
});

Deno.test("post: an id is unique among tasks of a project", () => {
  const world = worldOf("ann");
  world.post("T-1");
  world.post("T-1", { project: "/repo" });
  for (const project of [null, "/repo"]) {
    assert.throws(() => world.post("T-1", { project }), TaskStateError);
  }
});

Deno.test("post: a task depends only on posted tasks of its project", () => {
  const world = worldOf("ann");
  world.post("T-1", { project: "/repo" });
  const dependsOn = ["T-1"];
  assert.throws(() => world.post("T-2", { dependsOn }), InvalidInputError);
  world.post("T-2", { dependsOn, project: "/repo" });
});

Deno.test("dependencies: a task can be claimed once its dependencies are done", () => {
  const world = worldOf("ann");
  world.post("T-1");
  world.post("T-2");
  world.post("T-3", { dependsOn: ["T-1", "T-2"], priority: 9 });
  assert.equal(world.task("T-3").waitsFor, 2);
  assert.throws(() => world.claim("T-3", "ann"), TaskStateError);
  const [one, two] = ["T-1", "T-2"].map((id) => world.claim(id, "ann"));
  end(world, one, DONE);
  assert.equal(world.task("T-3").waitsFor, 1);
  assert.equal(next(world, "ann"), undefined);
  end(world, two, FAILED);
  assert.equal(next(world, "ann"), undefined);
  // A dependency that was done before does not count.
  world.post("T-4", { dependsOn: ["T-1"] });
  assert.equal(next(world, "ann"), "T-4");
});

Deno.test("dependencies: a task of the same id in another project frees none", () => {
  const world = worldOf("ann");
  world.post("T-1");
  world.post("T-1", { project: "/repo" });
  world.post("T-2", { dependsOn: ["T-1"], project: "/repo" });
  end(world, world.claim("T-1", "ann"), DONE);
  assert.equal(world.task("T-2").waitsFor, 1);
});

Deno.test("claim: a task has one holder, with a token and a lease", () => {
  const world = worldOf("ann", "bob");
  world.post("T-1");
  const claim = world.claim("T-1", "ann", { agent: "x", leaseMs: 60_000 });
  const { status, session, agent, token, leaseExpiresAt, attempts } = claim;
  assert.deepEqual(
    { status, session, agent, token, leaseExpiresAt, attempts },
    {
      status: "claimed",
      session: "ann",
      agent: "x",
      token: 1,
      leaseExpiresAt: "2026-12-01T08:01:00.000Z",
      attempts: 1,
    },
  );
  assert.throws(() => world.claim("T-1", "bob"), TaskStateError);
  assert.throws(() => world.claim("T-1", "ann"), TaskStateError);
  assert.throws(() => world.claim("none", "ann"), TaskStateError);
  assert.equal(next(world, "bob"), undefined);
});

// The next task among: low (posted first), high, code, other project.
const NEXT: readonly [
  filter: TaskFilter,
  project: string | null,
  order: readonly (string | undefined)[],
][] = [
  [{}, null, ["high", "low", "code", undefined]],
  [{ kind: "code" }, null, ["code", undefined]],
  [{ priorityMin: 1 }, null, ["high", undefined]],
  [{ priorityMin: 1, kind: "code" }, null, [undefined]],
  [{}, "/repo", ["theirs", undefined]],
];

for (const [filter, project, order] of NEXT) {
  Deno.test(`claim: the next of ${JSON.stringify(filter)} in ${project} is ${order[0]}`, () => {
    const world = worldOf("ann");
    world.post("low");
    world.post("high", { priority: 5 });
    world.post("code", { kind: "code" });
    world.post("theirs", { project: "/repo", priority: 9 });
    for (const id of order) {
      assert.equal(next(world, "ann", filter, { project }), id);
    }
  });
}

Deno.test("claim: a decision that claims several tasks takes each once, in order", () => {
  const world = worldOf("ann");
  for (const id of ["a", "b", "c", "d"]) world.post(id);
  const taken = world.run(function* (records, at) {
    const ids: (string | undefined)[] = [];
    for (let i = 0; i < 5; i++) {
      ids.push((yield* claimNextTask(records, at, {}, claimer("ann")))?.id);
    }
    return ids;
  });
  assert.deepEqual(taken, ["a", "b", "c", "d", undefined]);
});

Deno.test("claim: a decision that posts and ends tasks sees the freed ones", () => {
  const world = worldOf("ann");
  world.post("T-1");
  const first = world.claim("T-1", "ann");
  const ids = world.run(function* (records, at) {
    yield* postTask(records, at, posting("T-2", { dependsOn: ["T-1"] }));
    yield* postTask(records, at, posting("T-3"));
    const before = yield* claimNextTask(records, at, {}, claimer("ann"));
    yield* endClaim(records, at, first, DONE);
    const after = yield* claimNextTask(records, at, {}, claimer("ann"));
    return [before?.id, after?.id];
  });
  assert.deepEqual(ids, ["T-3", "T-2"]);
  assert.equal(world.task("T-2").status, "claimed");
});

Deno.test("end: done, failed, or requeued, once", () => {
  const ends: readonly [ClaimEnd, Partial<Task>, string][] = [
    [DONE, { status: "done", result: "well", session: "ann" }, "completed"],
    [FAILED, { status: "failed", result: "why", session: "ann" }, "failed"],
    [{ status: "open" }, { status: "open", session: undefined }, "released"],
  ];
  for (const [how, comesTo, event] of ends) {
    const world = worldOf("ann");
    world.post("T-1");
    const claim = world.claim("T-1", "ann", { agent: "x" });
    const task = end(world, claim, how);
    const { status, result, session } = task;
    assert.deepEqual({ status, result, session }, {
      result: undefined,
      ...comesTo,
    });
    assert.equal(task.token, undefined);
    assert.equal(task.leaseExpiresAt, undefined);
    assert.deepEqual(world.task("T-1"), task);
    const said = world.payloads("task_broadcast").at(-1)!;
    assert.deepEqual([said.event, said.session], [event, "ann"]);
    for (const again of [DONE, FAILED, { status: "open" }] as const) {
      assert.throws(() => end(world, claim, again), NotHeldError);
    }
  }
});

Deno.test("end and renew: only under the token of the present claim", () => {
  const world = worldOf("ann", "bob");
  world.post("T-1");
  const stale = world.claim("T-1", "ann");
  end(world, stale, { status: "open" });
  const claim = world.claim("T-1", "bob", { leaseMs: 1_000 });
  assert.equal(claim.attempts, 2);
  assert.ok(claim.token > stale.token);
  const renew = (held: Claim) =>
    world.run((records, at) => renewClaim(records, at, held, HOUR_MS));
  for (
    const wrong of [stale, { ...claim, session: "ann" }, { ...claim, id: "no" }]
  ) {
    assert.throws(() => end(world, wrong, DONE), NotHeldError);
    assert.throws(() => renew(wrong), NotHeldError);
  }
  assert.equal(Date.parse(renew(claim).leaseExpiresAt!), world.nowMs + HOUR_MS);
  world.advance(HOUR_MS - 1);
  end(world, claim, DONE);
});

Deno.test("overdue: an expired claim is lost, and the next look requeues its task", () => {
  const looks: readonly ((world: World) => unknown)[] = [
    (world) => next(world, "bob"),
    (world) => world.claim("T-1", "bob"),
    (world) => listed(world),
  ];
  for (const look of looks) {
    const world = worldOf("ann", "bob");
    world.post("T-1");
    const claim = world.claim("T-1", "ann", { leaseMs: 1_000 });
    world.advance(1_000);
    const renew = () =>
      world.run((records, at) => renewClaim(records, at, claim, 1));
    assert.throws(renew, NotHeldError);
    assert.throws(() => end(world, claim, DONE), NotHeldError);
    look(world);
    const events = world.payloads("task_broadcast").map(({ event }) => event);
    assert.equal(events[2], "returned");
    assert.notEqual(world.task("T-1").session, "ann");
  }
});

Deno.test("dead holders: their tasks are requeued for the next claim", () => {
  const looks: readonly ((world: World) => unknown)[] = [
    (world) => next(world, "bob"),
    (world) => world.claim("T-1", "bob"),
    (world) => listed(world),
  ];
  for (const look of looks) {
    const world = worldOf("ann", "bob");
    world.post("T-1");
    world.claim("T-1", "ann");
    world.hold("ann", "/a");
    const waiter = world.queue("bob", "/a");
    world.end("ann");
    look(world);
    assert.equal(world.session("ann").status, "terminated");
    assert.notEqual(world.task("T-1").session, "ann");
    // Its locks pass on with its claims.
    assert.equal(world.check(waiter, "bob").state, "held");
  }
});

Deno.test("dead holders: they are checked only if no task is open, or by name", () => {
  const world = worldOf("ann", "bob");
  world.post("T-1");
  world.post("T-2");
  world.post("T-3");
  world.claim("T-1", "ann");
  world.end("ann");
  assert.equal(next(world, "bob"), "T-2");
  world.claim("T-3", "bob");
  assert.equal(world.session("ann").status, "active");
  assert.equal(next(world, "bob"), "T-1");
  assert.equal(world.session("ann").status, "terminated");
});

Deno.test("ended sessions: their tasks are requeued, and announced with the former holder", () => {
  const world = worldOf("ann", "bob");
  world.post("T-1");
  world.post("T-2");
  world.claim("T-1", "ann", { agent: "x" });
  world.claim("T-2", "bob");
  world.run((records, at) => endSession(records, at, "ann"));
  assert.deepEqual(listed(world), ["T-1 open", "T-2 claimed"]);
  const { session, agent, attempts } = world.task("T-1");
  assert.deepEqual([session, agent, attempts], [undefined, undefined, 1]);
  const said = world.payloads("task_broadcast").at(-1)!;
  assert.deepEqual([said.event, said.session], ["returned", "ann"]);
});

// Tasks that a list returns, of: a (open), b (claimed, kind code), c of /repo.
const LISTS: readonly [Partial<TaskQuery>, readonly string[]][] = [
  [{}, ["c open", "b claimed", "a open"]],
  [{ exactProject: true }, ["b claimed", "a open"]],
  [{ exactProject: true, project: "/repo" }, ["c open"]],
  [{ status: "open" }, ["c open", "a open"]],
  [{ kind: "code" }, ["b claimed"]],
  [{ priorityMin: 2 }, ["c open"]],
  [{ id: "a" }, ["a open"]],
];

for (const [query, tasks] of LISTS) {
  Deno.test(`list: ${JSON.stringify(query)} names ${tasks}`, () => {
    const world = worldOf("ann");
    const postings: [string, Partial<TaskPosting>][] = [
      ["a", {}],
      ["b", { kind: "code", priority: 1 }],
      ["c", { project: "/repo", priority: 2 }],
    ];
    for (const [id, options] of postings) world.post(id, options);
    world.claim("b", "ann");
    assert.deepEqual(listed(world, query), tasks);
  });
}

Deno.test("list: a task that the list itself requeues is returned as open", () => {
  const world = worldOf("ann");
  world.post("T-1");
  world.claim("T-1", "ann", { leaseMs: 1 });
  world.advance(1);
  assert.deepEqual(listed(world, { status: "claimed" }), []);
  world.claim("T-1", "ann", { leaseMs: 1 });
  world.advance(1);
  assert.deepEqual(listed(world, { status: "open" }), ["T-1 open"]);
});

Deno.test("post: ifAbsent returns the task that has the id, unchanged", () => {
  const world = worldOf("ann", "bob");
  const first = world.post("T-1", { ifAbsent: true });
  const said = world.payloads("task_broadcast").length;
  const again = { title: "other", session: "bob", ifAbsent: true };
  assert.deepEqual(world.post("T-1", again), first);
  assert.deepEqual(world.task("T-1"), first);
  assert.equal(world.payloads("task_broadcast").length, said);
  // In another project it is another task.
  assert.equal(
    world.post("T-1", { ...again, project: "/repo" }).title,
    "other",
  );
});

// What each act does with a task in each state: its status, or the error's state.
const ACTS: readonly [
  state: string,
  prepare: (world: World) => unknown,
  claimed: string,
  cancelled: string,
  edited: string,
][] = [
  ["missing", () => {}, "missing", "missing", "missing"],
  ["open", (world) => world.post("T-1"), "=claimed", "=failed", "=open"],
  [
    "waiting",
    (world) => {
      world.post("T-0");
      world.post("T-1", { dependsOn: ["T-0"] });
    },
    "waiting",
    "=failed",
    "=open",
  ],
  [
    "claimed",
    (world) => {
      world.post("T-1");
      world.claim("T-1", "ann");
    },
    "claimed",
    "=failed",
    "claimed",
  ],
  [
    "overdue",
    (world) => {
      world.post("T-1");
      world.claim("T-1", "ann", { leaseMs: 1 });
      world.advance(1);
    },
    "=claimed",
    "=failed",
    "=open",
  ],
  [
    "abandoned",
    (world) => {
      world.post("T-1");
      world.claim("T-1", "ann");
      world.end("ann");
    },
    "=claimed",
    "=failed",
    "=open",
  ],
  [
    "done",
    (world) => {
      world.post("T-1");
      end(world, world.claim("T-1", "ann"), DONE);
    },
    "done",
    "done",
    "done",
  ],
  [
    "failed",
    (world) => {
      world.post("T-1");
      end(world, world.claim("T-1", "ann"), FAILED);
    },
    "failed",
    "failed",
    "failed",
  ],
];

const BY_BOB = { id: "T-1", project: null, session: "bob" };

for (const [state, prepare, ...outcomes] of ACTS) {
  Deno.test(`acts: claim, cancel and edit of a ${state} task give ${outcomes}`, () => {
    const acts: readonly ((world: World) => Task)[] = [
      (world) => world.claim("T-1", "bob"),
      (world) =>
        world.run((records, at) => cancelTask(records, at, BY_BOB, '"no"')),
      (world) => world.run((records, at) => editTask(records, at, BY_BOB, {})),
    ];
    const found = acts.map((act) => {
      const world = worldOf("ann", "bob");
      prepare(world);
      try {
        return `=${act(world).status}`;
      } catch (error) {
        assert.ok(error instanceof TaskStateError, String(error));
        return error.state;
      }
    });
    assert.deepEqual(found, outcomes);
  });
}

Deno.test("post: the error for a taken id has the state exists", () => {
  const world = worldOf("ann");
  world.post("T-1");
  assert.throws(
    () => world.post("T-1"),
    (error) => error instanceof TaskStateError && error.state === "exists",
  );
});

Deno.test("cancel: the claim is lost, dependents wait, and the holder is named", () => {
  const world = worldOf("ann", "bob");
  world.post("T-1");
  world.post("T-2", { dependsOn: ["T-1"] });
  const claim = world.claim("T-1", "ann", { agent: "x" });
  world.run((records, at) => cancelTask(records, at, BY_BOB, '"obsolete"'));
  const { status, result, session, agent, token, leaseExpiresAt } = world.task(
    "T-1",
  );
  assert.deepEqual([status, result], ["failed", "obsolete"]);
  assert.deepEqual(
    [session, agent, token, leaseExpiresAt],
    [undefined, undefined, undefined, undefined],
  );
  const said = world.payloads("task_broadcast").at(-1)!;
  assert.deepEqual(
    [said.event, said.session, said.result],
    ["cancelled", "ann", "obsolete"],
  );
  assert.throws(() => end(world, claim, DONE), NotHeldError);
  assert.equal(world.task("T-2").waitsFor, 1);
});

// Changes of a task with title T-1, kind code, payload 1 and priority 2.
const EDITS: readonly [TaskEdit, Partial<Task>][] = [
  [{}, {}],
  [{ title: "new" }, { title: "new" }],
  [{ kind: "docs" }, { kind: "docs" }],
  [{ kind: null }, { kind: undefined }],
  [{ payloadText: "null" }, { payload: null }],
  [{ payloadText: "[3]", priority: -4 }, { payload: [3], priority: -4 }],
];

for (const [edit, changed] of EDITS) {
  Deno.test(`edit: ${JSON.stringify(edit)} changes exactly that`, () => {
    const world = worldOf("ann", "bob");
    const options = { kind: "code", payloadText: "1", priority: 2 };
    const before = world.post("T-1", options);
    world.advance(1_000);
    const edited = world.run((records, at) =>
      editTask(records, at, BY_BOB, edit)
    );
    const { changedAt, ...rest } = edited;
    assert.equal(Date.parse(changedAt), world.nowMs);
    const { changedAt: _before, ...expected } = { ...before, ...changed };
    assert.deepEqual(
      JSON.parse(JSON.stringify(rest)),
      JSON.parse(JSON.stringify(expected)),
    );
    assert.deepEqual(world.task("T-1"), edited);
    assert.equal(world.payloads("task_broadcast").at(-1)!.event, "edited");
  });
}

Deno.test("edit: a decision that edits and claims goes by the new priorities", () => {
  const world = worldOf("ann", "bob");
  for (const id of ["T-0", "T-1", "T-2"]) world.post(id);
  const order = world.run(function* (records, at) {
    yield* editTask(records, at, BY_BOB, { priority: -1 });
    const ids: (string | undefined)[] = [];
    for (let i = 0; i < 3; i++) {
      ids.push((yield* claimNextTask(records, at, {}, claimer("ann")))?.id);
    }
    return ids;
  });
  assert.deepEqual(order, ["T-0", "T-2", "T-1"]);
});

// The session to which a text assigns a task, among ann, bob-1 and bob-2; the id is
// undefined where posting fails.
const ASSIGNED: readonly [text: string, id: string | undefined][] = [
  ["ann", "ann"],
  ["an", "ann"],
  ["bob-1", "bob-1"],
  ["bob", undefined],
  ["eve", undefined],
];

for (const [assign, id] of ASSIGNED) {
  Deno.test(`assign: the text ${assign} assigns a task to ${id}`, () => {
    const world = worldOf("ann", "bob-1", "bob-2");
    if (id === undefined) {
      assert.throws(() => world.post("T-1", { assign }), UnknownSessionError);
      assert.deepEqual(listed(world), []);
      return;
    }
    assert.equal(world.post("T-1", { assign }).assignedTo, id);
    assert.equal(world.payloads("task_broadcast").at(-1)!.assignedTo, id);
    const other = id === "ann" ? "bob-2" : "ann";
    assert.equal(next(world, other), undefined);
    assert.throws(
      () => world.claim("T-1", other),
      (error) => error instanceof TaskStateError && error.state === "assigned",
    );
    assert.equal(next(world, id), "T-1");
  });
}

Deno.test("assign: a session gets its own and any unassigned task, in order", () => {
  const world = worldOf("ann", "bob");
  world.post("T-1", { assign: "bob", priority: 3 });
  world.post("T-2", { priority: 2 });
  world.post("T-3", { assign: "ann", priority: 1 });
  const order = ["T-2", "T-3", undefined];
  for (const id of order) assert.equal(next(world, "ann"), id);
  assert.equal(next(world, "bob"), "T-1");
});

Deno.test("assign: an edit assigns, keeps and removes the assignment", () => {
  const world = worldOf("ann", "bob");
  world.post("T-1", { assign: "ann" });
  const edits: readonly [TaskEdit, string | undefined][] = [
    [{ title: "x" }, "ann"],
    [{ assign: "bo" }, "bob"],
    [{ assign: null }, undefined],
  ];
  for (const [edit, assignedTo] of edits) {
    world.run((records, at) => editTask(records, at, BY_BOB, edit));
    assert.equal(world.task("T-1").assignedTo, assignedTo);
  }
  assert.throws(
    () =>
      world.run((records, at) =>
        editTask(records, at, BY_BOB, { assign: "eve" })
      ),
    UnknownSessionError,
  );
});

Deno.test("assign: a requeued or cancelled task stays assigned", () => {
  const world = worldOf("ann", "bob");
  world.post("T-1", { assign: "ann" });
  end(world, world.claim("T-1", "ann"), { status: "open" });
  assert.equal(next(world, "bob"), undefined);
  world.run((records, at) => cancelTask(records, at, BY_BOB, "null"));
  assert.equal(world.task("T-1").assignedTo, "ann");
});
