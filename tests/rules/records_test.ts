/** Records show the loaded rows with a decision's own changes on top. */

import assert from "node:assert/strict";
import type { NoteRecord } from "../../lib/rules/records.ts";
import { noteKey, Records } from "../../lib/rules/records.ts";
import type { Hold } from "../../lib/model/lock.ts";

const records = () => new Records(() => undefined);
const note = (value: string): NoteRecord => ({
  session: "ann",
  key: "k",
  value,
  changedAtMs: 0,
});
const KEY = noteKey("ann", "k");

function hold(token: number, session = "ann", path = `/${token}`) {
  const pathSets = { disk: path, foldsCase: false };
  const hold = {
    token,
    session,
    kind: "file",
    path,
    pathSets,
    type: "exclusive",
  };
  return { hold: hold as unknown as Hold, prefix: path, host: null };
}

Deno.test("a changed record keeps its change when it is loaded again", () => {
  const { notes } = records();
  notes.load(KEY, note("stored"));
  notes.set(KEY, note("changed"));
  notes.load(KEY, note("stored"));
  assert.equal(notes.get(KEY)?.value, "changed");
  assert.deepEqual([...notes.values()].map(({ value }) => value), ["changed"]);
});

Deno.test("a removed record stays removed when it is loaded later, and is deleted in the store", () => {
  const all = records();
  all.notes.delete(KEY);
  assert.equal(all.isChanged, false);
  all.notes.load(KEY, note("stored"));
  assert.equal(all.notes.get(KEY), undefined);
  assert.deepEqual([...all.notes.values()], []);
  assert.deepEqual([...all.changes()], [
    { kind: "note", key: KEY, from: note("stored"), to: undefined },
  ]);
});

Deno.test("a record that a decision adds and removes is not a change", () => {
  const all = records();
  all.notes.set(KEY, note("new"));
  assert.equal(all.isChanged, true);
  all.notes.delete(KEY);
  assert.equal(all.isChanged, false);
});

Deno.test("the number of a session's holds is the store's plus the changes", () => {
  const all = records();
  assert.throws(() => all.holdCount("ann"), /were not counted/);
  all.holds.load("1", hold(1));
  all.loadHoldCount("ann", 5);
  all.loadHoldCount("bob", 0);
  all.holds.set("2", hold(2));
  all.holds.set("2", hold(2));
  all.holds.set("1", hold(1));
  assert.equal(all.holdCount("ann"), 6);
  all.holds.delete("1");
  all.holds.delete("1");
  assert.equal(all.holdCount("ann"), 5);
  // It counts once, as before the decision.
  all.loadHoldCount("ann", 99);
  all.holds.set("3", hold(3, "bob"));
  assert.deepEqual(["ann", "bob"].map((id) => all.holdCount(id)), [5, 1]);
});

Deno.test("overlapping holds are found by prefix, changed or not, oldest first", () => {
  const all = records();
  const target = (path: string, kind: "file" | "folder") => ({
    kind,
    path,
    disk: { text: path, prefix: path },
    foldsCase: false,
  });
  const near = (path: string, kind: "file" | "folder" = "file") =>
    all.holds.near(target(path, kind), "disk").map(({ hold }) => hold.token);
  all.holds.set("3", hold(3, "ann", "/src/a"));
  all.holds.load("2", hold(2, "ann", "/src/a"));
  all.holds.load("4", hold(4, "ann", "/srcs"));
  assert.deepEqual(near("/src/a"), [2, 3]);
  assert.deepEqual(near("/src", "folder"), [2, 3]);
  assert.deepEqual(near("/", "folder"), [2, 3, 4]);
  assert.deepEqual(near("/src/b"), []);
  all.holds.delete("2");
  assert.deepEqual(near("/src/a"), [3]);
});

Deno.test("a message that was published recently, or by this decision, is known", () => {
  const all = records();
  const message = (payloadText: string) => ({
    sender: "ann",
    channel: "a",
    payloadText,
    ttlSeconds: 1,
    project: null,
  });
  all.loadSaid(message("1"));
  all.say(message("2"));
  assert.deepEqual(["1", "2", "3"].map((text) => all.wasSaid(message(text))), [
    true,
    true,
    false,
  ]);
});
