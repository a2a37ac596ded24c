/**
 * The fast path of an edit against the slow path. It allows only what the slow path
 * allows, leaves the same rows, and changes nothing where it declines.
 *
 * @module
 */

import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import fc from "fast-check";
import { activeFiles, LEASE_MS, LOCKS_MAX } from "../../lib/hooks/edit_lock.ts";
import { keyOfName } from "../../lib/hooks/fast_path.ts";
import { lockTarget } from "../../lib/path/lock_target.ts";
import { nodeLibrary } from "../../lib/sqlite/driver.ts";
import { guardEditFast } from "../../lib/sqlite/fast_guard.ts";
import { Scene } from "./scene.ts";

/** Events before the edit. */
const EVENTS: Readonly<Record<string, (scene: Scene) => Promise<unknown>>> = {
  "the session edits the file": (scene) => scene.before("ada", ["a.ts"]),
  "and another one": (scene) => scene.before("ada", ["b.ts"]),
  "and says so": (scene) => scene.after("ada", ["a.ts"]),
  "and reads it": (scene) => scene.after("ada", ["a.ts"], {}, "read"),
  "its subagent edits it": (scene) =>
    scene.before("ada", ["a.ts"], { agentId: "sub" }),
  "its subagent has edited it": (scene) =>
    scene.after("ada", ["a.ts"], { agentId: "sub" }),
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
  "the session needs its person": (scene) =>
    scene.call("ada", { kind: "activity", state: "needs-person" }),
  "the session waits": async (scene) => {
    await scene.session("ada");
    await scene.store.updateSession("ada", { activity: { state: "waiting" } });
  },
  "the session ends": (scene) =>
    scene.call("ada", { kind: "session-end", reason: "exit" }),
  "a minute goes by": (scene) => Promise.resolve(scene.clock.advance(60_000)),
  "the lease runs out": (scene) =>
    Promise.resolve(scene.clock.advance(LEASE_MS + 1)),
};

/** Takes a lock of another session, if that is possible. */
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
    // The schema refuses a lock over an exclusive one.
    assert.match(String(error), /exclusive/);
  } finally {
    db.close();
  }
}

/** Returns all rows that an edit may change. */
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

/** Guards on a copy of a scene's database; returns the result and the rows. */
function guardedOnCopy(scene: Scene, path: string, locksMax = LOCKS_MAX) {
  const copy = `${scene.databasePath}.copy`;
  const source = new DatabaseSync(scene.databasePath);
  source.prepare("VACUUM INTO ?").run(copy);
  source.close();
  const before = rowsOf(copy);
  const db = nodeLibrary.open(copy, { timeoutMs: 0 });
  const guarded = guardEditFast(db, {
    session: "ada",
    vendor: "claude",
    agent: "",
    path,
    leaseMs: LEASE_MS,
    locksMax,
    nowMs: scene.clock.nowMs,
    activeFiles: (before) => activeFiles(before, [path]),
    isAncestor: () => true,
    keyOfName: () => keyOfName(path),
  });
  db.close();
  const after = rowsOf(copy);
  Deno.removeSync(copy);
  return { guarded, before, after };
}

/** Compares both paths for an edit of a file. */
async function compared(
  names: readonly string[],
  file: string,
  isRepository: boolean,
): Promise<boolean> {
  await using scene = await Scene.open();
  if (!isRepository) Deno.removeSync(scene.path(".git"), { recursive: true });
  const path = scene.write("a.ts", "a");
  const edited = scene.write(file, "a");
  await scene.session("ada");
  await scene.before("ada", [path]);
  for (const name of names) {
    await EVENTS[name](scene);
    // Later events belong to another session.
    if (name === "the session ends") break;
  }
  scene.clock.advance(10_000);
  const { guarded, before, after } = guardedOnCopy(scene, edited);
  if (!guarded) {
    assert.deepEqual(after, before);
    return false;
  }
  assert.deepEqual(await scene.before("ada", [edited]), { verdict: "allow" });
  assert.deepEqual(after, rowsOf(scene.databasePath));
  return true;
}

for (
  const [what, files] of [
    ["a file that is held", ["a.ts"]],
    // Names in either case, and files that are not neighbours.
    ["a file beside it", ["b.ts", "c.ts", "d.ts", "E.ts", "it's é.ts", "1"]],
  ] as const
) {
  Deno.test(`the fast path leaves the slow path's rows: ${what}`, async () => {
    let quick = 0;
    const events = fc.array(fc.constantFrom(...Object.keys(EVENTS)), {
      maxLength: 5,
    });
    await fc.assert(
      fc.asyncProperty(
        events,
        fc.constantFrom(...files),
        fc.boolean(),
        async (names, file, isRepository) => {
          if (await compared(names, file, isRepository)) quick++;
        },
      ),
      { numRuns: 40 },
    );
    assert.ok(quick > 2, "it was never quick");
  });
}

Deno.test("the fast path allows an edit while no other session is near", async () => {
  await using scene = await Scene.open();
  const path = scene.write("a.ts", "a");
  await scene.before("ada", [path]);
  await scene.before("bob", ["elsewhere.ts"]);
  await scene.after("ada", [path]);
  const isQuick = (file = path, locksMax?: number) =>
    guardedOnCopy(scene, file, locksMax).guarded;
  assert.equal(isQuick(), true);
  // Another session's change is known, once the agent has read the file.
  await scene.after("bob", [path]);
  assert.equal(isQuick(), false);
  scene.clock.advance(1);
  await scene.after("ada", [path], {}, "read");
  assert.equal(isQuick(), true);
  // So is the change of another agent of its session.
  await scene.after("ada", [path], { agentId: "sub" });
  assert.equal(isQuick(), false);
  scene.clock.advance(1);
  await scene.after("ada", [path], {}, "read");
  assert.equal(isQuick(), true);
  await scene.before("bob", [path], { policy: { onOverlap: "inform" } });
  assert.equal(isQuick(), false);
});

Deno.test("the fast path takes a new lock beside a file that the session holds", async () => {
  await using scene = await Scene.open();
  await scene.session("ada");
  const isQuick = (file: string, locksMax?: number) =>
    guardedOnCopy(scene, file, locksMax).guarded;
  for (const name of ["a.ts", "B.ts", "é.ts"]) scene.write(name, "a");
  assert.equal(isQuick(scene.path("a.ts")), false, "it holds nothing");
  await scene.before("ada", [scene.path("a.ts")]);
  assert.equal(isQuick(scene.path("B.ts")), true);
  assert.equal(isQuick(scene.path("é.ts")), false);
  Deno.mkdirSync(scene.path("below"));
  assert.equal(isQuick(scene.path("below")), false, "a folder");
  scene.write("below/a.ts", "a");
  assert.equal(isQuick(scene.path("below/a.ts")), false, "no neighbour");
  assert.equal(isQuick(scene.path("B.ts"), 1), false, "it holds enough");
  Deno.linkSync(scene.path("B.ts"), scene.path("b.ts"));
  assert.equal(isQuick(scene.path("B.ts")), false, "a folder may fold case");
  Deno.removeSync(scene.path("b.ts"));

  // A waiter, or a watcher of locks, must be told.
  const watch = await scene.store.watchChanges("locks", null, () => {});
  assert.equal(isQuick(scene.path("B.ts")), false, "it is watched");
  watch.close();
});

Deno.test("the fast path takes no new lock while another session conflicts", async () => {
  await using scene = await Scene.open();
  Deno.removeSync(scene.path(".git"), { recursive: true });
  await scene.before("ada", [scene.write("a.ts", "a")]);
  const path = scene.write("b.ts", "a");
  const isQuick = () => guardedOnCopy(scene, path).guarded;
  assert.equal(isQuick(), true);
  const theirs = await scene.hold("bob", "b.ts");
  assert.equal(isQuick(), false, "it holds the file");
  await scene.store.releaseLock(theirs);
  assert.equal(isQuick(), true);
  const { state } = await scene.store.acquireLock({
    session: "bob",
    agent: "",
    target: lockTarget("./", scene.project),
    type: "exclusive",
    leaseMs: LEASE_MS,
    takeOver: false,
    wait: true,
    actingFor: [],
  });
  assert.equal(state, "waiting");
  assert.equal(isQuick(), false, "it waits for the folder");
});

Deno.test("a neighbour lies in the same folder, and its lease has not expired", async () => {
  await using scene = await Scene.open();
  const path = scene.write("b.ts", "a");
  const isQuick = () => guardedOnCopy(scene, path).guarded;
  Deno.mkdirSync(scene.path("below"));
  await scene.before("ada", [scene.write("below/a.ts", "a")]);
  assert.equal(isQuick(), false, "it is below");
  await scene.before("ada", [scene.write("a.ts", "a")]);
  assert.equal(isQuick(), true);
  scene.clock.advance(LEASE_MS);
  assert.equal(isQuick(), false, "it has run out");
});

Deno.test("a file in no repository belongs to the session's project", async () => {
  await using scene = await Scene.open();
  Deno.removeSync(scene.path(".git"), { recursive: true });
  scene.write("a.ts", "a");
  await scene.hold("ada", "a.ts");
  await scene.call("ada", { kind: "prompt" });
  const path = scene.write("b.ts", "a");
  const { guarded, after } = guardedOnCopy(scene, path);
  assert.equal(guarded, true);
  assert.deepEqual(await scene.before("ada", [path]), { verdict: "allow" });
  assert.deepEqual(after, rowsOf(scene.databasePath));
});

Deno.test("the fast path takes no new lock on a file held in another worktree", async () => {
  await using scene = await Scene.open();
  await scene.before("ada", [scene.write("a.ts", "a")]);
  const path = scene.write("b.ts", "a");
  assert.equal(guardedOnCopy(scene, path).guarded, true);
  const linked = scene.path(".git/worktrees/other");
  Deno.mkdirSync(linked, { recursive: true });
  Deno.writeTextFileSync(`${linked}/HEAD`, "ref: refs/heads/y\n");
  Deno.writeTextFileSync(`${linked}/commondir`, "../..\n");
  const other = `${scene.project}-other`;
  Deno.mkdirSync(other);
  Deno.writeTextFileSync(`${other}/.git`, `gitdir: ${linked}\n`);
  Deno.writeTextFileSync(`${other}/b.ts`, "a");
  await scene.before("bob", [`${other}/b.ts`]);
  assert.equal(guardedOnCopy(scene, path).guarded, false);
});
