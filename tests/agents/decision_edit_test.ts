/**
 * Edits: denials, their number and words, and notes.
 *
 * @module
 */

import assert from "node:assert/strict";
import { contextOf, reasonOf, Scene } from "./scene.ts";

const MINUTE_MS = 60_000;

Deno.test("an edit of a free file passes and takes a lock", async () => {
  await using scene = await Scene.open();
  const path = scene.write("a.ts", "a");
  const decision = await scene.before("ada", [path]);
  assert.deepEqual(decision, { verdict: "allow" });
  const [hold] = await scene.store.locks({ project: null, session: "ada" });
  assert.equal(hold.path, path);
  assert.equal(hold.type, "advisory");
  assert.equal(Date.parse(hold.expiresAt) - scene.clock.nowMs, 10 * MINUTE_MS);
  assert.equal(hold.project, scene.project);
  assert.deepEqual((await scene.session("ada")).activeFiles, [path]);
});

Deno.test("an exclusive hold denies an edit with holder, time, task and next step", async () => {
  await using scene = await Scene.open();
  const path = scene.write("a.ts", "a");
  await scene.hold("bob", "a.ts", {
    type: "exclusive",
    why: "moving\nthe \x1b[31mschema",
  });
  await scene.store.updateSession("bob", { task: "T-7" });
  for (
    const [minutes, ago] of [
      [0, "0 s ago"],
      [1, "60 s ago"],
      [11, "12 min ago"],
      [21, "33 min ago"],
    ] as const
  ) {
    scene.clock.advance(minutes * MINUTE_MS);
    const reason = reasonOf(
      await scene.before("ada", [path], { callId: `c${minutes}` }),
    );
    assert.match(reason, /^\[message-bus\] bob \(claude\) holds exclusively /);
    assert.ok(reason.includes(`${path}, locked ${ago}, on task T-7`));
    assert.ok(reason.includes('saying: "moving the schema"'));
    assert.ok(reason.includes(`mbus lock ${path} --wait`));
    assert.ok(reason.includes("mbus ask bob "));
    assert.match(reason, /work elsewhere/);
    assert.ok(!reason.includes("\n") && !reason.includes("\u001b"), reason);
  }
});

Deno.test("the lock of the command that an agent runs within never denies its edits", async () => {
  await using scene = await Scene.open();
  const path = scene.write("a.ts", "a");
  await scene.hold("with-lock-1", "a.ts", { type: "exclusive" });
  reasonOf(await scene.before("ada", [path]));
  const within = { actingFor: ["with-lock-1"], callId: "within" };
  assert.deepEqual(await scene.before("ada", [path], within), {
    verdict: "allow",
  });
  assert.deepEqual(await scene.held("ada"), ["a.ts"]);
  assert.deepEqual(await scene.events(), ["denied ada with-lock-1 a.ts"]);
  // Other sessions' locks still deny.
  await scene.hold("bob", "b.ts", { type: "exclusive" });
  reasonOf(await scene.before("ada", [scene.write("b.ts", "b")], within));
});

Deno.test("a denied edit takes no lock and announces no overlap", async () => {
  await using scene = await Scene.open();
  const [a, b] = [scene.write("a.ts", "a"), scene.write("b.ts", "b")];
  for (const type of ["exclusive", "advisory"] as const) {
    const hold = await scene.hold("bob", "a.ts", { type });
    reasonOf(await scene.before("ada", [b, a], { callId: type }));
    assert.deepEqual(await scene.held("ada"), []);
    assert.deepEqual((await scene.session("ada")).activeFiles, []);
    await scene.store.releaseLock(hold);
  }
  assert.deepEqual(await scene.events(), [
    "denied ada bob a.ts",
    "denied ada bob a.ts",
  ]);
});

Deno.test("an edit that passes after a denial is announced to the other editors", async () => {
  await using scene = await Scene.open();
  const path = scene.write("a.ts", "a");
  await scene.hold("bob", "a.ts");
  await scene.before("ada", [path], { callId: "1" });
  await scene.before("ada", [path], { callId: "2" });
  const told = contextOf(await scene.call("bob", { kind: "prompt" }));
  assert.match(told, /conflict from ada.*\n\| is editing .*a\.ts, which you/);
  // The earlier denial is replaced by the overlap.
  assert.doesNotMatch(told, /wanted to edit/);
  assert.equal(contextOf(await scene.call("bob", { kind: "prompt" })), "");
});

Deno.test("each session, agent and path has its own denial", async () => {
  await using scene = await Scene.open();
  const [a, b] = [scene.write("a.ts", "a"), scene.write("b.ts", "b")];
  await scene.hold("bob", "a.ts");
  await scene.hold("bob", "b.ts");
  reasonOf(await scene.before("ada", [a], { callId: "1" }));
  scene.clock.advance(3_000);
  contextOf(await scene.before("ada", [a], { callId: "2" }));
  const sub = { callId: "3", agentId: "sub" };
  reasonOf(await scene.before("ada", [a], sub));
  reasonOf(await scene.before("ada", [b], { callId: "4" }));
  reasonOf(await scene.before("eve", [a], { callId: "5" }));
});

Deno.test("block denies as long as the hold lasts", async () => {
  await using scene = await Scene.open();
  const path = scene.write("a.ts", "a");
  const hold = await scene.hold("bob", "a.ts");
  const policy = { onOverlap: "block" } as const;
  for (const callId of ["1", "2", "3"]) {
    const reason = reasonOf(
      await scene.before("ada", [path], { callId, policy }),
    );
    assert.doesNotMatch(reason, /retry/);
    scene.clock.advance(MINUTE_MS);
  }
  await scene.store.releaseLock(hold);
  contextOf(await scene.before("ada", [path], { callId: "4", policy }));
});

Deno.test("inform lets an edit pass and tells the model later, once", async () => {
  await using scene = await Scene.open();
  const path = scene.write("a.ts", "a");
  await scene.hold("bob", "a.ts");
  const policy = { onOverlap: "inform" } as const;
  const decision = await scene.before("ada", [path], { callId: "1", policy });
  assert.deepEqual(decision, { verdict: "allow" });
  assert.deepEqual(await scene.held("ada"), ["a.ts"]);
  const told = contextOf(await scene.after("ada", [path], { policy }));
  assert.match(told, /conflict from bob.*\n\| bob \(claude\) is editing /);
  assert.doesNotMatch(told, /retry/);
  await scene.before("ada", [path], { callId: "2", policy });
  assert.equal(contextOf(await scene.after("ada", [path], { policy })), "");
  // A further conflict is told, too.
  await scene.hold("eve", "a.ts");
  await scene.before("ada", [path], { callId: "3", policy });
  assert.match(
    contextOf(await scene.after("ada", [path], { policy })),
    /eve \(claude\) is editing /,
  );
});

Deno.test("inform does not let an edit of an exclusively held file pass", async () => {
  await using scene = await Scene.open();
  const path = scene.write("a.ts", "a");
  await scene.hold("bob", "a.ts", { type: "exclusive" });
  const policy = { onOverlap: "inform" } as const;
  reasonOf(await scene.before("ada", [path], { policy }));
});

Deno.test("every path of a call is judged, relative ones from its folder", async () => {
  await using scene = await Scene.open();
  Deno.mkdirSync(scene.path("src"));
  scene.write("src/a.ts", "a");
  await scene.hold("bob", "src/a.ts", { type: "exclusive" });
  await scene.hold("eve", "new.ts", { type: "exclusive" });
  const reason = reasonOf(
    await scene.before("ada", ["b.ts", "./src/../src/a.ts", "new.ts"]),
  );
  assert.match(reason, /bob .*src\/a\.ts.*\neve .*new\.ts/s);
  assert.deepEqual(await scene.held("ada"), []);
  const cwd = scene.path("src");
  const tool = { name: "T", kind: "edit" as const, paths: ["a.ts"] };
  reasonOf(await scene.call("ada", { kind: "before-tool", cwd, tool }));
});

Deno.test("a held folder or glob covers the file", async () => {
  await using scene = await Scene.open();
  Deno.mkdirSync(scene.path("src"));
  const path = scene.write("src/a.sql", "a");
  for (const what of ["src", "src/**/*.sql"]) {
    const hold = await scene.hold("bob", what, { type: "exclusive" });
    reasonOf(await scene.before("ada", [path]));
    await scene.store.releaseLock(hold);
  }
  contextOf(await scene.before("ada", [path]));
});

Deno.test("only a touch of its file renews a lock", async () => {
  await using scene = await Scene.open();
  const [a, b] = [scene.write("a.ts", "a"), scene.write("b.ts", "b")];
  await scene.before("ada", [a]);
  const expiry = async (): Promise<number> => {
    const [hold] = await scene.store.locks({ project: null, path: a });
    assert.equal(hold.count, 1);
    return Date.parse(hold.expiresAt) - scene.clock.nowMs;
  };
  scene.clock.advance(4 * MINUTE_MS);
  await scene.before("ada", [b]);
  await scene.after("ada", [b]);
  await scene.after("ada", [b], {}, "read");
  await scene.call("ada", { kind: "prompt" });
  assert.equal(await expiry(), 6 * MINUTE_MS);
  await scene.before("ada", [a]);
  assert.equal(await expiry(), 10 * MINUTE_MS);
});

Deno.test("an edit keeps a longer or stronger hold of the session", async () => {
  await using scene = await Scene.open();
  scene.write("a.ts", "a");
  await scene.hold("ada", "a.ts", { type: "exclusive" });
  contextOf(await scene.before("ada", ["a.ts"]));
  const [hold] = await scene.store.locks({ project: null, session: "ada" });
  assert.equal(hold.type, "exclusive");
  assert.equal(Date.parse(hold.expiresAt) - scene.clock.nowMs, 60 * MINUTE_MS);
});

Deno.test("an impossible path stops no call and is logged", async () => {
  await using scene = await Scene.open();
  contextOf(await scene.before("ada", ["a\nb", "ok.ts"]));
  assert.deepEqual(await scene.held("ada"), ["ok.ts"]);
  assert.equal(scene.logged.length, 1);
});

Deno.test("the active files are the last twenty, latest first", async () => {
  await using scene = await Scene.open();
  for (let n = 0; n < 25; n++) await scene.before("ada", [`f${n}.ts`]);
  const { activeFiles } = await scene.session("ada");
  assert.equal(activeFiles.length, 20);
  assert.deepEqual(activeFiles.slice(0, 2), [
    scene.path("f24.ts"),
    scene.path("f23.ts"),
  ]);
});
