/** Sessions are registered, changed, ended and reaped by one rule each. */

import assert from "node:assert/strict";
import {
  InvalidInputError,
  SessionEndedError,
  UnknownSessionError,
} from "../../lib/model/errors.ts";
import type { Life } from "../../lib/model/process.ts";
import type { SessionChange } from "../../lib/model/session.ts";
import { moveBranch } from "../../lib/rules/branches.ts";
import { together } from "../../lib/rules/batch.ts";
import { moveDeliveries } from "../../lib/rules/deliveries.ts";
import { guardEdit } from "../../lib/rules/edits.ts";
import { releaseLock, renewLock } from "../../lib/rules/locks.ts";
import { noteActivity } from "../../lib/rules/notes.ts";
import {
  announceSilent,
  endSession,
  listIncarnations,
  listSessions,
  reapSome,
  updateSession,
} from "../../lib/rules/sessions.ts";
import { purge } from "../../lib/rules/purge.ts";
import { claimNextTask, endClaim, renewClaim } from "../../lib/rules/tasks.ts";
import { STALE_AFTER_MS } from "../../lib/model/session.ts";
import {
  BESIDE,
  claimer,
  ELSEWHERE,
  HOUR_MS,
  type Start,
  target,
  World,
} from "./world.ts";

const DAY_MS = 24 * HOUR_MS;

function end(
  world: World,
  id: string,
  process?: Parameters<typeof endSession>[4],
): void {
  world.run((records, at) => endSession(records, at, id, "ended", process));
}

function update(world: World, id: string, change: SessionChange): void {
  world.run((records, at) => updateSession(records, at, id, change));
}

function listed(
  world: World,
  project: string | null = null,
  ended = false,
): string[] {
  return world.run((records, at) =>
    listSessions(records, at, { project, ended })
  )
    .map(({ id }) => id);
}

/** First session of an id, its state, and the one that registers next. */
const REGISTERING: readonly {
  readonly what: string;
  readonly first: Start;
  readonly then?: (world: World) => void;
  readonly second: Start;
  readonly becomes: string;
  readonly events: readonly string[];
}[] = [
  {
    what: "the same process",
    first: { pid: 7, processStart: "s7" },
    second: { pid: 7, processStart: "s7" },
    becomes: "ann",
    events: ["came ann"],
  },
  {
    what: "another process, while the first lives",
    first: { pid: 7, processStart: "s7" },
    second: { pid: 8, processStart: "s8" },
    becomes: "ann~2",
    events: ["came ann", "came ann~2"],
  },
  {
    what: "a process with the pid of the first, which is dead",
    first: { pid: 7, processStart: "s7" },
    then: (world) => world.end("ann"),
    second: { pid: 7, processStart: "t7" },
    becomes: "ann",
    events: ["came ann", "died ann", "came ann"],
  },
  {
    what: "another process, after the first died",
    first: { pid: 7, processStart: "s7" },
    then: (world) => world.end("ann"),
    second: { pid: 8, processStart: "s8" },
    becomes: "ann",
    events: ["came ann", "died ann", "came ann"],
  },
  {
    what: "another process, after the first ended",
    first: { pid: 7, processStart: "s7" },
    then: (world) => end(world, "ann"),
    second: { pid: 8, processStart: "s8" },
    becomes: "ann",
    events: ["came ann", "ended ann", "came ann"],
  },
  {
    what:
      "another process, while the first cannot be judged and gives heartbeats",
    first: { pid: 7, processStart: "s7" },
    then: (world) => world.end("ann", "unknown"),
    second: { pid: 8, processStart: "s8" },
    becomes: "ann~2",
    events: ["came ann", "came ann~2"],
  },
  {
    what: "another process, while the first cannot be judged and is silent",
    first: { pid: 7, processStart: "s7" },
    then: (world) => {
      world.end("ann", "unknown");
      world.advance(STALE_AFTER_MS);
    },
    second: { pid: 8, processStart: "s8" },
    becomes: "ann",
    events: ["came ann", "came ann"],
  },
  {
    what: "a process with the same pid and start time on another host",
    first: { pid: 7, processStart: "s7" },
    second: { pid: 7, processStart: "s7", host: BESIDE },
    becomes: "ann~2",
    events: ["came ann", "came ann~2"],
  },
  {
    what: "a session without a process, after one without",
    first: { pid: undefined, processStart: undefined },
    second: { pid: undefined, processStart: undefined },
    becomes: "ann",
    events: ["came ann"],
  },
  {
    what: "a process, after a session without one",
    first: { pid: undefined, processStart: undefined },
    second: { pid: 8, processStart: "s8" },
    becomes: "ann",
    events: ["came ann", "came ann"],
  },
];

for (const { what, first, then, second, becomes, events } of REGISTERING) {
  Deno.test(`register: ${what} becomes ${becomes}`, () => {
    const world = new World();
    world.join("ann", first);
    then?.(world);
    assert.equal(world.join("ann", second).id, becomes);
    assert.deepEqual(world.events("heartbeat"), events);
  });
}

Deno.test("register: known facts stay, and holds of a dead incarnation are free", () => {
  const world = new World();
  const first = world.join("ann", {
    model: "opus",
    task: "T-1",
    tty: "/dev/pts/1",
  });
  update(world, "ann", { activeFiles: ["/a"] });
  world.join("bob");
  world.hold("ann", "/a");
  world.queue("bob", "/a");
  world.end("ann");
  world.advance(1_000);
  const again = world.join("ann");
  assert.deepEqual(again, {
    id: "ann",
    name: "ann",
    vendor: "script",
    model: "opus",
    pid: again.pid,
    host: first.host,
    processStart: again.processStart,
    task: "T-1",
    activeFiles: [],
    status: "active",
    registeredAt: first.registeredAt,
    heartbeatAt: "2026-12-01T08:00:01.000Z",
  });
  assert.deepEqual(world.holds, ["bob /a exclusive"]);
});

Deno.test("register: the dead one among several incarnations is the one taken over", () => {
  const world = new World();
  for (const id of ["ann", "ann~2", "ann~3"]) {
    assert.equal(world.join("ann").id, id);
  }
  world.end("ann~2");
  assert.equal(world.join("ann").id, "ann~2");
  assert.equal(world.join("ann").id, "ann~4");
});

Deno.test("register: a process keeps its incarnation after an earlier one has ended", () => {
  const world = new World();
  world.join("ann");
  const second = { pid: 8, processStart: "s8" };
  assert.equal(world.join("ann", second).id, "ann~2");
  world.hold("ann~2", "/a");
  end(world, "ann");
  assert.equal(world.join("ann", second).id, "ann~2");
  assert.deepEqual(world.holds, ["ann~2 /a exclusive"]);
  assert.equal(world.join("ann").id, "ann");
});

Deno.test("register: a hundred living processes of one id are enough", () => {
  const world = new World();
  for (let n = 0; n < 100; n++) world.join("ann");
  assert.throws(() => world.join("ann"), InvalidInputError);
});

Deno.test("update: a description has at most 200 characters", () => {
  const world = new World();
  world.join("ann");
  update(world, "ann", { doing: "\u{1f41d}".repeat(200) });
  assert.throws(
    () => update(world, "ann", { doing: "a".repeat(201) }),
    { field: "doing", message: /has 201 characters\. Pass at most 200\.$/ },
  );
});

Deno.test("update: only a change of the status is announced", () => {
  const world = new World();
  world.join("ann", { task: "T-1", branch: "main" });
  const changes: SessionChange[] = [
    {},
    { status: "idle" },
    { status: "idle", model: "opus" },
    { task: null, activeFiles: ["/a"] },
    { status: "active" },
  ];
  world.advance(1_000);
  for (const change of changes) update(world, "ann", change);
  const { status, model, task, activeFiles, branch, heartbeatAt } = world
    .session("ann");
  assert.deepEqual(
    { status, model, task, activeFiles, branch, heartbeatAt },
    {
      status: "active",
      model: "opus",
      task: undefined,
      activeFiles: ["/a"],
      branch: "main",
      heartbeatAt: "2026-12-01T08:00:01.000Z",
    },
  );
  assert.deepEqual(world.events("heartbeat"), [
    "came ann",
    "idle ann",
    "active ann",
  ]);
});

Deno.test("end: once, by its own process if one is given, and releases everything", () => {
  const world = new World();
  const { pid, processStart } = world.join("ann");
  world.join("bob");
  world.hold("ann", "/a");
  world.post("T-1");
  world.claim("T-1", "ann");
  for (
    const other of [{ pid: 1, processStart }, { pid, processStart: "other" }]
  ) {
    end(world, "ann", other);
    assert.deepEqual(world.changes, []);
  }
  end(world, "ann", { pid, processStart });
  end(world, "ann");
  assert.deepEqual(world.changes, []);
  const { status, endedAt, activeFiles } = world.session("ann");
  assert.deepEqual([status, endedAt, activeFiles], [
    "terminated",
    "2026-12-01T08:00:00.000Z",
    [],
  ]);
  assert.deepEqual(world.holds, []);
  assert.equal(world.task("T-1").status, "open");
  assert.deepEqual(world.events("heartbeat").at(-1), "ended ann");
  assert.throws(() => end(world, "eve"), UnknownSessionError);
});

/** Returns all acts of a session. */
const ACTS: Readonly<Record<string, (world: World) => unknown>> = {
  "update a session": (world) => update(world, "ann", {}),
  "publish": (world) => world.publish("ann", 1),
  "answer": (world) => world.publish("ann", 1, { to: "bob", replyTo: "1" }),
  "take a lock": (world) => world.ask("ann", "/free"),
  "wait for a lock": (world) => world.ask("ann", "/b", { wait: true }),
  "check a waiter": (world) => world.check("99", "ann"),
  "post a task": (world) => world.post("T-9", { session: "ann" }),
  "claim a task": (world) => world.claim("T-2", "ann"),
  "claim the next task": (world) =>
    world.run((records, at) => claimNextTask(records, at, {}, claimer("ann"))),
  "acknowledge a message": (world) =>
    world.run((records, at) =>
      moveDeliveries(records, at, "ann", ["1"], "acked")
    ),
  "note an activity": (world) =>
    world.run((records, at) =>
      noteActivity(records, at, "ann", { touched: ["/a"] })
    ),
  "note an activity as expected": (world) =>
    world.run((records, at) =>
      noteActivity(records, at, "ann", { expects: { key: "k", value: null } })
    ),
  "guard an edit": (world) =>
    world.run((records, at) =>
      guardEdit(records, at, {
        session: "ann",
        agent: "",
        targets: [{ target: target("/free") }],
        leaseMs: 1_000,
        actingFor: [],
        informed: false,
      }, 10)
    ),
  "guard an edit that is to be denied": (world) =>
    world.run((records, at) =>
      guardEdit(records, at, {
        session: "ann",
        agent: "",
        targets: [{ target: target("/b") }],
        leaseMs: 1_000,
        actingFor: [],
        informed: false,
      }, 10)
    ),
  "note a branch": (world) =>
    world.run((records, at) =>
      moveBranch(records, at, {
        worktree: "/w",
        branch: "next",
        session: "ann",
        isOwn: false,
      })
    ),
  "run a batch": (world) =>
    world.run((records, at) =>
      together(records, at, [{ kind: "update-session", id: "ann", change: {} }])
    ),
};

/** Ways in which a session ceases to be the one that a store registered. */
const ENDS: Readonly<Record<string, (world: World) => void>> = {
  "has ended": (world) => end(world, "ann"),
  "was reaped": (world) => {
    world.end("ann");
    listed(world);
  },
  "was taken over": (world) => {
    const mine = new Map(world.incarnations);
    world.end("ann");
    world.join("ann");
    world.incarnations.clear();
    for (const [id, process] of mine) world.incarnations.set(id, process);
  },
  "is forgotten": (world) => world.memory.records.session.delete("ann"),
};

for (const [how, cease] of Object.entries(ENDS)) {
  for (const [what, act] of Object.entries(ACTS)) {
    Deno.test(`a session that ${how} cannot ${what}`, () => {
      const world = new World();
      world.join("ann", { worktree: "/w", branch: "main" });
      world.join("bob", { worktree: "/w", branch: "main" });
      world.publish("bob", "question", { to: "ann" });
      world.post("T-2", { session: "bob" });
      world.hold("bob", "/b");
      cease(world);
      const before = structuredClone(world.memory.records);
      assert.throws(() => act(world), (error) => {
        assert.ok(error instanceof SessionEndedError, String(error));
        assert.equal(error.takenOver, how === "was taken over");
        return true;
      });
      assert.deepEqual(world.memory.records, before);
    });
  }
}

Deno.test("a session that has ended keeps no lock and no claim to renew or end", () => {
  const world = new World();
  world.join("ann");
  world.post("T-1");
  const hold = world.hold("ann", "/a");
  const claim = world.claim("T-1", "ann");
  end(world, "ann");
  const acts: (() => unknown)[] = [
    () => world.run((records, at) => renewLock(records, at, hold, 1)),
    () => world.run((records, at) => releaseLock(records, at, hold)),
    () => world.run((records, at) => renewClaim(records, at, claim, 1)),
    () =>
      world.run((records, at) =>
        endClaim(records, at, claim, { status: "open" })
      ),
  ];
  for (const act of acts) assert.throws(act, { name: "NotHeldError" });
});

// State of a session's process, and whether a list reaps it.
const REAPED: readonly [
  how: string,
  start: Start,
  life: Life,
  isReaped: boolean,
][] = [
  ["lives", {}, "alive", false],
  ["is dead", {}, "dead", true],
  ["cannot be judged", {}, "unknown", false],
  ["is not known", { pid: undefined, processStart: undefined }, "dead", false],
  ["has no start time", { processStart: undefined }, "dead", false],
  ["is of another host", { host: BESIDE }, "dead", false],
  ["is of another machine", { host: ELSEWHERE }, "dead", false],
];

for (const [how, start, life, isReaped] of REAPED) {
  Deno.test(`reaping: a session whose process ${how} ${isReaped ? "is reaped" : "stays"}`, () => {
    const looks: readonly ((world: World) => unknown)[] = [
      (world) => listed(world),
      (world) => world.run((records, at) => reapSome(records, at, "")),
      (world) => world.run((records, at) => purge(records, at, 10, "")),
    ];
    for (const look of looks) {
      const world = new World();
      world.join("ann", { pid: 7, ...start });
      world.end(7, life);
      // Silence alone does not prove death.
      world.advance(5 * HOUR_MS);
      look(world);
      const { status } = world.session("ann");
      assert.equal(status, isReaped ? "terminated" : "active");
      if (isReaped) {
        assert.deepEqual(world.events("heartbeat").at(-1), "died ann");
      }
    }
  });
}

Deno.test("reaping: a step checks some sessions, and the next continues after them", () => {
  const world = new World();
  const ids = Array.from(
    { length: 40 },
    (_, i) => `s${String(i).padStart(2, "0")}`,
  );
  for (const id of ids) {
    world.join(id);
    world.end(id);
  }
  let after = "";
  const counts: number[] = [];
  do {
    after = world.run((records, at) => reapSome(records, at, after));
    counts.push(world.changes.length);
  } while (after !== "");
  assert.deepEqual(counts, [16, 16, 8]);
  assert.deepEqual(listed(world), []);
});

Deno.test("reaping: holds and claims of a dead session pass on in the same step", () => {
  const world = new World();
  for (const id of ["ann", "bob"]) world.join(id);
  world.hold("ann", "/a");
  const waiter = world.queue("bob", "/a");
  world.post("T-1");
  world.claim("T-1", "ann");
  world.end("ann");
  assert.deepEqual(listed(world), ["bob"]);
  assert.equal(world.check(waiter, "bob").state, "held");
  assert.equal(world.task("T-1").status, "open");
  assert.deepEqual(world.payloads("task_broadcast").at(-1)?.event, "returned");
});

Deno.test("silence: each silence is announced once, and a heartbeat ends it", () => {
  const world = new World();
  world.join("ann");
  world.join("unheard", { vendor: "unknown" });
  const announce = () => {
    world.run(announceSilent);
    return world.events("heartbeat").filter((event) =>
      event.startsWith("stale")
    );
  };
  world.advance(STALE_AFTER_MS);
  assert.equal(announce().filter((event) => event === "stale ann").length, 0);
  world.advance(1);
  assert.deepEqual(announce().filter((event) => event === "stale ann"), [
    "stale ann",
  ]);
  assert.deepEqual(
    announce().filter((event) => event === "stale ann").length,
    1,
  );
  update(world, "ann", {});
  assert.equal(announce().filter((event) => event === "stale ann").length, 1);
  world.advance(STALE_AFTER_MS + 1);
  assert.equal(announce().filter((event) => event === "stale ann").length, 2);
});

Deno.test("silence: a silence of days is announced once, despite purges", () => {
  const world = new World();
  world.join("ann");
  for (let hours = 0; hours < 80; hours += 8) {
    world.advance(8 * HOUR_MS);
    world.run((records, at) => purge(records, at, 10, ""));
  }
  const stale = () =>
    world.events("heartbeat").filter((event) => event === "stale ann").length;
  assert.equal(stale(), 1);
  update(world, "ann", {});
  world.advance(DAY_MS + 1);
  world.run((records, at) => purge(records, at, 10, ""));
  assert.equal(stale(), 2);
  end(world, "ann");
  world.advance(DAY_MS + 1);
  world.run((records, at) => purge(records, at, 10, ""));
  assert.equal(world.memory.records.note.size, 0);
});

Deno.test("silence: a dead session is reaped, and not announced as silent", () => {
  const world = new World();
  world.join("ann");
  world.end("ann");
  world.advance(STALE_AFTER_MS + 1);
  world.run(announceSilent);
  assert.deepEqual(world.events("heartbeat"), ["came ann"]);
});

Deno.test("list: sessions of a project and of no project, ended ones on request", () => {
  const world = new World();
  world.join("ann", { project: "/one" });
  world.join("bob", { project: "/two" });
  world.join("eve");
  end(world, "ann");
  assert.deepEqual(listed(world), ["bob", "eve"]);
  assert.deepEqual(listed(world, "/one"), ["eve"]);
  assert.deepEqual(listed(world, "/one", true), ["ann", "eve"]);
});

Deno.test("list: running incarnations of a session, and dead ones are reaped", () => {
  const world = new World();
  const join = (pid: number) =>
    world.join("ann", { pid, processStart: `s${pid}` }).id;
  assert.deepEqual([7, 8, 9].map(join), ["ann", "ann~2", "ann~3"]);
  world.join("anna");
  world.end("ann~2");
  end(world, "ann~3");
  const ids = () =>
    world.run((records, at) => listIncarnations(records, at, "ann"))
      .map(({ id }) => id);
  assert.deepEqual(ids(), ["ann"]);
  assert.equal(world.session("ann~2")?.status, "terminated");
});
