/** A worktree's branch is recorded for all of its sessions and announced once. */

import assert from "node:assert/strict";
import type { BranchMove } from "../../lib/model/edit.ts";
import { moveBranch } from "../../lib/rules/branches.ts";
import { endSession } from "../../lib/rules/sessions.ts";
import { ELSEWHERE, World } from "./world.ts";

function move(world: World, change: Partial<BranchMove> = {}): boolean {
  return world.run((records, at) =>
    moveBranch(records, at, {
      worktree: "/w",
      branch: "next",
      session: "ann",
      isOwn: false,
      ...change,
    })
  );
}

/** Makes a world in which ann, bob and eve work in /w. */
function world(): World {
  const world = new World();
  for (const id of ["ann", "bob"]) {
    world.join(id, { worktree: "/w", branch: "main" });
  }
  world.join("eve", { worktree: "/w", branch: "old" });
  world.join("kim", { worktree: "/x", branch: "main" });
  world.join("lee", { worktree: "/w", branch: "main", host: ELSEWHERE });
  return world;
}

// The session, the branch before and after, and the message that follows.
const MOVES: readonly [Partial<BranchMove>, readonly (readonly unknown[])[]][] =
  [
    [{}, [["main", ["ann", "bob"], undefined], ["old", ["eve"], undefined]]],
    [{ isOwn: true }, [["main", ["bob"], "ann"], ["old", ["eve"], "ann"]]],
    [{ branch: "main" }, [["old", ["eve"], undefined]]],
    [{ branch: null }, [["main", ["ann", "bob"], undefined], [
      "old",
      ["eve"],
      undefined,
    ]]],
    [{ worktree: "/none" }, []],
  ];

for (const [change, said] of MOVES) {
  Deno.test(`branch: ${JSON.stringify(change)} is told to ${said.length} groups`, () => {
    const here = world();
    assert.equal(move(here, change), said.length > 0);
    const payloads = here.payloads("file_conflict");
    assert.deepEqual(
      payloads.map(({ was, sessions, by }) => [was, sessions, by]),
      said,
    );
    for (const { event, path } of payloads) {
      assert.deepEqual([event, path], ["branch", "/w"]);
    }
    // Announced once.
    assert.equal(move(here, change), false);
    assert.equal(here.session("kim").branch, "main");
    assert.equal(here.session("lee").branch, "main");
    if (said.length > 0) {
      assert.equal(
        here.session("eve").branch,
        (change.branch === undefined ? "next" : change.branch) ?? undefined,
      );
    }
  });
}

Deno.test("branch: a session that has ended is neither changed nor told", () => {
  const here = world();
  here.run((records, at) => endSession(records, at, "eve"));
  move(here);
  assert.deepEqual(here.payloads("file_conflict").map(({ was }) => was), [
    "main",
  ]);
  assert.equal(here.session("eve").branch, "old");
});

Deno.test("branch: many sessions are named in several messages", () => {
  const here = new World();
  for (let i = 0; i < 450; i++) here.join(`s${i}`, { worktree: "/w" });
  move(here, { session: "s0" });
  const named = here.payloads("file_conflict").map(({ sessions }) => sessions);
  assert.deepEqual(named.map((sessions) => (sessions as string[]).length), [
    200,
    200,
    50,
  ]);
});
