/**
 * Overlaps: locks that overlap, and the sessions that are told.
 *
 * @module
 */

import type { Operations } from "../bus/operations.ts";
import assert from "node:assert/strict";
import type { LockKind } from "../model/lock.ts";
import type { LockOutcome } from "../model/lock.ts";
import type { Cases } from "./case.ts";
import { blockersOf, holders } from "./locks.ts";
import { heldBy } from "./peer.ts";

const ADVISORY = { type: "advisory" } as const;

/** Returns announced conflicts: the event and the sessions. */
export async function conflicts(store: Operations): Promise<string[]> {
  const { messages } = await store.read(
    { channels: ["file_conflict"], project: null, session: null },
    store.startCursor,
    1_000,
  );
  return messages.map(({ payload }) => {
    const { event, sessions } = payload as Record<string, unknown>;
    return `${event}: ${(sessions as string[]).join(" ")}`;
  });
}

/** Adds the cases. */
export function lockOverlaps(cases: Cases): void {
  cases.test("overlapping advisory locks are both held, and both holders are told", async (scene) => {
    const [ann, bob] = await scene.two();
    const first = await ann.hold("/a", ADVISORY);
    const outcome = await bob.ask("/a", ADVISORY);
    assert.equal(heldBy(outcome).type, "advisory");
    const { overlaps } = outcome as LockOutcome & { state: "held" };
    assert.deepEqual(overlaps, [{ risk: "conflict", hold: first }]);
    assert.deepEqual(await holders(ann.store), ["ann", "bob"]);
    assert.deepEqual(await conflicts(ann.store), ["overlap: bob ann"]);
    // A second acquire is not announced again.
    await bob.hold("/a", ADVISORY);
    assert.deepEqual(await conflicts(ann.store), ["overlap: bob ann"]);
  });

  cases.test("an advisory lock blocks an exclusive one, and its holder is told", async (scene) => {
    const [ann, bob] = await scene.two();
    await ann.hold("/a", ADVISORY);
    const [blocker] = blockersOf(await bob.ask("/a"));
    assert.equal(blocker.session, "ann");
    assert.equal(blocker.type, "advisory");
    assert.deepEqual(await conflicts(ann.store), ["wanted: bob ann"]);
  });

  cases.test("files, folders and globs conflict where they overlap on disk", async (scene) => {
    const [ann, bob] = await scene.two();
    const [file, folder, glob] = ["file", "folder", "glob"] as const;
    const meets = async (
      held: readonly [LockKind, string],
      asked: readonly [LockKind, string],
    ) => {
      const hold = await ann.hold(held[1], { kind: held[0] });
      const outcome = await bob.ask(asked[1], { kind: asked[0] });
      await ann.store.releaseLock(hold);
      if (outcome.state === "held") await bob.store.releaseLock(outcome.hold);
      return outcome.state === "refused";
    };
    const yes = [
      [[folder, "/src"], [file, "/src/a/b.ts"]],
      [[folder, "/src"], [folder, "/src/a"]],
      [[folder, "/"], [file, "/b"]],
      [[glob, "/src/*.ts"], [file, "/src/a.ts"]],
      [[glob, "/src/**/a.ts"], [folder, "/src/b/c"]],
      [[glob, "/src/a*"], [glob, "/src/*b"]],
    ] as const;
    const no = [
      [[folder, "/src"], [file, "/src2"]],
      [[folder, "/src"], [file, "/srb/a"]],
      [[file, "/a"], [file, "/A"]],
      [[glob, "/src/*.ts"], [file, "/src/b/a.ts"]],
      [[glob, "/src/a*"], [glob, "/src/b*"]],
      [[glob, "/src/*.ts"], [folder, "/lib"]],
    ] as const;
    for (const [a, b] of yes) {
      assert.ok(await meets(a, b), `${a} ${b}`);
      assert.ok(await meets(b, a), `${b} ${a}`);
    }
    for (const [a, b] of no) {
      assert.ok(!await meets(a, b), `${a} ${b}`);
      assert.ok(!await meets(b, a), `${b} ${a}`);
    }
  });

  cases.test("one file of a repository in two worktrees is a merge risk", async (scene) => {
    const [ann, bob] = await scene.two();
    await ann.hold("/one/a.ts", { repository: "/repo/a.ts" });
    const outcome = await bob.ask("/two/a.ts", { repository: "/repo/a.ts" });
    const { overlaps } = outcome as LockOutcome & { state: "held" };
    assert.deepEqual(
      overlaps.map(({ risk, hold }) => [risk, hold.path]),
      [["merge-risk", "/one/a.ts"]],
    );
    assert.deepEqual(await conflicts(ann.store), ["merge-risk: bob ann"]);
  });

  cases.test("two agents of one session do not conflict", async (scene) => {
    const ann = await scene.peer("ann");
    const one = await ann.hold("/a", { agent: "one" });
    const outcome = await ann.ask("/a", { agent: "two" });
    const { hold, overlaps } = outcome as LockOutcome & { state: "held" };
    assert.notEqual(hold.token, one.token);
    assert.equal(hold.agent, "two");
    assert.deepEqual(overlaps, [{ risk: "same-session", hold: one }]);
    assert.deepEqual(await conflicts(ann.store), ["same-session: ann ann"]);
  });

  cases.test("a hold of a delegator never conflicts", async (scene) => {
    const [ann, bob] = await scene.two();
    await ann.hold("/a");
    const outcome = await bob.ask("/a", { actingFor: ["ann"] });
    assert.deepEqual(
      (outcome as LockOutcome & { state: "held" }).overlaps,
      [],
    );
    assert.deepEqual(await conflicts(ann.store), []);
  });
}
