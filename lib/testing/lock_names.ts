/**
 * Locks on named resources, on globs that may be file names, and in nested
 * worktrees.
 *
 * @module
 */

import assert from "node:assert/strict";
import { DeadlockError } from "../model/errors.ts";
import type { LockOutcome } from "../model/lock.ts";
import type { Cases } from "./case.ts";
import { conflicts } from "./lock_overlaps.ts";
import { blockersOf, holders } from "./locks.ts";
import { HOUR_MS, targetOf } from "./peer.ts";

const NAME = { kind: "name" } as const;
const ADVISORY = { type: "advisory" } as const;

/** Adds the cases. */
export function lockNames(cases: Cases): void {
  cases.test("a held name blocks another session", async (scene) => {
    const [ann, bob] = await scene.two();
    const hold = await ann.hold("@port/3000", NAME);
    assert.equal(hold.kind, "name");
    assert.equal(hold.path, "@port/3000");
    assert.deepEqual(await bob.store.locks({ project: null }), [hold]);
    const [blocker] = blockersOf(await bob.ask("@port/3000", NAME));
    assert.equal(blocker.path, "@port/3000");
    assert.deepEqual(await conflicts(ann.store), ["wanted: bob ann"]);
    await bob.hold("@port/3001", NAME);
    await ann.store.releaseLock(hold);
    await bob.hold("@port/3000", NAME);
  });

  cases.test("a name and a file never overlap", async (scene) => {
    const [ann, bob] = await scene.two();
    await ann.hold("@port/3000", NAME);
    await bob.hold("/", { kind: "folder" });
    await ann.hold("@any", NAME);
    assert.deepEqual(await holders(ann.store), ["ann", "bob", "ann"]);
    const overlapping = targetOf("@port/3000", "name");
    assert.deepEqual(await holders(ann.store, { overlapping }), ["ann"]);
  });

  cases.test("advisory locks on one name do not conflict", async (scene) => {
    const [ann, bob] = await scene.two();
    await ann.hold("@git/head", { ...NAME, ...ADVISORY });
    const outcome = await bob.ask("@git/head", { ...NAME, ...ADVISORY });
    const { overlaps } = outcome as LockOutcome & { state: "held" };
    assert.deepEqual(overlaps.map(({ risk }) => risk), ["conflict"]);
  });

  cases.test("waiters for a name are served first come, first served", async (scene) => {
    const [ann, bob] = await scene.two();
    const eve = await scene.peer("eve");
    const hold = await ann.hold("@x", NAME);
    const first = await bob.queue("@x", NAME);
    const second = await eve.queue("@x", NAME);
    const waiters = await ann.store.lockWaiters(targetOf("@x", "name"));
    assert.deepEqual(waiters.map(({ session }) => session), ["bob", "eve"]);
    await ann.store.releaseLock(hold);
    const granted = await bob.check(first);
    assert.equal(granted.state, "held");
    const { kind } = (granted as LockOutcome & { state: "held" }).hold;
    assert.equal(kind, "name");
    assert.equal((await eve.check(second)).state, "waiting");
  });

  cases.test("a cycle through a name and a file is refused", async (scene) => {
    const [ann, bob] = await scene.two();
    await ann.hold("@x", NAME);
    await bob.hold("/a");
    await ann.queue("/a");
    await assert.rejects(
      () => bob.ask("@x", { ...NAME, wait: true }),
      DeadlockError,
    );
  });

  cases.test("an exclusive name conflicts with an edit of it", async (scene) => {
    const [ann, bob] = await scene.two();
    await bob.hold("@git/head", NAME);
    const conflicts = await ann.store.guardEdit({
      session: "ann",
      agent: "",
      targets: [{ target: targetOf("@git/head", "name") }],
      leaseMs: HOUR_MS,
      actingFor: [],
      informed: true,
    });
    assert.deepEqual(
      conflicts.map(({ holds }) => holds.map(({ session }) => session)),
      [["bob"]],
    );
  });

  cases.test("a name is not among the files of others", async (scene) => {
    const [ann, bob] = await scene.two();
    await bob.hold("@x", NAME);
    const all = { project: null, folders: [] };
    const { files } = await ann.store.othersFiles("ann", all, 10);
    assert.deepEqual(files, []);
  });

  cases.test("a glob that may be a name covers the file of that name", async (scene) => {
    const [ann, bob] = await scene.two();
    await ann.hold("/none/[id].ts", { kind: "glob" });
    for (const path of ["/none/[id].ts", "/none/i.ts"]) {
      assert.deepEqual(
        blockersOf(await bob.ask(path)).map(({ session }) => session),
        ["ann"],
      );
    }
    await bob.hold("/none/x.ts");
    // A class of one character extends the literal beginning.
    await ann.hold("/none/y[1].txt", { kind: "glob" });
    assert.equal((await bob.ask("/none/y[1].txt")).state, "refused");
    assert.equal((await bob.ask("/none/y1.txt")).state, "refused");
  });

  cases.test("once a file has a glob's name, the hold is on that file", async (scene) => {
    const [ann, bob] = await scene.two();
    const folder = await Deno.makeTempDir();
    try {
      const hold = await ann.hold(`${folder}/[id].ts`, { kind: "glob" });
      const waiter = await bob.queue(`${folder}/i.ts`);
      await Deno.writeTextFile(`${folder}/[id].ts`, "");
      assert.equal((await bob.ask(`${folder}/[id].ts`)).state, "refused");
      assert.equal((await bob.check(waiter)).state, "held");
      assert.equal((await bob.ask(`${folder}/d.ts`)).state, "held");
      const overlapping = targetOf(`${folder}/[id].ts`);
      assert.deepEqual(await ann.store.locks({ project: null, overlapping }), [
        hold,
      ]);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });

  cases.test("a lock does not cover another worktree below its own", async (scene) => {
    const [ann, bob] = await scene.two();
    const main = { worktree: "/repo" };
    const nested = { worktree: "/repo/trees/x" };
    await ann.hold("/repo/**/*.ts", {
      ...main,
      kind: "glob",
      repository: "/repo/:/**/*.ts",
    });
    const file = "/repo/trees/x/a.ts";
    const outcome = await bob.ask(file, {
      ...nested,
      repository: "/repo/:/a.ts",
    });
    const { overlaps } = outcome as LockOutcome & { state: "held" };
    assert.deepEqual(overlaps.map(({ risk }) => risk), ["merge-risk"]);
    const blocked = await bob.ask("/repo/a.ts", main);
    assert.equal(blocked.state, "refused");
    await bob.queue("/repo", { ...main, kind: "folder" });
    // A waiter in one worktree blocks no session in the other.
    await ann.hold("/repo/trees/x/b.ts", nested);
    const overlapping = { ...targetOf(file), ...nested, project: "/repo" };
    assert.deepEqual(await holders(ann.store, { overlapping }), ["bob"]);
  });
}
