/**
 * Stale reads: the lost update that no lock prevents. And a shell command's
 * changes to other sessions' files.
 *
 * @module
 */

import assert from "node:assert/strict";
import { contextOf, reasonOf, Scene } from "./scene.ts";

/** Lets `ada` read the file, and `bob` then edit it. */
async function changedSinceRead(scene: Scene, text: string): Promise<string> {
  const path = scene.write("a.ts", "a");
  await scene.after("ada", [path], {}, "read");
  scene.clock.advance(60_000);
  await scene.before("bob", [path]);
  scene.write("a.ts", text);
  await scene.after("bob", [path]);
  await scene.store.endSession("bob");
  scene.clock.advance(30_000);
  return path;
}

Deno.test("an edit of a file that another session changed since the read is denied", async () => {
  await using scene = await Scene.open();
  const path = await changedSinceRead(scene, "b");
  const reason = reasonOf(await scene.before("ada", [path], { callId: "1" }));
  assert.ok(
    reason.includes(`bob has changed ${path} 30 s ago, after you read it`),
    reason,
  );
  scene.clock.advance(3_000);
  contextOf(await scene.before("ada", [path], { callId: "2" }));
});

Deno.test("reading a changed file again lets the edit pass", async () => {
  await using scene = await Scene.open();
  const path = await changedSinceRead(scene, "b");
  reasonOf(await scene.before("ada", [path], { callId: "1" }));
  scene.clock.advance(1_000);
  await scene.after("ada", [path], {}, "read");
  contextOf(await scene.before("ada", [path], { callId: "2" }));
});

Deno.test("a rewrite with the same content is not a change", async () => {
  await using scene = await Scene.open();
  const path = await changedSinceRead(scene, "a");
  contextOf(await scene.before("ada", [path]));
});

Deno.test("a change with an older time is found by its size", async () => {
  await using scene = await Scene.open();
  const path = await changedSinceRead(scene, "longer");
  const { nowMs } = scene.clock;
  Deno.utimeSync(path, nowMs / 1000 - 90, nowMs / 1000 - 90);
  reasonOf(await scene.before("ada", [path]));
});

Deno.test("a file that the session changed itself, or never read, is not stale", async () => {
  await using scene = await Scene.open();
  const path = await changedSinceRead(scene, "b");
  contextOf(await scene.before("eve", [path]));
  await scene.store.endSession("eve");
  await scene.after("ada", [path]);
  contextOf(await scene.before("ada", [path]));
});

Deno.test("a failed edit refreshes no read", async () => {
  await using scene = await Scene.open();
  const path = await changedSinceRead(scene, "b");
  await scene.after("ada", [path], { succeeded: false });
  reasonOf(await scene.before("ada", [path]));
});

Deno.test("a further change by another session is denied again", async () => {
  await using scene = await Scene.open();
  const path = await changedSinceRead(scene, "b");
  reasonOf(await scene.before("ada", [path], { callId: "1" }));
  scene.clock.advance(3_000);
  scene.write("a.ts", "c");
  await scene.after("eve", [path]);
  const reason = reasonOf(await scene.before("ada", [path], { callId: "2" }));
  assert.match(reason, /eve has changed/);
});

Deno.test("inform tells of a change later; block does not deny it", async () => {
  await using scene = await Scene.open();
  const path = await changedSinceRead(scene, "b");
  const inform = { policy: { onOverlap: "inform" } } as const;
  contextOf(await scene.before("ada", [path], inform));
  scene.clock.advance(4 * 60_000);
  const told = contextOf(await scene.call("ada", { kind: "prompt" }, inform));
  assert.match(told, /\| As of 4 min ago: bob has changed \S+ 30 s ago/);

  await using other = await Scene.open();
  const file = await changedSinceRead(other, "b");
  const block = { policy: { onOverlap: "block" } } as const;
  reasonOf(await other.before("ada", [file], { ...block, callId: "1" }));
  other.clock.advance(3_000);
  contextOf(await other.before("ada", [file], { ...block, callId: "2" }));
});

Deno.test("a shell command's writes are judged like edits", async () => {
  await using scene = await Scene.open();
  scene.write("a.ts", "a");
  await scene.hold("bob", "a.ts", { type: "exclusive" });
  for (
    const command of [
      "echo x > a.ts",
      "sed -i s/a/b/ a.ts",
      `cat <<'EOF' | tee ${scene.path("a.ts")}\nx\nEOF`,
      "mv a.ts b.ts",
      "rm -f ./a.ts",
      "git checkout -- a.ts",
    ]
  ) {
    const reason = reasonOf(await scene.beforeShell("ada", command));
    assert.match(reason, /bob .* holds exclusively/, command);
  }
  contextOf(await scene.beforeShell("ada", "cat a.ts; echo x > c.ts"));
  assert.deepEqual(await scene.held("ada"), ["c.ts"]);
});

Deno.test("a change during a command is announced to both sessions, and noted", async () => {
  await using scene = await Scene.open();
  const path = scene.write("a.ts", "a");
  await scene.before("bob", [path]);
  await scene.after("bob", [path]);
  const opaque = { callId: "1" };
  scene.clock.advance(1_000);
  contextOf(await scene.beforeShell("ada", "./format-all", opaque));
  scene.clock.advance(5_000);
  scene.write("a.ts", "b");
  const own = contextOf(await scene.afterShell("ada", "./format-all", opaque));
  assert.match(
    own,
    /Your command has changed .*a\.ts, which bob is editing \(locked 6 s ago\), or something else did/,
  );
  const others = contextOf(await scene.call("bob", { kind: "prompt" }));
  assert.match(
    others,
    /conflict from ada.*\n\| ran a command or a tool while .*a\.ts, which you/,
  );
  const [touch] = await scene.store.touchesOf(path, 0);
  assert.equal(touch.session, "ada");
  // Announced once.
  contextOf(await scene.afterShell("ada", "./format-all", opaque));
  assert.equal((await scene.conflicts()).length, 1);
});

Deno.test("a command is not blamed for its holder's change, or for no change", async () => {
  await using scene = await Scene.open();
  const [a, b] = [scene.write("a.ts", "a"), scene.write("b.ts", "b")];
  await scene.before("bob", [a, b]);
  await scene.beforeShell("ada", "./test", { callId: "1" });
  scene.clock.advance(5_000);
  scene.write("a.ts", "by bob");
  await scene.after("bob", [a]);
  // A rewrite with the same content.
  scene.write("b.ts", "b");
  assert.equal(
    contextOf(await scene.afterShell("ada", "./test", { callId: "1" })),
    "",
  );
  assert.deepEqual(await scene.conflicts(), []);
});

Deno.test("parallel commands are told apart by their calls", async () => {
  await using scene = await Scene.open();
  const path = scene.write("a.ts", "a");
  await scene.before("bob", [path]);
  await scene.beforeShell("ada", "./one", { callId: "1" });
  scene.clock.advance(5_000);
  scene.write("a.ts", "b");
  await scene.beforeShell("ada", "./two", { callId: "2" });
  await scene.afterShell("ada", "./two", { callId: "2" });
  assert.equal((await scene.conflicts()).length, 0);
  await scene.afterShell("ada", "./one", { callId: "1" });
  assert.equal((await scene.conflicts()).length, 1);
});

Deno.test("a command is not checked against another project's files", async () => {
  await using scene = await Scene.open();
  Deno.mkdirSync(`${scene.project}-2`);
  const path = `${scene.project}-2/a.ts`;
  Deno.writeTextFileSync(path, "a");
  await scene.store.registerSession({
    id: "far",
    vendor: "claude",
    project: "/elsewhere",
  });
  await scene.store.updateSession("far", { activeFiles: [path] });
  await scene.beforeShell("ada", "./x", { callId: "1" });
  scene.clock.advance(5_000);
  Deno.writeTextFileSync(path, "bb");
  await scene.afterShell("ada", "./x", { callId: "1" });
  assert.deepEqual(await scene.conflicts(), []);
});

Deno.test("a subagent is told that another agent of its session has changed the file", async () => {
  await using scene = await Scene.open();
  const path = scene.write("a.ts", "a");
  const [one, two] = [{ agentId: "one" }, { agentId: "two" }];
  await scene.after("ada", [path], one, "read");
  await scene.after("ada", [path], two, "read");
  scene.clock.advance(60_000);
  contextOf(await scene.before("ada", [path], { ...one, callId: "1" }));
  scene.write("a.ts", "by one");
  await scene.after("ada", [path], { ...one, callId: "1" });
  scene.clock.advance(30_000);
  const stale = { ...two, callId: "2" };
  const reason = reasonOf(await scene.before("ada", [path], stale));
  assert.ok(
    reason.includes(
      `Another agent of this session (one) has changed ${path} 30 s ago, ` +
        `after you read it.`,
    ),
    reason,
  );
  // The denied edit took no lock.
  const holds = await scene.store.locks({ project: null, session: "ada" });
  assert.deepEqual(holds.map(({ agent }) => agent), ["one"]);
  contextOf(await scene.before("ada", [path], { ...two, callId: "3" }));
  // The other agent is denied now, until it reads the file again.
  scene.write("a.ts", "by two");
  await scene.after("ada", [path], { ...two, callId: "3" });
  reasonOf(await scene.before("ada", [path], { ...one, callId: "4" }));
  scene.clock.advance(1);
  await scene.after("ada", [path], one, "read");
  contextOf(await scene.before("ada", [path], { ...one, callId: "5" }));
});

Deno.test("main agent and subagent are told of each other's changes", async () => {
  await using scene = await Scene.open();
  const path = scene.write("a.ts", "a");
  const sub = { agentId: "sub" };
  await scene.after("ada", [path], {}, "read");
  await scene.after("ada", [path], sub, "read");
  scene.clock.advance(60_000);
  scene.write("a.ts", "by sub");
  await scene.after("ada", [path], sub);
  assert.match(
    reasonOf(await scene.before("ada", [path], { callId: "1" })),
    /Another agent of this session \(sub\) has changed/,
  );
  contextOf(await scene.before("ada", [path], { callId: "2" }));
  scene.clock.advance(1_000);
  scene.write("a.ts", "by main");
  await scene.after("ada", [path]);
  assert.match(
    reasonOf(await scene.before("ada", [path], { ...sub, callId: "3" })),
    /The main agent of this session has changed/,
  );
});

Deno.test("an agent's own changes, unread files and the same content are not stale in its session", async () => {
  await using scene = await Scene.open();
  const path = scene.write("a.ts", "a");
  const [one, two] = [{ agentId: "one" }, { agentId: "two" }];
  await scene.after("ada", [path], one, "read");
  scene.clock.advance(1_000);
  scene.write("a.ts", "by one");
  await scene.after("ada", [path], one);
  contextOf(await scene.before("ada", [path], one));
  contextOf(await scene.before("ada", [path], two));
  await scene.after("ada", [path], two, "read");
  scene.clock.advance(1_000);
  scene.write("a.ts", "by one");
  await scene.after("ada", [path], one);
  contextOf(await scene.before("ada", [path], two));
});

Deno.test("inform tells a subagent later of another agent's change in its session", async () => {
  await using scene = await Scene.open();
  const path = scene.write("a.ts", "a");
  const inform = { policy: { onOverlap: "inform" }, agentId: "two" } as const;
  await scene.after("ada", [path], inform, "read");
  scene.clock.advance(1_000);
  scene.write("a.ts", "by one");
  await scene.after("ada", [path], { agentId: "one" });
  contextOf(await scene.before("ada", [path], inform));
  const told = contextOf(await scene.after("ada", [path], inform));
  assert.match(told, /Another agent of this session \(one\) has changed/);
});
