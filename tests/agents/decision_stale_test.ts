/**
 * Stale reads: the lost update that no lock catches. And what a shell command
 * changes of others' files.
 *
 * @module
 */

import assert from "node:assert/strict";
import { contextOf, reasonOf, Scene } from "./scene.ts";

/** `ada` has read the file; then `bob` edits it, and is done. */
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

Deno.test("who has read a file is told that another has changed it since", async () => {
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

Deno.test("reading it again is enough", async () => {
  await using scene = await Scene.open();
  const path = await changedSinceRead(scene, "b");
  reasonOf(await scene.before("ada", [path], { callId: "1" }));
  scene.clock.advance(1_000);
  await scene.after("ada", [path], {}, "read");
  contextOf(await scene.before("ada", [path], { callId: "2" }));
});

Deno.test("the same content at another time is no change", async () => {
  await using scene = await Scene.open();
  const path = await changedSinceRead(scene, "a");
  contextOf(await scene.before("ada", [path]));
});

Deno.test("a change is told by its size, though its time is an older one", async () => {
  await using scene = await Scene.open();
  const path = await changedSinceRead(scene, "longer");
  const { nowMs } = scene.clock;
  Deno.utimeSync(path, nowMs / 1000 - 90, nowMs / 1000 - 90);
  reasonOf(await scene.before("ada", [path]));
});

Deno.test("what a session changed itself, or never read, is not stale", async () => {
  await using scene = await Scene.open();
  const path = await changedSinceRead(scene, "b");
  contextOf(await scene.before("eve", [path]));
  await scene.store.endSession("eve");
  await scene.after("ada", [path]);
  contextOf(await scene.before("ada", [path]));
});

Deno.test("an edit that failed knows no more than before", async () => {
  await using scene = await Scene.open();
  const path = await changedSinceRead(scene, "b");
  await scene.after("ada", [path], { succeeded: false });
  reasonOf(await scene.before("ada", [path]));
});

Deno.test("a change by another anew is denied anew", async () => {
  await using scene = await Scene.open();
  const path = await changedSinceRead(scene, "b");
  reasonOf(await scene.before("ada", [path], { callId: "1" }));
  scene.clock.advance(3_000);
  scene.write("a.ts", "c");
  await scene.after("eve", [path]);
  const reason = reasonOf(await scene.before("ada", [path], { callId: "2" }));
  assert.match(reason, /eve has changed/);
});

Deno.test("inform tells of it after; block does not hold it against who comes late", async () => {
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

Deno.test("what changed while a command ran is told to both, and noted", async () => {
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
    /Your command has changed .*a\.ts, which bob is editing since 6 s ago, or something else did/,
  );
  const others = contextOf(await scene.call("bob", { kind: "prompt" }));
  assert.match(
    others,
    /conflict from ada.*\n\| ran a command or a tool while .*a\.ts, which you/,
  );
  const [touch] = await scene.store.touchesOf(path, 0);
  assert.equal(touch.session, "ada");
  // Said once.
  contextOf(await scene.afterShell("ada", "./format-all", opaque));
  assert.equal((await scene.conflicts()).length, 1);
});

Deno.test("a command is not to blame for what its holder changed, or nobody", async () => {
  await using scene = await Scene.open();
  const [a, b] = [scene.write("a.ts", "a"), scene.write("b.ts", "b")];
  await scene.before("bob", [a, b]);
  await scene.beforeShell("ada", "./test", { callId: "1" });
  scene.clock.advance(5_000);
  scene.write("a.ts", "by bob");
  await scene.after("bob", [a]);
  // Written anew, and the same.
  scene.write("b.ts", "b");
  assert.equal(
    contextOf(await scene.afterShell("ada", "./test", { callId: "1" })),
    "",
  );
  assert.deepEqual(await scene.conflicts(), []);
});

Deno.test("commands at once are kept apart by their calls", async () => {
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

Deno.test("another project's files are no business of a command's", async () => {
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
  // It took no lock.
  const holds = await scene.store.locks({ project: null, session: "ada" });
  assert.deepEqual(holds.map(({ agent }) => agent), ["one"]);
  contextOf(await scene.before("ada", [path], { ...two, callId: "3" }));
  // Now it is the other way round, until the file is read again.
  scene.write("a.ts", "by two");
  await scene.after("ada", [path], { ...two, callId: "3" });
  reasonOf(await scene.before("ada", [path], { ...one, callId: "4" }));
  scene.clock.advance(1);
  await scene.after("ada", [path], one, "read");
  contextOf(await scene.before("ada", [path], { ...one, callId: "5" }));
});

Deno.test("the main agent is told of its subagent's change, and a subagent of the main agent's", async () => {
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

Deno.test("inform tells a subagent after of what another agent of its session changed", async () => {
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
