/**
 * The quick answer to an edit, held against the whole way: it says yes only where
 * that would, leaves the same rows, and where it says no it leaves all as it was.
 *
 * @module
 */

import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import fc from "fast-check";
import { LEASE_MS } from "../../lib/agents/lease.ts";
import { nodeLibrary } from "../../lib/sqlite/driver.ts";
import { renewQuickly } from "../../lib/sqlite/quick_renewal.ts";
import { Scene } from "./scene.ts";

/** What may have happened before. */
const EVENTS: Readonly<Record<string, (scene: Scene) => Promise<unknown>>> = {
  "the session edits the file": (scene) => scene.before("ada", ["a.ts"]),
  "and another one": (scene) => scene.before("ada", ["b.ts"]),
  "and says so": (scene) => scene.after("ada", ["a.ts"]),
  "and reads it": (scene) => scene.after("ada", ["a.ts"], {}, "read"),
  "its subagent edits it": (scene) =>
    scene.before("ada", ["a.ts"], { agentId: "sub" }),
  "another session edits it": (scene) => scene.before("bob", ["a.ts"]),
  "another session has edited it": (scene) => scene.after("bob", ["a.ts"]),
  "another session edits elsewhere": (scene) => scene.before("bob", ["c.ts"]),
  "another session holds it": (scene) =>
    held(scene, "a.ts", { type: "exclusive" }),
  "another session holds the folder": (scene) => held(scene, "./"),
  "another session holds a glob": (scene) => held(scene, "*.ts"),
  "another session holds another folder": (scene) => held(scene, "other/"),
  "a program inserts a lock of the file": (scene) =>
    inserted(scene, scene.path("a.ts")),
  "a program inserts a lock of its own": (scene) =>
    inserted(scene, scene.path("d.ts")),
  "the session gets idle": (scene) =>
    scene.call("ada", { kind: "stop", wasContinued: false }),
  "the session ends": (scene) =>
    scene.call("ada", { kind: "session-end", reason: "exit" }),
  "a minute goes by": (scene) => Promise.resolve(scene.clock.advance(60_000)),
  "the lease runs out": (scene) =>
    Promise.resolve(scene.clock.advance(LEASE_MS + 1)),
};

/** Held by another session, if that can be had. */
async function held(
  scene: Scene,
  name: string,
  options: { type?: "exclusive" } = {},
): Promise<void> {
  await scene.hold("bob", name, options).catch((error) => {
    if (!(error instanceof assert.AssertionError)) throw error;
  });
}

async function inserted(scene: Scene, path: string): Promise<void> {
  await scene.session("eve");
  const db = new DatabaseSync(scene.databasePath);
  try {
    db.prepare(
      "INSERT OR IGNORE INTO file_locks(file_path, session_id) VALUES (?, 'eve')",
    ).run(path);
  } catch (error) {
    // Over an exclusive lock the schema refuses it.
    assert.match(String(error), /exclusive/);
  } finally {
    db.close();
  }
}

/** All rows that an edit may change. */
function rowsOf(path: string): Record<string, unknown[]> {
  const db = new DatabaseSync(path, { readOnly: true });
  try {
    return Object.fromEntries(
      [
        "file_locks",
        "session_registry",
        "file_touches",
        "session_notes",
        "inter_session_messages",
        "counters",
      ].map((table) => [
        table,
        db.prepare(`SELECT * FROM ${table} ORDER BY 1, 2`).all(),
      ]),
    );
  } finally {
    db.close();
  }
}

/** Renews on a copy of a scene's database; returns whether it did, and the rows. */
function renewedOnCopy(scene: Scene, path: string) {
  const copy = `${scene.databasePath}.copy`;
  const source = new DatabaseSync(scene.databasePath);
  source.prepare("VACUUM INTO ?").run(copy);
  source.close();
  const before = rowsOf(copy);
  const db = nodeLibrary.open(copy, { timeoutMs: 0 });
  const renewed = renewQuickly(db, {
    session: "ada",
    vendor: "claude",
    agent: "",
    path,
    leaseMs: LEASE_MS,
    nowMs: scene.clock.nowMs,
    startedUs: () => true,
  });
  db.close();
  const after = rowsOf(copy);
  Deno.removeSync(copy);
  return { renewed, before, after };
}

Deno.test("the quick answer is the whole way's, and leaves what that would", async () => {
  let quick = 0;
  const events = fc.array(fc.constantFrom(...Object.keys(EVENTS)), {
    maxLength: 5,
  });
  await fc.assert(
    fc.asyncProperty(events, async (names) => {
      await using scene = await Scene.open();
      const path = scene.write("a.ts", "a");
      await scene.session("ada");
      await scene.before("ada", ["a.ts"]);
      for (const name of names) {
        await EVENTS[name](scene);
        // What comes after is another session's.
        if (name === "the session ends") break;
      }
      scene.clock.advance(10_000);
      const { renewed, before, after } = renewedOnCopy(scene, path);
      if (!renewed) {
        assert.deepEqual(after, before);
        return;
      }
      quick++;
      assert.deepEqual(await scene.before("ada", [path]), { verdict: "allow" });
      assert.deepEqual(after, rowsOf(scene.databasePath));
    }),
    { numRuns: 40 },
  );
  assert.ok(quick > 2, "it was never quick");
});

Deno.test("it is quick where nobody else is near", async () => {
  await using scene = await Scene.open();
  const path = scene.write("a.ts", "a");
  await scene.before("ada", [path]);
  await scene.before("bob", ["elsewhere.ts"]);
  await scene.after("ada", [path]);
  assert.equal(renewedOnCopy(scene, path).renewed, true);
  // Another's change is none that it does not know, once it has read it.
  await scene.after("bob", [path]);
  assert.equal(renewedOnCopy(scene, path).renewed, false);
  scene.clock.advance(1);
  await scene.after("ada", [path], {}, "read");
  assert.equal(renewedOnCopy(scene, path).renewed, true);
  await scene.before("bob", [path], { policy: { onOverlap: "inform" } });
  assert.equal(renewedOnCopy(scene, path).renewed, false);
});
