/**
 * Edits and notes: notes of sessions that run in many one-shot processes, and
 * locks of an edit.
 *
 * @module
 */

import assert from "node:assert/strict";
import { UnknownSessionError } from "../model/errors.ts";
import type { EditConflict, EditRequest, FileScope } from "../model/edit.ts";
import type { LockKind } from "../model/lock.ts";
import type { Cases } from "./case.ts";
import { purgeAll } from "./keeping.ts";
import { holders } from "./locks.ts";
import { HOUR_MS, type Peer, targetOf } from "./peer.ts";
import { GONE_PROCESS } from "./processes.ts";

const ADVISORY = { type: "advisory" } as const;

/** Requests an edit of some files. */
async function edit(
  peer: Peer,
  paths: readonly string[],
  options: Partial<EditRequest> & { readonly readAtMs?: number } = {},
): Promise<readonly EditConflict[]> {
  const { readAtMs, ...request } = options;
  return await peer.store.guardEdit({
    session: peer.id,
    agent: "",
    targets: paths.map((path) => ({ target: targetOf(path), readAtMs })),
    leaseMs: HOUR_MS,
    actingFor: [],
    informed: false,
    ...request,
  });
}

/** Returns the conflicts of an edit, in short. */
function inShort(conflicts: readonly EditConflict[]): string[] {
  return conflicts.map(({ target, holds, touches }) =>
    [
      target.path,
      ...holds.map(({ session, type }) => `${session} ${type}`),
      ...touches.map(({ session }) => `${session} changed it`),
    ].join(", ")
  );
}

/** Returns notes of a session as an object. */
async function notesOf(
  { id, store }: Peer,
  ...keys: readonly string[]
): Promise<Record<string, string>> {
  return Object.fromEntries(await store.readNotes(id, keys));
}

/** Records notes. */
async function note(
  { id, store }: Peer,
  notes: Readonly<Record<string, string | null>>,
  expects?: { readonly key: string; readonly value: string | null },
): Promise<boolean> {
  return await store.noteActivity(id, {
    notes: new Map(Object.entries(notes)),
    expects,
  });
}

/** Adds the cases. */
export function edits(cases: Cases): void {
  const timed = cases.needing("movesClock");

  cases.test("notes are a session's own, and stay until they are deleted", async (scene) => {
    const [ann, bob] = await scene.two();
    assert.equal(await note(ann, { a: "1", b: "", c: "ä\n" }), true);
    await note(bob, { a: "2" });
    assert.deepEqual(await notesOf(ann, "a", "b", "c", "d"), {
      a: "1",
      b: "",
      c: "ä\n",
    });
    await note(ann, { a: "3", b: null, d: null });
    assert.deepEqual(await notesOf(ann, "a", "b", "c", "d"), {
      a: "3",
      c: "ä\n",
    });
    assert.deepEqual(await notesOf(bob, "a"), { a: "2" });
    // Another process of the session reads them.
    const { store } = bob;
    assert.deepEqual(
      Object.fromEntries(await store.readNotes("ann", ["a"])),
      { a: "3" },
    );
  });

  cases.test("an activity is not recorded unless a note is as expected", async (scene) => {
    const ann = await scene.peer("ann");
    const refused = { a: "no" };
    assert.equal(await note(ann, refused, { key: "k", value: "1" }), false);
    assert.equal(await note(ann, { k: "1" }, { key: "k", value: null }), true);
    assert.equal(await note(ann, refused, { key: "k", value: null }), false);
    assert.equal(await note(ann, refused, { key: "k", value: "2" }), false);
    assert.deepEqual(await notesOf(ann, "a", "k"), { k: "1" });
    assert.equal(await note(ann, { k: "2" }, { key: "k", value: "1" }), true);
    assert.equal(
      await ann.store.noteActivity("ann", {
        change: { status: "idle" },
        touched: ["/a"],
        expects: { key: "k", value: "1" },
      }),
      false,
    );
    assert.equal((await ann.store.session("ann"))?.status, "active");
    assert.deepEqual(await ann.store.touchesOf("/a", 0), []);
  });

  cases.test("one of two activities that expect the same note is recorded", async (scene) => {
    const [ann, bob] = await scene.two();
    const write = (value: string) => (peer: Peer) =>
      peer.store.noteActivity("ann", {
        notes: new Map([["k", value]]),
        expects: { key: "k", value: null },
      });
    const done = await Promise.all([
      write("ann")(ann),
      write("bob")(bob),
    ]);
    assert.deepEqual(done.toSorted(), [false, true]);
    const winner = done[0] ? "ann" : "bob";
    assert.deepEqual(await notesOf(ann, "k"), { k: winner });
  });

  timed.test("an activity is a heartbeat and changes the session", async (scene) => {
    const [ann, bob] = await scene.two();
    const before = (await bob.store.session("ann"))!;
    await scene.advance(60_000);
    const change = { status: "idle", task: "T-1" } as const;
    await ann.store.noteActivity("ann", { change });
    const after = (await bob.store.session("ann"))!;
    assert.ok(after.heartbeatAt > before.heartbeatAt);
    assert.equal(after.status, "idle");
    assert.equal(after.task, "T-1");
    await ann.store.noteActivity("ann", {});
    // Omitted notes stay.
    assert.equal((await bob.store.session("ann"))?.status, "idle");
  });

  cases.test("an unknown session records no activity", async (scene) => {
    const ann = await scene.peer("ann");
    await assert.rejects(
      () => ann.store.noteActivity("bob", { notes: new Map([["k", "1"]]) }),
      UnknownSessionError,
    );
    assert.equal((await ann.store.readNotes("bob", ["k"])).size, 0);
  });

  timed.test("changes of a file name their sessions, latest first", async (scene) => {
    const [ann, bob] = await scene.two();
    const touch = ({ id, store }: Peer, ...touched: string[]) =>
      store.noteActivity(id, { touched });
    await touch(ann, "/a", "/b");
    await scene.advance(60_000);
    const between = scene.nowMs - 30_000;
    await touch(bob, "/a");
    const of = async (path: string, sinceMs: number) =>
      (await ann.store.touchesOf(path, sinceMs)).map(({ session }) => session);
    assert.deepEqual(await of("/a", 0), ["bob", "ann"]);
    assert.deepEqual(await of("/a", between), ["bob"]);
    assert.deepEqual(await of("/b", 0), ["ann"]);
    assert.deepEqual(await of("/c", 0), []);
    await scene.advance(60_000);
    await touch(ann, "/a");
    const touches = await bob.store.touchesOf("/a", 0);
    assert.deepEqual(touches.map(({ session }) => session), ["ann", "bob"]);
    assert.ok(touches[0].touchedAtMs - touches[1].touchedAtMs >= 60_000);
  });

  timed.test("notes and changes are kept for a day", async (scene) => {
    const ann = await scene.peer("ann");
    await ann.store.noteActivity("ann", {
      notes: new Map([["k", "1"]]),
      touched: ["/a"],
    });
    await scene.advance(23 * HOUR_MS);
    await purgeAll(ann.store);
    assert.deepEqual(await notesOf(ann, "k"), { k: "1" });
    assert.equal((await ann.store.touchesOf("/a", 0)).length, 1);
    await scene.advance(2 * HOUR_MS);
    await purgeAll(ann.store);
    assert.deepEqual(await notesOf(ann, "k"), {});
    assert.deepEqual(await ann.store.touchesOf("/a", 0), []);
  });

  cases.test("an edit takes advisory locks on all of its targets", async (scene) => {
    const [ann, bob] = await scene.two();
    assert.deepEqual(
      await edit(ann, ["/a", "/b"], { activeFiles: ["/a", "/b"] }),
      [],
    );
    const held = await bob.store.locks({ project: null });
    assert.deepEqual(
      held.map(({ path, type, session, count }) =>
        `${session} ${path} ${type} ${count}`
      ),
      ["ann /a advisory 1", "ann /b advisory 1"],
    );
    const { activeFiles } = (await bob.store.session("ann"))!;
    assert.deepEqual(activeFiles, ["/a", "/b"]);
  });

  timed.test("an edit renews the session's own hold instead of counting it again", async (scene) => {
    const ann = await scene.peer("ann");
    await edit(ann, ["/a"], { leaseMs: 60_000 });
    const [before] = await ann.store.locks({ project: null });
    await scene.advance(30_000);
    await edit(ann, ["/a"], { leaseMs: 60_000 });
    const [after] = await ann.store.locks({ project: null });
    assert.equal(after.token, before.token);
    assert.equal(after.count, 1);
    const moreMs = Date.parse(after.expiresAt) - Date.parse(before.expiresAt);
    assert.ok(moreMs >= 30_000 && moreMs < 60_000, `${moreMs}`);
    // An edit never shortens a lease.
    await edit(ann, ["/a"], { leaseMs: 1_000 });
    assert.deepEqual(await ann.store.locks({ project: null }), [after]);
  });

  cases.test("an exclusive lock of another session always conflicts with an edit", async (scene) => {
    const [ann, bob] = await scene.two();
    await bob.hold("/src", { kind: "folder" });
    for (const informed of [false, true]) {
      const conflicts = await edit(ann, ["/free", "/src/a"], {
        informed,
        activeFiles: ["/free"],
      });
      assert.deepEqual(inShort(conflicts), ["/src/a, bob exclusive"]);
    }
    // A conflicting edit takes no lock.
    assert.deepEqual(await holders(bob.store), ["bob"]);
    const { activeFiles } = (await bob.store.session("ann"))!;
    assert.deepEqual(activeFiles, []);
  });

  cases.test("an advisory lock of another session conflicts until the session is informed", async (scene) => {
    const [ann, bob] = await scene.two();
    await bob.hold("/a", ADVISORY);
    await ann.hold("/b", { agent: "other" });
    assert.deepEqual(inShort(await edit(ann, ["/a", "/b"])), [
      "/a, bob advisory",
    ]);
    assert.deepEqual(await edit(ann, ["/a", "/b"], { informed: true }), []);
    assert.equal((await holders(ann.store, { session: "ann" })).length, 3);
  });

  timed.test("a change since the last read conflicts until the session is informed", async (scene) => {
    const [ann, bob] = await scene.two();
    const readAtMs = scene.nowMs;
    await scene.advance(60_000);
    await bob.store.noteActivity("bob", { touched: ["/a"] });
    await ann.store.noteActivity("ann", { touched: ["/b"] });
    const files = ["/a", "/b"];
    assert.deepEqual(inShort(await edit(ann, files, { readAtMs })), [
      "/a, bob changed it",
    ]);
    assert.deepEqual(await holders(ann.store), []);
    await scene.advance(60_000);
    assert.deepEqual(await edit(ann, files, { readAtMs: scene.nowMs }), []);
    const eve = await scene.peer("eve");
    const informed = { readAtMs, informed: true };
    assert.deepEqual(await edit(eve, files, informed), []);
  });

  cases.test("an edit of thousands of files finds each hold of another session", async (scene) => {
    const [ann, bob] = await scene.two();
    await bob.hold("/many/17", { kind: "folder" });
    await bob.hold("/many/3/4990.ts");
    await bob.hold("/many/**/*7.md", { kind: "glob" });
    const files = Array.from(
      { length: 5_000 },
      (_, i) => `/many/${i % 50}/${i}.${i % 500 === 7 ? "md" : "ts"}`,
    );
    const conflicts = await edit(ann, [...files, "/many/3/4990.ts"]);
    const expected = [
      ...files.filter((path) => /^\/many\/17\/|7\.md$/.test(path)),
      "/many/3/4990.ts",
    ];
    assert.deepEqual(conflicts.map(({ target }) => target.path), expected);
    assert.deepEqual(await holders(ann.store, { session: "ann" }), []);
  });

  cases.test("an edit finds a holder of thousands of files on each", async (scene) => {
    const bob = await scene.peer("bob", { locksMax: 3_000 });
    const ann = await scene.peer("ann", { locksMax: 3_000 });
    const files = Array.from({ length: 2_000 }, (_, i) => `/many/${i}.ts`);
    assert.deepEqual(await edit(bob, files), []);
    assert.equal((await holders(ann.store)).length, files.length);
    const conflicts = await edit(ann, files);
    assert.deepEqual(conflicts.map(({ target }) => target.path), files);
  });

  cases.test("globs that are too expensive to compare conflict with an edit", async (scene) => {
    const [ann, bob] = await scene.two();
    const costly = (end: string) => `/p/${"*a*b".repeat(900)}*${end}`;
    await bob.hold("/p/x.ts");
    await bob.hold(costly("c"), { kind: "glob" });
    const targets = [..."defghijk"].map((end) => ({
      target: targetOf(costly(end).replaceAll("a*b", "b*a"), "glob"),
    }));
    const request = {
      session: "ann",
      agent: "",
      leaseMs: HOUR_MS,
      actingFor: [],
      informed: true,
    };
    const holdsAt = async (...each: EditRequest["targets"]) =>
      (await ann.store.guardEdit({ ...request, targets: each }))
        .map(({ holds }) => holds.map(({ path }) => path.slice(0, 6)));
    const found = await holdsAt(...targets, { target: targetOf("/p/y.ts") });
    assert.deepEqual(found.at(-1), ["/p/*a*"]);
    assert.deepEqual(await holdsAt({ target: targetOf("/p/y.ts") }), []);
    assert.deepEqual(await holdsAt({ target: targetOf("/p/x.ts") }), [
      ["/p/x.t"],
    ]);
  });

  cases.test("an edit beyond the limit of locks takes as many as it may", async (scene) => {
    const ann = await scene.peer("ann", { locksMax: 3 });
    const bob = await scene.peer("bob");
    await bob.hold("/f");
    const files = ["/a", "/b", "/c", "/d", "/e"];
    assert.deepEqual(inShort(await edit(ann, [...files, "/f"])), [
      "/f, bob exclusive",
    ]);
    assert.deepEqual(await edit(ann, files), []);
    const held = await ann.store.locks({ project: null, session: "ann" });
    assert.deepEqual(held.map(({ path }) => path), ["/a", "/b", "/c"]);
    assert.deepEqual(await edit(ann, files), []);
    assert.equal((await holders(bob.store, { session: "ann" })).length, 3);
    assert.deepEqual(inShort(await edit(ann, ["/f"])), ["/f, bob exclusive"]);
  });

  cases.test("locks of a dead process conflict with no edit", async (scene) => {
    const bob = await scene.peer("bob", { start: GONE_PROCESS });
    const ann = await scene.peer("ann");
    await bob.hold("/a");
    assert.deepEqual(await edit(ann, ["/a"]), []);
    assert.deepEqual(await holders(ann.store), ["ann"]);
  });

  const othersOf = async (
    { id, store }: Peer,
    scope: Partial<FileScope> = {},
    limit = 10,
  ): Promise<string[]> => {
    const all = { project: null, folders: [], ...scope };
    const { files } = await store.othersFiles(id, all, limit);
    return files.map(({ path, session }) => `${session} ${path}`);
  };

  cases.test("files of others are files that they hold or show as active", async (scene) => {
    const [ann, bob] = await scene.two();
    const eve = await scene.peer("eve");
    await bob.store.updateSession("bob", { activeFiles: ["/active"] });
    await eve.hold("/folder", { kind: "folder" });
    await eve.hold("/glob/*.ts", { kind: "glob", type: "advisory" });
    await eve.hold("/held", ADVISORY);
    await ann.hold("/mine");
    // Folders and globs come first, then the latest hold.
    assert.deepEqual(await othersOf(ann), [
      "eve /glob/*.ts",
      "eve /folder",
      "eve /held",
      "bob /active",
    ]);
    assert.deepEqual(await othersOf(ann, {}, 1), ["eve /glob/*.ts"]);
    await bob.store.endSession("bob");
    assert.equal((await othersOf(ann)).length, 3);
  });

  cases.test("a file of others shows its hold, if it has one", async (scene) => {
    const [ann, bob] = await scene.two();
    const { since, expiresAt } = await bob.hold("/glob/*.ts", { kind: "glob" });
    const held = await bob.hold("/held", ADVISORY);
    const activeFiles = ["/held", "/active"];
    await bob.store.updateSession("bob", { activeFiles });
    const all = { project: null, folders: [] };
    const { files } = await ann.store.othersFiles("ann", all, 10);
    assert.deepEqual(files, [{
      path: "/glob/*.ts",
      session: "bob",
      name: "bob",
      kind: "glob",
      type: "exclusive",
      since,
      expiresAtMs: Date.parse(expiresAt),
      disk: "/glob/*.ts",
      foldsCase: false,
    }, {
      path: "/held",
      session: "bob",
      name: "bob",
      kind: "file",
      type: "advisory",
      since: held.since,
      expiresAtMs: Date.parse(held.expiresAt),
      disk: "/held",
      foldsCase: false,
    }, {
      path: "/active",
      session: "bob",
      name: "bob",
      kind: "file",
      disk: "/active",
      foldsCase: false,
    }]);
  });

  cases.test("the files of others show whether the session is alone and has holds", async (scene) => {
    const ann = await scene.peer("ann");
    const standing = async ({ id, store }: Peer) => {
      const all = { project: null, folders: [] };
      const { isAlone, isHolder } = await store.othersFiles(id, all, 10);
      return { isAlone, isHolder };
    };
    assert.deepEqual(await standing(ann), { isAlone: true, isHolder: false });
    await ann.hold("/mine", ADVISORY);
    assert.deepEqual(await standing(ann), { isAlone: true, isHolder: true });
    const bob = await scene.peer("bob");
    assert.deepEqual(await standing(ann), { isAlone: false, isHolder: true });
    assert.deepEqual(await standing(bob), { isAlone: false, isHolder: false });
    await bob.store.endSession("bob");
    assert.deepEqual(await standing(ann), { isAlone: true, isHolder: true });
  });

  cases.test("listing files of others checks no process", async (scene) => {
    const bob = await scene.peer("bob", { start: GONE_PROCESS });
    const ann = await scene.peer("ann");
    await bob.hold("/held", ADVISORY);
    assert.deepEqual(await othersOf(ann), ["bob /held"]);
    assert.equal((await ann.store.session("bob"))?.status, "active");
  });

  cases.test("files of others are of the project or of no project", async (scene) => {
    const ann = await scene.peer("ann");
    for (const project of ["/one", "/two", null]) {
      const peer = await scene.peer(`of ${project}`, { start: { project } });
      const activeFiles = [`/active in ${project}`];
      await peer.store.updateSession(peer.id, { activeFiles });
    }
    const of = async (project: string | null) =>
      (await othersOf(ann, { project })).toSorted();
    assert.deepEqual(await of("/one"), [
      "of /one /active in /one",
      "of null /active in null",
    ]);
    assert.equal((await of(null)).length, 3);
  });

  cases.test("files of others below a folder are of any project", async (scene) => {
    const ann = await scene.peer("ann");
    const start = { project: "/far" };
    const bob = await scene.peer("bob", { start });
    const hold = (path: string, kind: LockKind = "file") =>
      bob.store.acquireLock({
        session: bob.id,
        agent: "",
        target: { ...targetOf(path, kind), project: "/far" },
        type: "advisory",
        leaseMs: HOUR_MS,
        takeOver: false,
        wait: false,
        actingFor: [],
      });
    await hold("/Here/a");
    await hold("/Here/below/b");
    await hold("/Hereabouts/c");
    await hold("/Here", "folder");
    await hold("/", "folder");
    await hold("/Here/below/*.ts", "glob");
    await bob.store.updateSession("bob", {
      activeFiles: ["/Here/d", "/Hereabouts/e"],
    });
    const of = async (...folders: string[]) =>
      (await othersOf(ann, { project: "/near", folders })).toSorted()
        .map((each) => each.replace("bob ", ""));
    assert.deepEqual(await of("/Here"), [
      "/",
      "/Here",
      "/Here/a",
      "/Here/below/*.ts",
      "/Here/below/b",
      "/Here/d",
    ]);
    // A folder covers files below it, a file or glob beside it does not.
    assert.deepEqual(await of("/Here/other"), ["/", "/Here"]);
    assert.deepEqual(await of("/Here/a"), ["/", "/Here", "/Here/a"]);
    assert.deepEqual(await of("/nowhere", "/Hereabouts"), [
      "/",
      "/Hereabouts/c",
      "/Hereabouts/e",
    ]);
    assert.equal((await of("/")).length, 8);
    assert.deepEqual(await of(), []);
  });
}
