/**
 * Worktrees: changes below a folder by other sessions, and the branch of the
 * sessions of a worktree.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { Json } from "../model/json.ts";
import type { BranchMove, FolderQuery } from "../model/edit.ts";
import type { Cases } from "./case.ts";
import type { Peer } from "./peer.ts";
import { GONE_PROCESS } from "./processes.ts";

/** Returns the changes that a session sees, in short. */
async function below(
  peer: Peer,
  query: Partial<FolderQuery> = {},
): Promise<string[]> {
  const touches = await peer.store.touchesBelow({
    folder: "/p",
    session: peer.id,
    sinceMs: 0,
    limit: 100,
    ...query,
  });
  return touches.map(({ session, path, vendor }) =>
    `${session} (${vendor}) ${path}`
  );
}

async function touch(peer: Peer, ...touched: string[]): Promise<void> {
  await peer.store.noteActivity(peer.id, { touched });
}

/** Records a branch of the worktree `/p`. */
async function move(
  { id, store }: Peer,
  branch: string | null,
  options: Partial<BranchMove> = {},
): Promise<boolean> {
  return await store.moveBranch({
    worktree: "/p",
    branch,
    session: id,
    isOwn: false,
    ...options,
  });
}

/** Reads the announcements of branches. */
async function branchNews(peer: Peer): Promise<Json[]> {
  return await peer.read(peer.store.startCursor, {
    channels: ["file_conflict"],
  });
}

/** Adds the cases. */
export function worktrees(cases: Cases): void {
  const timed = cases.needing("movesClock");

  timed.test("changes below a folder are of other sessions, latest first", async (scene) => {
    const [ann, bob] = await scene.two();
    const eve = await scene.peer("eve");
    await touch(ann, "/p/own");
    await touch(bob, "/p/a", "/p0", "/p", "/pq/x", "/other");
    await scene.advance(60_000);
    const between = scene.nowMs - 30_000;
    await touch(eve, "/p/deep/er/b", "/p/a");
    assert.deepEqual(await below(ann), [
      "eve (script) /p/a",
      "eve (script) /p/deep/er/b",
      "bob (script) /p/a",
    ]);
    assert.deepEqual(await below(ann, { sinceMs: between }), [
      "eve (script) /p/a",
      "eve (script) /p/deep/er/b",
    ]);
    assert.deepEqual(await below(ann, { limit: 1 }), ["eve (script) /p/a"]);
    assert.deepEqual(await below(ann, { folder: "/p/deep" }), [
      "eve (script) /p/deep/er/b",
    ]);
    assert.equal((await below(ann, { folder: "/" })).length, 7);
    const [{ touchedAtMs }] = await ann.store.touchesBelow({
      folder: "/p",
      session: "ann",
      sinceMs: 0,
      limit: 1,
    });
    assert.ok(Math.abs(touchedAtMs - scene.nowMs) < 30_000, `${touchedAtMs}`);
  });

  cases.test("changes of sessions that have ended or died are left out", async (scene) => {
    const [ann, bob] = await scene.two();
    const gone = await scene.peer("gone", { start: GONE_PROCESS });
    const idle = await scene.peer("idle");
    await touch(bob, "/p/a");
    await touch(gone, "/p/b");
    await touch(idle, "/p/c");
    await bob.store.endSession("bob");
    assert.deepEqual(await below(ann), ["idle (script) /p/c"]);
    const died = await ann.store.session("gone");
    assert.equal(died?.status, "terminated");
  });

  cases.test("a branch is recorded for all sessions of the worktree, and announced once", async (scene) => {
    const start = { worktree: "/p", branch: "main", project: "/p" };
    const ann = await scene.peer("ann", { start });
    const bob = await scene.peer("bob", { start });
    await scene.peer("eve", { start: { ...start, worktree: "/q" } });
    const ended = await scene.peer("ended", { start });
    await ended.store.endSession("ended");
    const branches = async () =>
      Object.fromEntries(
        (await ann.store.sessions({ project: null, ended: true }))
          .map(({ id, branch }) => [id, branch]),
      );

    assert.equal(await move(ann, "main"), false);
    assert.deepEqual(await branchNews(ann), []);
    assert.equal(await move(ann, "next", { isOwn: true }), true);
    assert.equal(await move(bob, "next"), false);
    assert.deepEqual(await branches(), {
      ann: "next",
      bob: "next",
      eve: "main",
      ended: "main",
    });
    const own = {
      event: "branch",
      path: "/p",
      branch: "next",
      was: "main",
      by: "ann",
      name: "ann",
      sessions: ["bob"],
    };
    assert.deepEqual(await branchNews(ann), [own]);

    // To a detached head, by an unknown process, and back.
    assert.equal(await move(bob, null), true);
    assert.equal(await move(bob, null), false);
    assert.equal((await branches()).ann, undefined);
    assert.equal(await move(ann, "next"), true);
    assert.deepEqual((await branchNews(ann)).slice(1), [
      { event: "branch", path: "/p", was: "next", sessions: ["ann", "bob"] },
      { event: "branch", path: "/p", branch: "next", sessions: ["ann", "bob"] },
    ]);
  });

  cases.test("one of several sessions that record a branch at once announces it", async (scene) => {
    const start = { worktree: "/p", branch: "main" };
    const peers = await Promise.all(
      ["ann", "bob", "eve"].map((id) => scene.peer(id, { start })),
    );
    const moved = await Promise.all(peers.map((peer) => move(peer, "next")));
    assert.deepEqual(moved.toSorted(), [false, false, true]);
    assert.equal((await branchNews(peers[0])).length, 1);
  });

  cases.test("many sessions of a worktree are all named", async (scene) => {
    const ann = await scene.peer("ann");
    const ids = Array.from(
      { length: 450 },
      (_, at) => `${String(at).padStart(3, "0")}-${"x".repeat(120)}`,
    );
    for (const id of ids) {
      await ann.store.registerSession({
        id,
        vendor: "script",
        project: null,
        worktree: "/p",
        branch: "main",
      });
    }
    assert.equal(await move(ann, "next"), true);
    const news = await branchNews(ann) as { sessions: string[] }[];
    assert.deepEqual(news.flatMap(({ sessions }) => sessions), ids);
  });
}
