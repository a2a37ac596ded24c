/** Locks are taken, refused, queued for, granted and released by one rule. */

import assert from "node:assert/strict";
import { LimitError, NotHeldError } from "../../lib/model/errors.ts";
import type { Hold, LockKind } from "../../lib/model/lock.ts";
import type { Life } from "../../lib/model/process.ts";
import {
  leaveQueue,
  listHolds,
  listWaiters,
  releaseLock,
  removeGoneWaiters,
  renewLock,
} from "../../lib/rules/locks.ts";
import { WAIT_LEASE_MS } from "../../lib/rules/precedence.ts";
import { endSession } from "../../lib/rules/sessions.ts";
import {
  BESIDE,
  blockers,
  ELSEWHERE,
  held,
  HERE,
  HOUR_MS,
  type Start,
  target,
  type Wish,
  World,
} from "./world.ts";

const ADVISORY = { type: "advisory" } as const;
const EXCLUSIVE = { type: "exclusive" } as const;

/** Process of a command, which waits for a session. */
const COMMAND = { pid: 50, startTime: "s50" };

/** Makes a world of sessions. */
function worldOf(...ids: readonly string[]): World {
  const world = new World();
  for (const id of ids) world.join(id);
  return world;
}

function release(
  world: World,
  hold: Hold,
  options?: { readonly entirely?: boolean; readonly before?: Hold },
): void {
  world.run((records, at) => releaseLock(records, at, hold, options));
}

function leave(world: World, waiter: string): void {
  world.run((records, at) => leaveQueue(records, at, waiter));
}

/** Queues a session in its own process. */
function ownQueue(world: World, session: string, path: string): string {
  const { pid, processStart: startTime } = world.session(session);
  return world.as({ pid, startTime }, () => world.queue(session, path));
}

// A hold of ann, a request of bob, and its outcome.
const MEETINGS: readonly {
  readonly held: Wish & { readonly path: string };
  readonly asked: Wish & { readonly path: string };
  readonly comesTo: "held" | "refused";
  readonly risks?: readonly string[];
}[] = [
  { held: { path: "/a" }, asked: { path: "/a" }, comesTo: "refused" },
  { held: { path: "/a" }, asked: { path: "/b" }, comesTo: "held" },
  {
    held: { path: "/a" },
    asked: { path: "/a", ...ADVISORY },
    comesTo: "refused",
  },
  {
    held: { path: "/a", ...ADVISORY },
    asked: { path: "/a" },
    comesTo: "refused",
  },
  {
    held: { path: "/a", ...ADVISORY },
    asked: { path: "/a", ...ADVISORY },
    comesTo: "held",
    risks: ["conflict"],
  },
  {
    held: { path: "/src", kind: "folder" },
    asked: { path: "/src/a.ts" },
    comesTo: "refused",
  },
  {
    held: { path: "/src/a.ts" },
    asked: { path: "/src", kind: "folder" },
    comesTo: "refused",
  },
  {
    held: { path: "/src/*.ts", kind: "glob" },
    asked: { path: "/src/a.ts" },
    comesTo: "refused",
  },
  {
    held: { path: "/src/*.ts", kind: "glob" },
    asked: { path: "/src/a.md" },
    comesTo: "held",
  },
  {
    held: { path: "/src/*.ts", kind: "glob" },
    asked: { path: "/src/b*", kind: "glob" },
    comesTo: "refused",
  },
  {
    held: { path: "@release", kind: "name" },
    asked: { path: "@release", kind: "name" },
    comesTo: "refused",
  },
  {
    held: { path: "@release", kind: "name" },
    asked: { path: "@other", kind: "name" },
    comesTo: "held",
  },
  {
    held: { path: "@release", kind: "name" },
    asked: { path: "/", kind: "folder" },
    comesTo: "held",
  },
  {
    held: { path: "/a" },
    asked: { path: "/a", actingFor: ["ann"] },
    comesTo: "held",
    risks: [],
  },
  {
    held: { path: "/w/1/a", repository: "/repo/a", worktree: "/w/1" },
    asked: { path: "/w/2/a", repository: "/repo/a", worktree: "/w/2" },
    comesTo: "held",
    risks: ["merge-risk"],
  },
  {
    held: { path: "/w", kind: "folder", worktree: "/w" },
    asked: { path: "/w/.claude/2/a", worktree: "/w/.claude/2" },
    comesTo: "held",
  },
];

for (const { held: first, asked, comesTo, risks = [] } of MEETINGS) {
  const how = `${asked.type ?? "exclusive"} on ${asked.path}` +
    `${asked.actingFor === undefined ? "" : " for its holder"} is ${comesTo}` +
    ` beside ${first.type ?? "exclusive"} on ${first.path}`;
  Deno.test(`acquire: ${how}`, () => {
    const world = worldOf("ann", "bob");
    world.hold("ann", first.path, first);
    const outcome = world.ask("bob", asked.path, asked);
    assert.equal(outcome.state, comesTo);
    if (outcome.state !== "held") {
      assert.deepEqual(blockers(outcome), [`ann holds ${first.path}`]);
      assert.equal(world.holds.length, 1);
      return;
    }
    assert.deepEqual(outcome.overlaps.map(({ risk }) => risk), risks);
    assert.equal(world.holds.length, 2);
  });
}

Deno.test("acquire: a hold has the fields of its request", () => {
  const world = new World();
  world.join("ann", { vendor: "claude", task: "T-1" });
  const hold = world.hold("ann", "/w/a.ts", {
    agent: "x",
    why: "mend it",
    repository: "/repo/a.ts",
    worktree: "/w",
    leaseMs: 60_000,
  });
  assert.deepEqual(hold, {
    token: 1,
    kind: "file",
    path: "/w/a.ts",
    type: "exclusive",
    session: "ann",
    name: "ann",
    agent: "x",
    vendor: "claude",
    task: "T-1",
    why: "mend it",
    since: "2026-12-01T08:00:00.000Z",
    expiresAt: "2026-12-01T08:01:00.000Z",
    overdue: false,
    count: 1,
    project: "/repo",
    worktree: "/w",
    pathSets: { disk: "/w/a.ts", repository: "/repo/a.ts", foldsCase: false },
  });
  assert.deepEqual(world.wakes, ["locks"]);
});

Deno.test("acquire: the same agent takes a lock again, and keeps the longer lease and the reason", () => {
  const world = worldOf("ann");
  const first = world.hold("ann", "/a", { why: "one", leaseMs: HOUR_MS });
  const again = world.hold("ann", "/a", { ...ADVISORY, leaseMs: 1_000 });
  assert.deepEqual(again, { ...first, count: 2 });
  const other = world.hold("ann", "/a", { agent: "x" });
  assert.notEqual(other.token, first.token);
  assert.equal(world.holds.length, 2);
});

Deno.test("acquire: two agents of a session on one file are announced", () => {
  const world = worldOf("ann");
  world.hold("ann", "/a", { ...ADVISORY, agent: "x" });
  const outcome = world.ask("ann", "/a", { ...ADVISORY, agent: "y" });
  assert.ok(outcome.state === "held");
  assert.deepEqual(outcome.overlaps.map(({ risk }) => risk), ["same-session"]);
  assert.deepEqual(world.events("file_conflict"), ["same-session ann,ann"]);
});

Deno.test("acquire: an overlap is announced in each project, and taking it again is not", () => {
  const world = worldOf("ann", "bob");
  const wish = { ...ADVISORY, worktree: "/w" };
  world.hold("ann", "/w/a", wish);
  world.hold("bob", "/w/a", { ...ADVISORY });
  world.hold("bob", "/w/a", { ...ADVISORY });
  assert.deepEqual(world.events("file_conflict"), ["overlap bob,ann"]);
  const [message] = world.said.filter(({ channel }) =>
    channel === "file_conflict"
  );
  assert.equal(message.project, "/repo");
});

Deno.test("acquire: an exclusive request is announced to holders once in half a minute", () => {
  const world = worldOf("ann", "bob");
  world.hold("ann", "/a");
  world.ask("bob", "/a");
  world.ask("bob", "/a");
  assert.deepEqual(world.events("file_conflict"), ["wanted bob,ann"]);
  world.advance(30_000);
  world.ask("bob", "/a", ADVISORY);
  assert.equal(world.events("file_conflict").length, 1);
  world.ask("bob", "/a");
  assert.equal(world.events("file_conflict").length, 2);
});

Deno.test("acquire: a session has a limit of locks and waits, except for its own again", () => {
  const world = worldOf("ann", "bob");
  const limited = { locksMax: 2 };
  world.hold("bob", "/b");
  world.hold("ann", "/a", limited);
  world.queue("ann", "/b", limited);
  for (const wait of [true, false]) {
    assert.throws(
      () => world.ask("ann", "/c", { ...limited, wait }),
      LimitError,
    );
  }
  assert.equal(world.hold("ann", "/a", limited).count, 2);
});

Deno.test("acquire: a session takes a file in its exclusive folder past any waiter", () => {
  const world = worldOf("ann", "bob");
  world.hold("ann", "/src", { kind: "folder" });
  world.queue("bob", "/src", { kind: "folder" });
  world.hold("ann", "/src/a.ts");
  assert.equal(
    world.ask("ann", "/src/lib", { kind: "folder" }).state,
    "refused",
  );
});

Deno.test("queue: no session overtakes a waiter for an overlapping path", () => {
  const world = worldOf("ann", "bob", "eve");
  world.hold("ann", "/src/a.ts", ADVISORY);
  world.queue("bob", "/src", { kind: "folder" });
  assert.deepEqual(blockers(world.ask("eve", "/src/a.ts", ADVISORY)), [
    "bob waits /src",
  ]);
  world.hold("eve", "/lib/a.ts");
});

Deno.test("queue: waiters are served first come first served, advisory ones together", () => {
  const world = worldOf("ann", "bob", "eve", "kim", "lee");
  const hold = world.hold("ann", "/a");
  world.queue("bob", "/a", ADVISORY);
  world.queue("eve", "/a", ADVISORY);
  world.queue("kim", "/a");
  world.queue("lee", "/a", ADVISORY);
  release(world, hold);
  assert.deepEqual(world.holds, ["bob /a advisory", "eve /a advisory"]);
  assert.deepEqual(world.waiters, ["kim /a", "lee /a"]);
  assert.deepEqual(world.wakes.toSorted(), [
    "grants bob",
    "grants eve",
    "locks",
    "locks",
    "locks",
  ]);
});

Deno.test("queue: one release serves every waiter that it lets in", () => {
  const world = worldOf("ann", "bob", "eve", "kim");
  const hold = world.hold("ann", "/src", { kind: "folder" });
  world.queue("bob", "/src/a");
  world.queue("eve", "/src/b");
  world.queue("kim", "/src/a");
  release(world, hold);
  assert.deepEqual(world.holds, [
    "bob /src/a exclusive",
    "eve /src/b exclusive",
  ]);
  assert.deepEqual(world.waiters, ["kim /src/a"]);
});

Deno.test("queue: a waiter that acts for an earlier one is served beside it", () => {
  const world = worldOf("ann", "bob", "eve");
  const hold = world.hold("ann", "/a");
  world.queue("bob", "/a");
  world.queue("eve", "/a", { actingFor: ["bob"] });
  release(world, hold);
  assert.deepEqual(world.holds, ["bob /a exclusive", "eve /a exclusive"]);
});

Deno.test("check: a waiter keeps its place, is granted once, and picks its lock up", () => {
  const world = worldOf("ann", "bob");
  const hold = world.hold("ann", "/a");
  const waiter = world.queue("bob", "/a", { why: "next" });
  world.advance(WAIT_LEASE_MS - 1);
  assert.deepEqual(blockers(world.check(waiter, "bob")), ["ann holds /a"]);
  world.advance(WAIT_LEASE_MS - 1);
  assert.equal(world.check(waiter, "bob").state, "waiting");
  release(world, hold);
  const granted = held(world.check(waiter, "bob"));
  assert.equal(granted.why, "next");
  assert.ok(granted.token > hold.token);
  assert.equal(world.memory.records.waiter.size, 0);
  assert.deepEqual(world.check(waiter, "bob"), {
    state: "refused",
    blockers: [],
  });
});

Deno.test("check: a waiter whose conflict another program deleted is served", () => {
  const world = worldOf("ann", "bob");
  world.hold("ann", "/a");
  const waiter = world.queue("bob", "/a");
  world.memory.records.hold.clear();
  held(world.check(waiter, "bob"));
});

Deno.test("check: a waiter's place is kept by one write in a third of its lease", () => {
  const world = worldOf("ann", "bob");
  world.hold("ann", "/a");
  const waiter = world.queue("bob", "/a");
  const check = () => {
    assert.equal(world.check(waiter, "bob").state, "waiting");
    return world.changes.length;
  };
  assert.equal(check(), 0);
  world.advance(WAIT_LEASE_MS / 3 + 1);
  assert.equal(check(), 1);
  assert.equal(check(), 0);
});

Deno.test("check: a session's own process picks its grant up without a write", () => {
  const world = worldOf("ann", "bob");
  const hold = world.hold("ann", "/a");
  const waiter = ownQueue(world, "bob", "/a");
  release(world, hold);
  const granted = held(world.check(waiter, "bob"));
  assert.deepEqual(world.changes, []);
  assert.deepEqual(held(world.check(waiter, "bob")), granted);
  release(world, granted);
  assert.equal(world.memory.records.waiter.size, 0);
  assert.equal(world.check(waiter, "bob").state, "refused");
});

Deno.test("check: a process that waits for another's session picks its grant up once", () => {
  const world = worldOf("ann", "bob");
  const hold = world.hold("ann", "/a");
  const waiter = world.as(COMMAND, () => world.queue("bob", "/a"));
  release(world, hold);
  held(world.check(waiter, "bob"));
  assert.equal(world.memory.records.waiter.size, 0);
  assert.equal(world.check(waiter, "bob").state, "refused");
});

Deno.test("purge: a granted waiter whose hold has ended is removed", () => {
  const world = worldOf("ann", "bob");
  const hold = world.hold("ann", "/a");
  const waiters = [1, 2].map(() => ownQueue(world, "bob", "/a"));
  release(world, hold);
  const [granted] = waiters.map((waiter) => held(world.check(waiter, "bob")));
  assert.equal(granted.count, 2);
  release(world, granted, { entirely: true });
  world.run(removeGoneWaiters);
  assert.equal(world.memory.records.waiter.size, 0);
});

Deno.test("leave: a grant is released after its session's own process has checked", () => {
  const world = worldOf("ann", "bob", "eve");
  const hold = world.hold("ann", "/a");
  const waiter = ownQueue(world, "bob", "/a");
  world.queue("eve", "/a");
  release(world, hold);
  held(world.check(waiter, "bob"));
  leave(world, waiter);
  assert.deepEqual(world.holds, ["eve /a exclusive"]);
});

Deno.test("leave: the next waiter is served, and a grant is released", () => {
  const world = worldOf("ann", "bob", "eve", "kim");
  const hold = world.hold("ann", "/a", ADVISORY);
  const bob = world.queue("bob", "/a");
  const eve = world.queue("eve", "/a", ADVISORY);
  leave(world, bob);
  assert.deepEqual(world.holds, ["ann /a advisory", "eve /a advisory"]);
  world.queue("kim", "/a");
  release(world, hold);
  leave(world, eve);
  assert.deepEqual(world.holds, ["kim /a exclusive"]);
  leave(world, eve);
  assert.deepEqual(world.changes, []);
});

Deno.test("upgrade: an advisory lock becomes exclusive as the same lock", () => {
  const world = worldOf("ann", "bob");
  const mine = world.hold("ann", "/a", ADVISORY);
  const yours = world.hold("bob", "/a", ADVISORY);
  const upgrade = { upgrades: mine.token };
  assert.deepEqual(blockers(world.ask("ann", "/a", upgrade)), ["bob holds /a"]);
  const waiter = world.queue("ann", "/a", upgrade);
  release(world, yours);
  const { token, type, count } = held(world.check(waiter, "ann"));
  assert.deepEqual([token, type, count], [mine.token, "exclusive", 1]);
});

Deno.test("upgrade: left after it was granted, the lock is advisory again and lets the next in", () => {
  const world = worldOf("ann", "bob", "eve");
  const mine = world.hold("ann", "/a", ADVISORY);
  const yours = world.hold("bob", "/a", ADVISORY);
  const waiter = world.queue("ann", "/a", { upgrades: mine.token });
  world.queue("eve", "/a", ADVISORY);
  release(world, yours);
  assert.deepEqual(world.holds, ["ann /a exclusive"]);
  leave(world, waiter);
  assert.deepEqual(world.holds, ["ann /a advisory", "eve /a advisory"]);
});

Deno.test("upgrade: a lock that is not held, or was released meanwhile, is refused", () => {
  const world = worldOf("ann", "bob");
  const mine = world.hold("ann", "/a", ADVISORY);
  const yours = world.hold("bob", "/a", ADVISORY);
  for (const upgrades of [yours.token, 999]) {
    assert.throws(() => world.ask("ann", "/a", { upgrades }), NotHeldError);
  }
  assert.throws(
    () => world.ask("ann", "/a", { upgrades: mine.token, agent: "x" }),
    NotHeldError,
  );
  const waiter = world.queue("ann", "/a", { upgrades: mine.token });
  release(world, mine);
  release(world, yours);
  assert.deepEqual(world.check(waiter, "ann"), {
    state: "refused",
    blockers: [],
  });
  assert.deepEqual(world.holds, []);
});

Deno.test("renew and release: only the session with the token may do so", () => {
  const world = worldOf("ann", "bob");
  const gone = world.hold("ann", "/a");
  release(world, gone);
  const mine = world.hold("ann", "/a", { leaseMs: 1_000 });
  const acts: readonly ((hold: Hold) => void)[] = [
    (hold) => release(world, hold),
    (hold) => world.run((records, at) => renewLock(records, at, hold, 1)),
  ];
  for (const act of acts) {
    for (const hold of [gone, { ...mine, session: "bob" }]) {
      assert.throws(() => act(hold), NotHeldError);
    }
  }
  // After its expiry it is held while its process lives.
  world.advance(2_000);
  const renewed = world.run((records, at) =>
    renewLock(records, at, mine, HOUR_MS)
  );
  assert.equal(Date.parse(renewed.expiresAt), world.nowMs + HOUR_MS);
  assert.equal(renewed.overdue, false);
  release(world, mine);
  assert.deepEqual(world.holds, []);
});

Deno.test("release: once per acquire, entirely, or back to the earlier hold", () => {
  const world = worldOf("ann", "bob");
  const once = world.hold("ann", "/a");
  world.hold("ann", "/a");
  release(world, once);
  assert.deepEqual(world.holds, ["ann /a exclusive"]);
  world.hold("ann", "/a");
  release(world, once, { entirely: true });
  assert.deepEqual(world.holds, []);

  const before = world.hold("ann", "/a", { ...ADVISORY, why: "read" });
  const more = world.hold("ann", "/a", { why: "write", leaseMs: 2 * HOUR_MS });
  const waiter = world.queue("bob", "/a", ADVISORY);
  release(world, more, { before });
  assert.deepEqual(world.holds, ["ann /a advisory", "bob /a advisory"]);
  const [{ hold }] = [...world.memory.records.hold.values()];
  assert.deepEqual(hold, before);
  held(world.check(waiter, "bob"));
});

Deno.test("take-over: overdue holds are ended for a granted lock, and their holders are told", () => {
  const world = worldOf("ann", "bob", "eve");
  const takeOver = true;
  const hold = world.hold("ann", "/src/a", { leaseMs: 1_000 });
  const folder = { kind: "folder", takeOver } as const;
  assert.equal(world.ask("bob", "/src", folder).state, "refused");
  world.advance(1_000);
  const refused = world.ask("bob", "/src/a");
  assert.ok(refused.state === "refused");
  const [blocker] = refused.blockers;
  assert.equal(blocker.overdue, true);
  // Another hold is not overdue, so the request is refused.
  const other = world.hold("eve", "/src/b");
  assert.equal(world.ask("bob", "/src", folder).state, "refused");
  assert.deepEqual(world.holds.length, 2);
  release(world, other);
  world.hold("bob", "/src", folder);
  assert.deepEqual(world.holds, ["bob /src exclusive"]);
  assert.deepEqual(world.events("file_conflict").at(-1), "taken-over bob,ann");
  assert.throws(() => release(world, hold), NotHeldError);
});

Deno.test("take-over: a session that waits ends the overdue holds, and waits for the rest", () => {
  const world = worldOf("ann", "bob", "eve");
  world.hold("ann", "/src/a", { leaseMs: 1_000 });
  world.hold("eve", "/src/b");
  world.advance(1_000);
  world.queue("bob", "/src", { kind: "folder", takeOver: true });
  assert.deepEqual(world.holds, ["eve /src/b exclusive"]);
});

// State of a holder's process, and of its lock.
const HOLDERS: readonly {
  readonly how: string;
  readonly start?: Start;
  readonly life?: Life;
  readonly afterMs: number;
  readonly comesTo: "held" | "refused";
  readonly status: string;
}[] = [
  { how: "lives", afterMs: 0, comesTo: "refused", status: "active" },
  {
    how: "lives, past its expiry",
    afterMs: HOUR_MS,
    comesTo: "refused",
    status: "active",
  },
  {
    how: "is dead",
    life: "dead",
    afterMs: 0,
    comesTo: "held",
    status: "terminated",
  },
  {
    how: "cannot be judged",
    life: "unknown",
    afterMs: HOUR_MS - 1,
    comesTo: "refused",
    status: "active",
  },
  {
    how: "cannot be judged, past its expiry",
    life: "unknown",
    afterMs: HOUR_MS,
    comesTo: "held",
    status: "active",
  },
  {
    how: "is not known",
    start: { pid: undefined, processStart: undefined },
    afterMs: HOUR_MS - 1,
    comesTo: "refused",
    status: "active",
  },
  {
    how: "is not known, past its expiry",
    start: { pid: undefined, processStart: undefined },
    afterMs: HOUR_MS,
    comesTo: "held",
    status: "active",
  },
  {
    how: "has no start time, and a pid that is not in use",
    start: { processStart: undefined },
    life: "dead",
    afterMs: 0,
    comesTo: "refused",
    status: "active",
  },
  {
    how: "is of another host, and a pid that is not in use here",
    start: { host: BESIDE },
    life: "dead",
    afterMs: HOUR_MS - 1,
    comesTo: "refused",
    status: "active",
  },
  {
    how: "is of another host, past its expiry",
    start: { host: BESIDE },
    afterMs: HOUR_MS,
    comesTo: "held",
    status: "active",
  },
];

for (const { how, start, life, afterMs, comesTo, status } of HOLDERS) {
  Deno.test(`reaping: the lock of a holder whose process ${how} is ${comesTo}`, () => {
    const world = worldOf("bob");
    world.join("ann", start);
    world.as({ host: start?.host ?? HERE }, () => world.hold("ann", "/a"));
    if (life !== undefined) world.end(world.session("ann").pid!, life);
    world.advance(afterMs);
    assert.equal(world.ask("bob", "/a").state, comesTo);
    assert.equal(world.session("ann").status, status);
    assert.equal(world.holds.length, 1);
  });
}

Deno.test("reaping: a dead holder loses all of its holds and waits", () => {
  const world = worldOf("ann", "bob", "eve", "kim");
  const hold = world.hold("kim", "/k");
  world.hold("ann", "/a");
  world.hold("ann", "/b");
  world.queue("ann", "/k");
  world.queue("eve", "/b");
  world.end("ann");
  world.hold("bob", "/a");
  assert.deepEqual(world.holds, [
    "kim /k exclusive",
    "bob /a exclusive",
    "eve /b exclusive",
  ]);
  assert.deepEqual(world.waiters, []);
  assert.deepEqual(world.events("heartbeat").at(-1), "died ann");
  release(world, hold);
  assert.equal(world.holds.length, 2);
});

Deno.test("reaping: a list reaps every dead holder", () => {
  const world = worldOf("ann", "bob", "eve");
  for (const id of ["ann", "bob", "eve"]) world.hold(id, `/${id}`);
  world.hold("ann", "/more");
  world.end("ann");
  world.end("eve");
  assert.deepEqual(world.listed(), ["bob /bob exclusive"]);
  assert.deepEqual(
    world.events("heartbeat").filter((event) => event.startsWith("died")),
    ["died ann", "died eve"],
  );
});

// State of a waiter's process, and whether it keeps its place.
const WAITERS: readonly [
  how: string,
  life: Life,
  afterMs: number,
  stays: boolean,
][] = [
  ["lives", "alive", 0, true],
  ["lives, and is silent past its lease", "alive", WAIT_LEASE_MS, true],
  ["is dead", "dead", 0, false],
  ["cannot be judged", "unknown", WAIT_LEASE_MS - 1, true],
  [
    "cannot be judged, and is silent past its lease",
    "unknown",
    WAIT_LEASE_MS,
    false,
  ],
];

for (const [how, life, afterMs, stays] of WAITERS) {
  Deno.test(`reaping: a waiter whose process ${how} ${stays ? "stays" : "leaves"}`, () => {
    const looks: readonly ((world: World) => unknown)[] = [
      (world) => world.ask("eve", "/a"),
      (world) =>
        world.run((records, at) => listWaiters(records, at, target("/a"))),
      (world) => world.run(removeGoneWaiters),
    ];
    for (const look of looks) {
      const world = worldOf("ann", "bob", "eve");
      world.hold("ann", "/a");
      world.as(COMMAND, () => world.queue("bob", "/a"));
      world.end(COMMAND.pid, life);
      world.advance(afterMs);
      look(world);
      assert.deepEqual(world.waiters, stays ? ["bob /a"] : []);
      assert.equal(world.session("bob").status, "active");
    }
  });
}

Deno.test("reaping: a waiter that is dead when it is served is skipped", () => {
  const world = worldOf("ann", "bob", "eve");
  const hold = world.hold("ann", "/a");
  world.as(COMMAND, () => world.queue("bob", "/a"));
  world.queue("eve", "/a");
  world.end(COMMAND.pid);
  release(world, hold);
  assert.deepEqual(world.holds, ["eve /a exclusive"]);
  assert.deepEqual(world.waiters, []);
});

Deno.test("reaping: a lock granted to a process that dies first passes on", () => {
  const looks: readonly ((world: World, waiter: string) => unknown)[] = [
    (world) => world.listed(),
    (world) => world.ask("kim", "/a"),
    (world) => world.run(removeGoneWaiters),
    (world, waiter) => world.check(waiter, "eve"),
  ];
  for (const look of looks) {
    const world = worldOf("ann", "bob", "eve", "kim");
    const hold = world.hold("ann", "/a");
    world.as(COMMAND, () => world.queue("bob", "/a"));
    const waiter = world.queue("eve", "/a");
    release(world, hold);
    assert.deepEqual(world.holds, ["bob /a exclusive"]);
    world.end(COMMAND.pid);
    look(world, waiter);
    assert.deepEqual(world.holds, ["eve /a exclusive"]);
    assert.equal(world.session("bob").status, "active");
    assert.deepEqual(world.waiters, []);
  }
});

Deno.test("reaping: a lock that was picked up outlives the waiting process", () => {
  const world = worldOf("ann", "bob", "eve");
  const hold = world.hold("ann", "/a");
  const waiter = world.as(COMMAND, () => world.queue("bob", "/a"));
  release(world, hold);
  held(world.check(waiter, "bob"));
  world.end(COMMAND.pid);
  assert.deepEqual(blockers(world.ask("eve", "/a")), ["bob holds /a"]);
});

Deno.test("reaping: a grant to a session's own process stands while the session lives", () => {
  const world = worldOf("ann", "bob", "eve");
  const hold = world.hold("ann", "/a");
  ownQueue(world, "bob", "/a");
  release(world, hold);
  world.end("bob", "unknown");
  world.advance(2 * WAIT_LEASE_MS);
  world.run(removeGoneWaiters);
  assert.deepEqual(world.holds, ["bob /a exclusive"]);
  world.end("bob");
  assert.deepEqual(world.listed(), []);
  assert.equal(world.memory.records.waiter.size, 0);
});

Deno.test("reaping: a granted waiter blocks by the process that is to pick its lock up", () => {
  const world = worldOf("ann", "bob", "eve");
  const hold = world.hold("ann", "/a");
  world.as(COMMAND, () => world.queue("bob", "/a"));
  release(world, hold);
  const outcome = world.ask("eve", "/a");
  assert.ok(outcome.state === "refused");
  assert.equal(outcome.blockers[0].process?.pid, COMMAND.pid);
});

// Ways in which a granted lock ends before its waiter picks it up.
const LOST: Readonly<Record<string, (world: World, granted: Hold) => unknown>> =
  {
    "is released": (world, granted) => release(world, granted),
    "is taken over": (world) => {
      world.advance(HOUR_MS);
      return world.ask("eve", "/a", { takeOver: true });
    },
    "expires, and its session has no process": (world) => {
      const { pid: _pid, processStart: _start, ...rest } = world.session("bob");
      world.memory.records.session.set("bob", rest);
      world.advance(HOUR_MS);
      return world.listed();
    },
  };

for (const [how, lose] of Object.entries(LOST)) {
  Deno.test(`check: a lock that ${how} before it is picked up is refused`, () => {
    const world = worldOf("ann", "bob", "eve");
    const hold = world.hold("ann", "/a");
    const waiter = world.queue("bob", "/a");
    release(world, hold);
    const [{ hold: granted }] = [...world.memory.records.hold.values()];
    lose(world, granted);
    assert.equal(world.memory.records.waiter.size, 0);
    assert.deepEqual(world.check(waiter, "bob"), {
      state: "refused",
      blockers: [],
    });
  });
}

Deno.test("reaping: a re-entrant grant to a dead process leaves the earlier hold", () => {
  const world = worldOf("ann", "bob", "eve");
  world.hold("ann", "/a", ADVISORY);
  const other = world.hold("bob", "/a", ADVISORY);
  world.as(COMMAND, () => world.queue("ann", "/a"));
  release(world, other);
  assert.deepEqual(world.holds, ["ann /a exclusive"]);
  world.end(COMMAND.pid);
  world.listed();
  const [{ hold, waiter }] = [...world.memory.records.hold.values()];
  assert.deepEqual([hold.count, waiter], [1, undefined]);
});

Deno.test("reaping: a session whose own process is dead at its grant gets no lock", () => {
  const world = worldOf("ann", "bob", "eve");
  const hold = world.hold("ann", "/a", ADVISORY);
  world.hold("bob", "/a", { ...ADVISORY, agent: "x" });
  // The agent is dead, and a command that it started still waits.
  world.as(COMMAND, () => world.queue("bob", "/a", { agent: "y" }));
  world.queue("eve", "/a");
  world.end("bob");
  release(world, hold);
  assert.deepEqual(world.holds, ["eve /a exclusive"]);
  assert.deepEqual(world.waiters, []);
  assert.equal(world.session("bob").status, "terminated");
});

Deno.test("ending: a session's holds and waits pass to the next, and its waiter gets an error", () => {
  const world = worldOf("ann", "bob", "eve");
  world.hold("ann", "/a");
  const bob = world.queue("bob", "/a");
  const eve = world.queue("eve", "/a");
  world.run((records, at) => endSession(records, at, "bob"));
  assert.deepEqual(world.wakes, ["locks", "grants bob"]);
  assert.throws(() => world.check(bob, "bob"), { name: "SessionEndedError" });
  world.run((records, at) => endSession(records, at, "ann"));
  held(world.check(eve, "eve"));
});

// The host of a lock, and the outcome of a request here.
const DISKS: readonly [
  host: string,
  wish: Wish & { readonly path: string },
  comesTo: "held" | "refused",
  risks: readonly string[],
][] = [
  [BESIDE, { path: "/a" }, "refused", []],
  [ELSEWHERE, { path: "/a" }, "held", []],
  [ELSEWHERE, { path: "/r/a", repository: "/repo/a" }, "held", ["merge-risk"]],
  ["private:1", { path: "/a" }, "refused", []],
  // A name of a project is one resource on every machine.
  [ELSEWHERE, { path: "@release", kind: "name" }, "refused", []],
];

for (const [host, wish, comesTo, risks] of DISKS) {
  Deno.test(`disks: ${wish.path} that is held on ${host} is ${comesTo} here`, () => {
    const world = worldOf("ann");
    world.join("bob", { host });
    const far = <T>(act: () => T) => world.as({ host }, act);
    far(() => world.hold("bob", wish.path, wish));
    const outcome = world.ask("ann", wish.path, wish);
    assert.equal(outcome.state, comesTo);
    if (outcome.state === "held") {
      assert.deepEqual(outcome.overlaps.map(({ risk }) => risk), risks);
    }
    // Lists of overlapping holds and waiters are of this disk too.
    world.join("eve", { host });
    far(() => world.queue("eve", wish.path, wish));
    const overlapping = target(wish.path, wish);
    const listed = world.run((records, at) =>
      listHolds(records, at, { project: null, overlapping })
    );
    const waiters = world.run((records, at) =>
      listWaiters(records, at, overlapping)
    );
    const isShared = comesTo === "refused";
    assert.deepEqual(
      listed.map(({ session }) => session),
      isShared ? ["bob"] : ["ann"],
    );
    assert.equal(waiters.length, isShared ? 1 : 0);
  });
}

Deno.test("disks: a release serves the waiters of its own disk", () => {
  const world = worldOf("ann");
  for (const id of ["bob", "eve"]) world.join(id, { host: ELSEWHERE });
  const far = <T>(act: () => T) => world.as({ host: ELSEWHERE }, act);
  const theirs = far(() => world.hold("bob", "/a"));
  far(() => world.queue("eve", "/a"));
  release(world, world.hold("ann", "/a"));
  assert.deepEqual(world.holds, ["bob /a exclusive"]);
  far(() => release(world, theirs));
  assert.deepEqual(world.holds, ["eve /a exclusive"]);
});

// Holds that a list returns.
const LISTS: readonly [
  query: Parameters<typeof listHolds>[2],
  paths: readonly string[],
][] = [
  [{ project: null }, ["/w/a", "/w/b", "/x", "@n"]],
  [{ project: "/repo" }, ["/w/a", "/w/b", "/x", "@n"]],
  [{ project: "/other" }, ["/x", "@n"]],
  [{ project: "/other", below: "/w" }, ["/w/a", "/w/b", "/x", "@n"]],
  [{ project: null, session: "bob" }, ["/w/b", "/x"]],
  [{ project: null, path: "/x" }, ["/x"]],
  [{ project: null, token: 2 }, ["/w/b"]],
  [
    { project: null, overlapping: target("/w", { kind: "folder" }) },
    ["/w/a", "/w/b"],
  ],
];

for (const [query, paths] of LISTS) {
  const asked = JSON.stringify({
    ...query,
    overlapping: query.overlapping?.path,
  });
  Deno.test(`list: ${asked} names ${paths.join(" ")}`, () => {
    const world = worldOf("ann", "bob");
    const kind: LockKind = "name";
    world.hold("ann", "/w/a", { worktree: "/w" });
    world.hold("bob", "/w/b", { worktree: "/w" });
    world.hold("bob", "/x");
    world.hold("ann", "@n", { kind });
    const listed = world.run((records, at) => listHolds(records, at, query));
    assert.deepEqual(listed.map(({ path }) => path), paths);
  });
}

Deno.test("a glob that may be a file's name covers only that file once it exists", () => {
  const world = worldOf("ann", "bob", "eve");
  world.hold("ann", "/app/[id].ts", { kind: "glob" });
  assert.equal(world.ask("bob", "/app/i.ts").state, "refused");
  world.put("/app/[id].ts", "file");
  world.hold("bob", "/app/i.ts");
  assert.equal(world.ask("eve", "/app/[id].ts").state, "refused");
});

Deno.test("an exclusive request names every hold and every earlier waiter in their order", () => {
  const world = worldOf("ann", "bob", "eve", "kim");
  world.hold("bob", "/a", ADVISORY);
  world.hold("ann", "/a", ADVISORY);
  world.queue("eve", "/a", EXCLUSIVE);
  assert.deepEqual(blockers(world.ask("kim", "/a")), [
    "bob holds /a",
    "ann holds /a",
    "eve waits /a",
  ]);
});
