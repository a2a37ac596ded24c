/** A wait that would close a cycle is refused, and no other wait is. */

import assert from "node:assert/strict";
import { DeadlockError } from "../../lib/model/errors.ts";
import { findCycle, type Waiting } from "../../lib/rules/deadlock.ts";
import { endSession } from "../../lib/rules/sessions.ts";
import { type Wish, World } from "./world.ts";

/** Act of a session: it takes a path, or waits for it. */
type Act = readonly [
  session: string,
  act: "holds" | "waits",
  path: string,
  wish?: Wish,
];

// The last act of each is the one under test.
const SCENES: readonly {
  readonly what: string;
  readonly acts: readonly Act[];
  readonly cycle?: readonly string[];
}[] = [
  {
    what: "two that wait for each other",
    acts: [
      ["ann", "holds", "/a"],
      ["bob", "holds", "/b"],
      ["bob", "waits", "/a"],
      ["ann", "waits", "/b"],
    ],
    cycle: ["ann /b bob", "bob /a ann"],
  },
  {
    what: "three that wait in a circle",
    acts: [
      ["ann", "holds", "/a"],
      ["bob", "holds", "/b"],
      ["eve", "holds", "/e"],
      ["ann", "waits", "/b"],
      ["bob", "waits", "/e"],
      ["eve", "waits", "/a"],
    ],
    cycle: ["eve /a ann", "ann /b bob", "bob /e eve"],
  },
  {
    what: "a line",
    acts: [
      ["ann", "holds", "/a"],
      ["bob", "holds", "/b"],
      ["bob", "waits", "/a"],
      ["eve", "waits", "/b"],
    ],
  },
  {
    what: "a session that holds nothing",
    acts: [
      ["ann", "holds", "/a"],
      ["bob", "waits", "/a"],
      ["eve", "waits", "/a"],
    ],
  },
  {
    what: "two that upgrade one path",
    acts: [
      ["ann", "holds", "/a", { type: "advisory" }],
      ["bob", "holds", "/a", { type: "advisory" }],
      ["ann", "waits", "/a", { upgrades: 1 }],
      ["bob", "waits", "/a", { upgrades: 2 }],
    ],
    cycle: ["bob /a ann", "ann /a bob"],
  },
  {
    what: "a session behind a waiter that needs it",
    acts: [
      ["ann", "holds", "/a", { type: "advisory" }],
      ["bob", "waits", "/a"],
      ["eve", "holds", "/e"],
      ["eve", "waits", "/a", { type: "advisory" }],
      ["bob", "waits", "/e", { agent: "x" }],
    ],
    cycle: ["bob /e eve", "eve /a bob"],
  },
  {
    what: "folders and globs that overlap",
    acts: [
      ["ann", "holds", "/src", { kind: "folder" }],
      ["bob", "holds", "/lib/*.ts", { kind: "glob" }],
      ["bob", "waits", "/src/a.ts"],
      ["ann", "waits", "/lib/a.ts"],
    ],
    cycle: ["ann /lib/a.ts bob", "bob /src/a.ts ann"],
  },
  {
    // The helper's caller waits until the helper ends.
    what: "a helper that waits for a session that waits for its caller",
    acts: [
      ["ann", "holds", "/a"],
      ["bob", "holds", "/b"],
      ["bob", "waits", "/a"],
      ["helper", "waits", "/b", { actingFor: ["ann"] }],
    ],
    cycle: ["helper /b bob", "bob /a ann", "ann /b helper"],
  },
  {
    what: "a session that waits for a caller whose helper waits for it",
    acts: [
      ["ann", "holds", "/a"],
      ["bob", "holds", "/b"],
      ["helper", "waits", "/b", { actingFor: ["ann"] }],
      ["bob", "waits", "/a"],
    ],
    cycle: ["bob /a ann", "ann /b helper", "helper /b bob"],
  },
  {
    what: "a helper of a helper",
    acts: [
      ["ann", "holds", "/a"],
      ["bob", "holds", "/b"],
      ["bob", "waits", "/a"],
      ["helper", "waits", "/b", { actingFor: ["caller", "ann"] }],
    ],
    cycle: ["helper /b bob", "bob /a ann", "ann /b helper"],
  },
  {
    what: "a helper that needs what its caller holds",
    acts: [
      ["ann", "holds", "/a"],
      ["bob", "holds", "/a/b"],
      ["bob", "waits", "/a"],
      ["helper", "waits", "/a", { actingFor: ["ann", "bob"] }],
    ],
  },
  {
    what: "a helper behind a session that waits for another",
    acts: [
      ["ann", "holds", "/a"],
      ["eve", "holds", "/e"],
      ["bob", "holds", "/b"],
      ["bob", "waits", "/e"],
      ["helper", "waits", "/b", { actingFor: ["ann"] }],
    ],
  },
];

for (const { what, acts, cycle } of SCENES) {
  const verdict = cycle === undefined ? "may wait" : "is refused";
  Deno.test(`deadlock: ${what} ${verdict}`, () => {
    const world = new World();
    for (const id of ["ann", "bob", "eve", "caller", "helper"]) world.join(id);
    const last = acts.length - 1;
    acts.forEach(([session, act, path, wish], at) => {
      const wait = act === "waits";
      if (at < last || cycle === undefined) {
        // A helper takes its caller's paths at once.
        const { state } = world.ask(session, path, { ...wish, wait });
        if (at < last) assert.equal(state, wait ? "waiting" : "held");
        return;
      }
      const before = structuredClone(world.memory.records);
      assert.throws(
        () => world.ask(session, path, { ...wish, wait }),
        (error) => {
          assert.ok(error instanceof DeadlockError, String(error));
          assert.deepEqual(
            error.cycle.map((step) =>
              `${step.session} ${step.path} ${step.waitsFor}`
            ),
            cycle,
          );
          return true;
        },
      );
      assert.deepEqual(world.memory.records, before);
      // Without waiting the request is only refused.
      assert.equal(world.ask(session, path, wish).state, "refused");
    });
  });
}

Deno.test("deadlock: a waiter that is dead closes no cycle", () => {
  const world = new World();
  for (const id of ["ann", "bob"]) world.join(id);
  world.hold("ann", "/a");
  world.hold("bob", "/b");
  world.as({ pid: 50, startTime: "s50" }, () => world.queue("bob", "/a"));
  world.end(50);
  world.queue("ann", "/b");
});

Deno.test("deadlock: a session that has ended closes no cycle", () => {
  const world = new World();
  for (const id of ["ann", "bob", "eve"]) world.join(id);
  world.hold("ann", "/a");
  world.hold("bob", "/b");
  world.queue("bob", "/a");
  world.queue("eve", "/b");
  world.run((records, at) => endSession(records, at, "bob"));
  // eve holds it now, and waits for nothing.
  world.queue("ann", "/b");
});

Deno.test("findCycle: a graph with a cycle elsewhere, and a long line, end", () => {
  const waits = (...blockers: string[]): Waiting => ({
    path: blockers.join(),
    blockers: blockers.map((session) => ({ session })),
  });
  const elsewhere = new Map([["b", [waits("c")]], ["c", [waits("b")]]]);
  assert.equal(findCycle("a", waits("b"), elsewhere), undefined);
  const line = new Map(
    Array.from({ length: 2_000 }, (_, i) => [`${i}`, [waits(`${i + 1}`)]]),
  );
  assert.equal(findCycle("a", waits("0"), line), undefined);
  line.set("2000", [waits("a")]);
  assert.equal(findCycle("a", waits("0"), line)?.length, 2_002);
  // Each session is visited once, over any number of paths to it.
  const many = new Map(
    Array.from({ length: 40 }, (_, i) => [
      `${i}`,
      [waits(`${i + 1}`), waits(`${i + 1}`)],
    ]),
  );
  assert.equal(findCycle("a", waits("0"), many), undefined);
});
