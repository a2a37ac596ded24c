/** An edit is checked and locked in one decision, and changes are recorded. */

import assert from "node:assert/strict";
import { UnknownSessionError } from "../../lib/model/errors.ts";
import type { Activity, EditRequest } from "../../lib/model/edit.ts";
import {
  guardEdit,
  othersFiles,
  touchesBelow,
  touchesOf,
} from "../../lib/rules/edits.ts";
import { noteActivity, readNotes } from "../../lib/rules/notes.ts";
import { endSession, updateSession } from "../../lib/rules/sessions.ts";
import {
  ELSEWHERE,
  HOUR_MS,
  type Start,
  target,
  type Wish,
  World,
} from "./world.ts";

function worldOf(...ids: readonly string[]): World {
  const world = new World();
  for (const id of ids) world.join(id);
  return world;
}

function note(world: World, session: string, activity: Activity): boolean {
  return world.run((records, at) =>
    noteActivity(records, at, session, activity)
  );
}

type Edit = Partial<Omit<EditRequest, "targets">> & {
  readonly locksMax?: number;
  readonly readAtMs?: number;
};

/** Requests ann's edit of files; returns the conflicts, each with its path. */
function edit(
  world: World,
  paths: readonly string[],
  options: Edit = {},
): string[] {
  const { locksMax = 100, readAtMs, ...request } = options;
  const conflicts = world.run((records, at) =>
    guardEdit(records, at, {
      session: "ann",
      agent: "",
      targets: paths.map((path) => ({ target: target(path), readAtMs })),
      leaseMs: HOUR_MS,
      actingFor: [],
      informed: false,
      ...request,
    }, locksMax)
  );
  return conflicts.flatMap(({ target: { path }, holds, touches }) => [
    ...holds.map(({ session }) => `${path} held by ${session}`),
    ...touches.map(({ session }) => `${path} changed by ${session}`),
  ]);
}

// An act of bob, and the conflicts of ann's edit of /a: first, and once informed.
const EDITS: readonly {
  readonly what: string;
  readonly bob?: Wish & { readonly path: string };
  readonly start?: Start;
  readonly after?: (world: World) => void;
  readonly options?: Edit;
  readonly first: readonly string[];
  readonly told: readonly string[];
}[] = [
  { what: "no lock", first: [], told: [] },
  {
    what: "an exclusive lock",
    bob: { path: "/a" },
    first: ["/a held by bob"],
    told: ["/a held by bob"],
  },
  {
    what: "an advisory lock",
    bob: { path: "/a", type: "advisory" },
    first: ["/a held by bob"],
    told: [],
  },
  {
    what: "a lock on the folder",
    bob: { path: "/", kind: "folder" },
    first: ["/a held by bob"],
    told: ["/a held by bob"],
  },
  {
    what: "a lock of a session for which it acts",
    bob: { path: "/a" },
    options: { actingFor: ["bob"] },
    first: [],
    told: [],
  },
  {
    what: "a lock of a dead session",
    bob: { path: "/a" },
    after: (world) => world.end("bob"),
    first: [],
    told: [],
  },
  {
    what: "a lock on another machine",
    bob: { path: "/a" },
    start: { host: ELSEWHERE },
    first: [],
    told: [],
  },
  {
    what: "a change since it was read",
    after: (world) => void note(world, "bob", { touched: ["/a"] }),
    options: { readAtMs: 0 },
    first: ["/a changed by bob"],
    told: [],
  },
  {
    what: "a change before it was read",
    after: (world) => void note(world, "bob", { touched: ["/a"] }),
    options: { readAtMs: Date.parse("2026-12-01T08:00:01Z") },
    first: [],
    told: [],
  },
  {
    what: "a change, of a file that was not read",
    after: (world) => void note(world, "bob", { touched: ["/a"] }),
    first: [],
    told: [],
  },
  {
    what: "its own change since it was read",
    after: (world) => void note(world, "ann", { touched: ["/a"] }),
    options: { readAtMs: 0 },
    first: [],
    told: [],
  },
  {
    what: "a change on another machine",
    start: { host: ELSEWHERE },
    after: (world) =>
      world.as(
        { host: ELSEWHERE },
        () => note(world, "bob", { touched: ["/a"] }),
      ),
    options: { readAtMs: 0 },
    first: [],
    told: [],
  },
];

for (const { what, bob, start, after, options, first, told } of EDITS) {
  Deno.test(`edit: beside ${what} it meets ${first[0] ?? "nothing"}`, () => {
    for (const [informed, found] of [[false, first], [true, told]] as const) {
      const world = worldOf("ann");
      world.join("bob", start);
      if (bob !== undefined) {
        const host = world.session("bob").host!;
        world.as({ host }, () => world.hold("bob", bob.path, bob));
      }
      after?.(world);
      const files = { activeFiles: ["/a"] };
      assert.deepEqual(
        edit(world, ["/a"], { ...options, ...files, informed }),
        found,
      );
      const isTaken = world.holds.includes("ann /a advisory");
      assert.equal(isTaken, found.length === 0);
      assert.deepEqual(world.session("ann").activeFiles, isTaken ? ["/a"] : []);
    }
  });
}

Deno.test("edit: one conflict among the targets takes none of the locks", () => {
  const world = worldOf("ann", "bob");
  world.hold("bob", "/b");
  assert.deepEqual(edit(world, ["/a", "/b", "/c"]), ["/b held by bob"]);
  assert.deepEqual(world.holds, ["bob /b exclusive"]);
  // A denied edit is also a heartbeat.
  assert.equal(
    world.session("ann").heartbeatAt,
    new Date(world.nowMs).toISOString(),
  );
});

Deno.test("edit: an own hold is renewed, not counted again, and never shortened", () => {
  const world = worldOf("ann");
  edit(world, ["/a"], { leaseMs: HOUR_MS });
  world.advance(1_000);
  edit(world, ["/a"], { leaseMs: 1_000 });
  const [{ hold }] = [...world.memory.records.hold.values()];
  assert.deepEqual([hold.count, hold.expiresAt], [
    1,
    "2026-12-01T09:00:00.000Z",
  ]);
  edit(world, ["/a"], { leaseMs: 2 * HOUR_MS });
  const [again] = [...world.memory.records.hold.values()];
  assert.equal(again.hold.expiresAt, "2026-12-01T10:00:01.000Z");
});

Deno.test("edit: each agent of a session has a lock of its own", () => {
  const world = worldOf("ann");
  edit(world, ["/a"]);
  edit(world, ["/a"], { agent: "x" });
  assert.equal(world.holds.length, 2);
  assert.deepEqual(world.events("file_conflict"), ["same-session ann,ann"]);
});

Deno.test("edit: of more files than the limit, each is checked and some are locked", () => {
  const world = worldOf("ann", "bob");
  const limited = { locksMax: 3 };
  world.hold("ann", "/own");
  const files = ["/a", "/b", "/c", "/d"];
  assert.deepEqual(edit(world, files, limited), []);
  assert.deepEqual(world.holds.slice(1), [
    "ann /a advisory",
    "ann /b advisory",
  ]);
  world.hold("bob", "/d");
  assert.deepEqual(edit(world, files, limited), ["/d held by bob"]);
  // Own holds are renewed beyond the limit too.
  world.advance(1_000);
  edit(world, ["/a", "/e"], limited);
  assert.equal(world.holds.length, 4);
  assert.equal(world.changes.filter(({ kind }) => kind === "hold").length, 1);
});

Deno.test("edit: a waiter for an exclusive lock blocks the edit's lock, not the edit", () => {
  const world = worldOf("ann", "bob", "eve");
  world.hold("bob", "/a", { type: "advisory" });
  world.queue("eve", "/a");
  assert.deepEqual(edit(world, ["/a"], { informed: true }), []);
  assert.deepEqual(world.holds, ["bob /a advisory"]);
});

Deno.test("edit: of hundreds of files beside hundreds of changes", () => {
  const world = worldOf("ann", "bob");
  const files = Array.from({ length: 300 }, (_, i) => `/many/${i}`);
  note(world, "bob", { touched: files });
  const limits = { readAtMs: 0, locksMax: 1_000 };
  assert.equal(edit(world, files, limits).length, 300);
  assert.deepEqual(edit(world, files, { ...limits, informed: true }), []);
  assert.equal(world.holds.length, 300);
});

Deno.test("touches: those of a file on this disk since a time, the latest first", () => {
  const world = worldOf("ann", "bob");
  world.join("eve", { host: ELSEWHERE });
  const sinceMs = world.nowMs + 1;
  note(world, "ann", { touched: ["/a"] });
  world.advance(1);
  note(world, "bob", { touched: ["/a", "/b"] });
  world.as({ host: ELSEWHERE }, () => note(world, "eve", { touched: ["/a"] }));
  const touches = (path: string, sinceMs: number) =>
    world.run((records, at) => touchesOf(records, at, path, sinceMs))
      .map(({ session }) => session);
  assert.deepEqual(touches("/a", 0), ["bob", "ann"]);
  assert.deepEqual(touches("/a", sinceMs), ["bob"]);
  world.advance(1);
  note(world, "ann", { touched: ["/a"] });
  assert.deepEqual(touches("/a", 0), ["ann", "bob"]);
});

Deno.test("touches: below a folder those of other sessions that run here", () => {
  const world = worldOf("ann", "bob", "kim", "lee");
  world.join("eve", { host: ELSEWHERE });
  for (const id of ["ann", "bob", "kim", "lee"]) {
    note(world, id, { touched: [`/w/${id}`, `/x/${id}`] });
    world.advance(1);
  }
  world.as(
    { host: ELSEWHERE },
    () => note(world, "eve", { touched: ["/w/eve"] }),
  );
  world.run((records, at) => endSession(records, at, "kim"));
  world.end("lee");
  const below = (folder: string, limit = 10) =>
    world.run((records, at) =>
      touchesBelow(records, at, { folder, session: "ann", sinceMs: 0, limit })
    ).map(({ path, vendor }) => `${path} ${vendor}`);
  assert.deepEqual(below("/w"), ["/w/bob script"]);
  // A dead session is reaped.
  assert.equal(world.session("lee").status, "terminated");
  world.advance(1);
  note(world, "bob", { touched: ["/w/z"] });
  assert.deepEqual(below("/w"), ["/w/z script", "/w/bob script"]);
  assert.deepEqual(below("/", 1), ["/w/z script"]);
});

Deno.test("files of others: held or shown as active on this disk, sets first, then the latest", () => {
  const world = worldOf("ann", "bob", "kim");
  world.join("eve", { host: ELSEWHERE });
  const active = (id: string, activeFiles: string[]) =>
    world.run((records, at) => updateSession(records, at, id, { activeFiles }));
  active("ann", ["/ann"]);
  active("bob", ["/1", "/2"]);
  active("eve", ["/eve"]);
  world.hold("kim", "/2");
  world.hold("kim", "/w/3", { worktree: "/w" });
  world.hold("kim", "/src", { kind: "folder" });
  world.hold("kim", "@n", { kind: "name" });
  active("kim", ["/2", "/5"]);
  world.as({ host: ELSEWHERE }, () => world.hold("eve", "/4"));
  const files = (project: string | null, folders: string[] = [], limit = 10) =>
    world.run((records, at) =>
      othersFiles(records, at, "ann", { project, folders }, limit)
    ).files.map(({ path, session }) => `${path} ${session}`);
  const all = ["/src kim", "/w/3 kim", "/2 kim", "/1 bob", "/2 bob", "/5 kim"];
  assert.deepEqual(files(null), all);
  const ofNone = all.filter((file) => file !== "/w/3 kim");
  assert.deepEqual(files("/other"), ofNone);
  assert.deepEqual(files("/other", ["/w"]), all);
  assert.deepEqual(files(null, [], 1), ["/src kim"]);
});

Deno.test("files of others: whether a session is alone, and holds anything", () => {
  const world = worldOf("ann");
  const look = () => {
    const { isAlone, isHolder } = world.run((records, at) =>
      othersFiles(records, at, "ann", { project: null, folders: [] }, 10)
    );
    return { isAlone, isHolder };
  };
  assert.deepEqual(look(), { isAlone: true, isHolder: false });
  world.hold("ann", "/a");
  world.join("bob");
  assert.deepEqual(look(), { isAlone: false, isHolder: true });
  world.run((records, at) => endSession(records, at, "bob"));
  assert.deepEqual(look(), { isAlone: true, isHolder: true });
});

Deno.test("activity: a heartbeat, a change, notes and touches at once", () => {
  const world = worldOf("ann");
  world.advance(1_000);
  const notes = new Map([["k", "1"], ["gone", "x"]]);
  assert.equal(
    note(world, "ann", { change: { status: "idle" }, notes, touched: ["/a"] }),
    true,
  );
  note(world, "ann", { notes: new Map([["gone", null], ["none", null]]) });
  assert.equal(world.session("ann").status, "idle");
  assert.equal(world.session("ann").heartbeatAt, "2026-12-01T08:00:01.000Z");
  const texts = world.run((records) =>
    readNotes(records, "ann", ["k", "gone"])
  );
  assert.deepEqual([...texts], [["k", "1"]]);
  assert.throws(() => note(world, "eve", {}), UnknownSessionError);
});

Deno.test("activity: nothing is written unless the note is as expected", () => {
  const world = worldOf("ann", "bob");
  const expecting = (value: string | null, to: string) =>
    note(world, "ann", {
      expects: { key: "k", value },
      notes: new Map([["k", to]]),
      touched: ["/a"],
    });
  assert.equal(expecting("1", "2"), false);
  assert.deepEqual(world.changes, []);
  assert.equal(expecting(null, "1"), true);
  assert.equal(expecting(null, "2"), false);
  assert.equal(expecting("1", "2"), true);
  // Another session's note with that key is separate.
  note(world, "bob", { notes: new Map([["k", "9"]]) });
  assert.equal(expecting("2", "3"), true);
});
