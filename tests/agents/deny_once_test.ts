/**
 * Denials for one fact: their number, and the holder's notice.
 *
 * @module
 */

import assert from "node:assert/strict";
import { contextOf, reasonOf, Scene } from "./scene.ts";

const MINUTE_MS = 60_000;

Deno.test("the retry passes at once; the same call gets the same answer", async () => {
  await using scene = await Scene.open();
  const path = scene.write("a.ts", "a");
  await scene.hold("bob", "a.ts");
  const first = reasonOf(await scene.before("ada", [path], { callId: "1" }));
  assert.match(first, /bob \(claude\) is editing .*retry: the retry passes/s);
  const again = reasonOf(await scene.before("ada", [path], { callId: "1" }));
  assert.equal(again, first);
  contextOf(await scene.before("ada", [path], { callId: "2" }));
  assert.deepEqual(await scene.held("ada"), ["a.ts"]);
});

Deno.test("the retry of an agent without call ids passes at once", async () => {
  await using scene = await Scene.open();
  const path = scene.write("a.ts", "a");
  await scene.hold("bob", "a.ts");
  reasonOf(await scene.before("ada", [path]));
  contextOf(await scene.before("ada", [path]));
});

Deno.test("a hook that two agents' settings wire denies twice for one call", async () => {
  await using scene = await Scene.open();
  const path = scene.write("a.ts", "a");
  await scene.hold("bob", "a.ts");
  reasonOf(await scene.before("ada", [path], { wiring: "copilot" }));
  reasonOf(await scene.before("ada", [path], { wiring: "claude" }));
  contextOf(await scene.before("ada", [path], { wiring: "copilot" }));
  contextOf(await scene.before("ada", [path], { wiring: "claude" }));
});

Deno.test("parallel calls that meet an untold fact are all denied, and announce it once", async () => {
  await using scene = await Scene.open();
  const path = scene.write("a.ts", "a");
  await scene.hold("bob", "a.ts");
  await scene.session("ada");
  const decisions = await Promise.all(
    ["1", "2", "3"].map((callId) => scene.before("ada", [path], { callId })),
  );
  assert.equal(reasonOf(decisions[0]).includes("bob"), true);
  for (const [at, decision] of decisions.entries()) {
    // Each call keeps its answer.
    const { verdict } = await scene.before("ada", [path], {
      callId: String(at + 1),
    });
    assert.equal(verdict, decision.verdict);
  }
  const denied = (await scene.events()).filter((said) => /^denied/.test(said));
  assert.deepEqual(denied, ["denied ada bob a.ts"]);
});

Deno.test("a renewed or lasting hold is not a new fact", async () => {
  await using scene = await Scene.open();
  const path = scene.write("a.ts", "a");
  await scene.before("bob", [path]);
  reasonOf(await scene.before("ada", [path], { callId: "1" }));
  contextOf(await scene.before("ada", [path], { callId: "2" }));
  reasonOf(await scene.before("bob", [path], { callId: "1" }));
  for (let n = 3; n < 10; n++) {
    scene.clock.advance(9 * MINUTE_MS);
    contextOf(await scene.before("bob", [path], { callId: `${n}` }));
    contextOf(await scene.before("ada", [path], { callId: `${n}` }));
  }
});

Deno.test("a hold that is released and taken again is a new fact", async () => {
  await using scene = await Scene.open();
  const path = scene.write("a.ts", "a");
  const hold = await scene.hold("bob", "a.ts");
  reasonOf(await scene.before("ada", [path], { callId: "1" }));
  await scene.store.releaseLock(hold);
  await scene.hold("bob", "a.ts");
  reasonOf(await scene.before("ada", [path], { callId: "2" }));
  contextOf(await scene.before("ada", [path], { callId: "3" }));
});

Deno.test("a further holder is a new fact, a leaving one is not", async () => {
  await using scene = await Scene.open();
  const path = scene.write("a.ts", "a");
  const hold = await scene.hold("bob", "a.ts");
  reasonOf(await scene.before("ada", [path], { callId: "1" }));
  await scene.hold("eve", "a.ts");
  const reason = reasonOf(await scene.before("ada", [path], { callId: "2" }));
  assert.match(reason, /^\[message-bus\] eve \(claude\) is editing/);
  assert.doesNotMatch(reason, /bob/);
  await scene.store.releaseLock(hold);
  contextOf(await scene.before("ada", [path], { callId: "3" }));
  contextOf(await scene.before("ada", [path], { callId: "4" }));
});

Deno.test("a holder that comes and leaves before the retry is not a new fact", async () => {
  await using scene = await Scene.open();
  const path = scene.write("a.ts", "a");
  await scene.hold("bob", "a.ts");
  reasonOf(await scene.before("ada", [path], { callId: "1" }));
  const hold = await scene.hold("eve", "a.ts");
  await scene.store.releaseLock(hold);
  contextOf(await scene.before("ada", [path], { callId: "2" }));
});

Deno.test("a held folder is one fact for all its files", async () => {
  await using scene = await Scene.open();
  Deno.mkdirSync(scene.path("src"));
  const [a, b] = [scene.write("src/a.ts", "a"), scene.write("src/b.ts", "b")];
  await scene.hold("bob", "src/");
  const reason = reasonOf(await scene.before("ada", [a], { callId: "1" }));
  assert.match(reason, /src \(a folder\)|src\/ \(a folder\)/);
  contextOf(await scene.before("ada", [b], { callId: "2" }));
});

Deno.test("an edit passes after the file was read as told", async () => {
  await using scene = await Scene.open();
  const path = scene.write("a.ts", "a");
  await scene.after("ada", [path], {}, "read");
  scene.clock.advance(MINUTE_MS);
  await scene.before("bob", [path]);
  scene.write("a.ts", "by bob");
  await scene.after("bob", [path]);
  scene.clock.advance(1_000);
  const reason = reasonOf(await scene.before("ada", [path], { callId: "1" }));
  assert.match(reason, /bob \(claude\) is editing .*, locked 1 s ago\./);
  assert.match(reason, /bob has changed .* 1 s ago, after you read it\./);
  scene.clock.advance(100);
  await scene.after("ada", [path], {}, "read");
  contextOf(await scene.before("ada", [path], { callId: "2" }));
});

Deno.test("a third session's touch is a new fact only if it changes the file after the telling", async () => {
  await using scene = await Scene.open();
  const path = scene.write("a.ts", "a");
  await scene.after("ada", [path], {}, "read");
  scene.clock.advance(MINUTE_MS);
  scene.write("a.ts", "by bob");
  await scene.after("bob", [path]);
  reasonOf(await scene.before("ada", [path], { callId: "1" }));
  // Its edit failed, or wrote the same content.
  scene.clock.advance(1_000);
  await scene.after("eve", [path], { succeeded: false });
  contextOf(await scene.before("ada", [path], { callId: "2" }));
  scene.write("a.ts", "by eve");
  await scene.after("eve", [path]);
  const reason = reasonOf(await scene.before("ada", [path], { callId: "3" }));
  assert.match(reason, /eve has changed/);
  contextOf(await scene.before("ada", [path], { callId: "4" }));
});

Deno.test("a change that reverts an edit is a new fact", async () => {
  await using scene = await Scene.open();
  const path = scene.write("a.ts", "a");
  await scene.after("ada", [path], {}, "read");
  scene.clock.advance(MINUTE_MS);
  scene.write("a.ts", "by bob");
  await scene.after("bob", [path]);
  reasonOf(await scene.before("ada", [path], { callId: "1" }));
  contextOf(await scene.before("ada", [path], { callId: "2" }));
  scene.clock.advance(1_000);
  scene.write("a.ts", "by ada");
  await scene.after("ada", [path], { callId: "2" });
  scene.clock.advance(1_000);
  scene.write("a.ts", "by bob");
  await scene.after("bob", [path]);
  reasonOf(await scene.before("ada", [path], { callId: "3" }));
});

Deno.test("a denial says that a holder with a finished turn is idle", async () => {
  await using scene = await Scene.open();
  const path = scene.write("a.ts", "a");
  await scene.before("bob", [path]);
  await scene.call("bob", { kind: "stop", wasContinued: false });
  scene.clock.advance(9 * MINUTE_MS);
  assert.match(
    reasonOf(await scene.before("ada", [path])),
    /^\[message-bus\] bob \(claude, idle now\) is editing \S+, locked 9 min ago\./,
  );
});

Deno.test("a denial for a firm fact does not promise that the retry passes", async () => {
  await using scene = await Scene.open();
  const [a, b] = [scene.write("a.ts", "a"), scene.write("b.ts", "b")];
  await scene.hold("bob", "a.ts");
  const hold = await scene.hold("eve", "b.ts", { type: "exclusive" });
  const reason = reasonOf(await scene.before("ada", [a, b], { callId: "1" }));
  assert.match(reason, /bob .*a\.ts.*\neve .*b\.ts/s);
  assert.doesNotMatch(reason, /passes/);
  // A told fact is not told again; a firm one stays.
  const again = reasonOf(await scene.before("ada", [a, b], { callId: "2" }));
  assert.match(again, /^\[message-bus\] eve /);
  await scene.store.releaseLock(hold);
  contextOf(await scene.before("ada", [a, b], { callId: "3" }));
});

Deno.test("a call with more facts than are shown counts all, and its retry passes", async () => {
  await using scene = await Scene.open();
  const names = Array.from({ length: 30 }, (_, n) => `f${n}.ts`);
  for (const name of names) await scene.hold("bob", name);
  const reason = reasonOf(await scene.before("ada", names, { callId: "1" }));
  assert.match(reason, /\n\(10 more like these\.\)\n/);
  contextOf(await scene.before("ada", names, { callId: "2" }));
  const denied = (await scene.events()).filter((said) => /^denied/.test(said));
  assert.equal(denied.length, 20);
});

Deno.test("a denial has a short sentence for the person", async () => {
  await using scene = await Scene.open();
  const path = scene.write("a.ts", "a");
  await scene.hold("bob", "a.ts");
  const decision = await scene.before("ada", [path]);
  assert.ok(decision.verdict === "deny");
  assert.equal(
    decision.notice,
    `mbus stopped an edit of ${path}: bob is working on it.`,
  );
});

Deno.test("the holder is told once that an edit was denied, and how long ago", async () => {
  await using scene = await Scene.open();
  const path = scene.write("a.ts", "a");
  await scene.hold("bob", "a.ts", { type: "exclusive" });
  for (const callId of ["1", "2", "3"]) {
    reasonOf(await scene.before("ada", [path], { callId }));
  }
  assert.deepEqual(await scene.events(), ["denied ada bob a.ts"]);
  scene.clock.advance(6 * MINUTE_MS);
  const told = contextOf(await scene.call("bob", { kind: "prompt" }));
  assert.match(
    told,
    /conflict from ada.*\n\| wanted to edit \S*a\.ts 6 min ago and was stopped, because you held it/,
  );
  assert.equal(contextOf(await scene.call("bob", { kind: "prompt" })), "");
  // The denied session knows it from its denial; others are not concerned.
  for (const session of ["ada", "eve"]) {
    assert.equal(contextOf(await scene.call(session, { kind: "prompt" })), "");
  }
});

Deno.test("a denial for a changed file leaves an event without a holder", async () => {
  await using scene = await Scene.open();
  const path = scene.write("a.ts", "a");
  await scene.after("ada", [path], {}, "read");
  scene.clock.advance(MINUTE_MS);
  scene.write("a.ts", "by bob");
  await scene.after("bob", [path]);
  reasonOf(await scene.before("ada", [path]));
  assert.deepEqual(await scene.events(), ["denied ada a.ts"]);
  assert.equal(contextOf(await scene.call("bob", { kind: "prompt" })), "");
});

Deno.test("inform leaves no event of a denial", async () => {
  await using scene = await Scene.open();
  const path = scene.write("a.ts", "a");
  await scene.hold("bob", "a.ts");
  await scene.before("ada", [path], { policy: { onOverlap: "inform" } });
  assert.deepEqual(await scene.events(), ["overlap ada bob a.ts"]);
});

/**
 * Lets three sessions edit three files in turn, ten times each. A read and a retry
 * follow each denial. Returns the number of denials, and the facts that they told.
 */
async function tenEditsEach(
  options: { readonly readsFirst: boolean },
): Promise<{ edits: number; denials: number; facts: string[] }> {
  await using scene = await Scene.open();
  const files = ["a.ts", "b.ts", "c.ts"].map((name) => scene.write(name, name));
  const sessions = ["ada", "bob", "eve"];
  const read = (session: string, path: string) =>
    scene.after(session, [path], {}, "read");
  for (const session of sessions) {
    for (const path of files) await read(session, path);
  }
  const facts: string[] = [];
  let [edits, denials, calls] = [0, 0, 0];
  for (let round = 0; round < 10; round++) {
    for (const [at, session] of sessions.entries()) {
      const path = files[(round + at) % files.length];
      scene.clock.advance(1_000);
      if (options.readsFirst) await read(session, path);
      const callId = () => `${calls++}`;
      const first = await scene.before(session, [path], { callId: callId() });
      if (first.verdict === "deny") {
        denials++;
        facts.push(...factsIn(first.reason, scene.clock.nowMs, session));
        await read(session, path);
        contextOf(await scene.before(session, [path], { callId: callId() }));
      }
      edits++;
      Deno.writeTextFileSync(path, `${session} ${round}\n`);
      await scene.after(session, [path]);
    }
  }
  return { edits, denials, facts };
}

/** Returns the facts of a denial, with absolute times. */
function factsIn(reason: string, nowMs: number, session: string): string[] {
  return reason.replace("[message-bus] ", "").split("\n").slice(0, -1)
    .map((line) =>
      `${session} is told at most once: ` +
      line.replace(/(\d+) (s|min) ago/, (_, count, unit) =>
        unit === "s" ? `${nowMs - count * 1000}` : "")
    );
}

Deno.test("ten edits of three sessions on three files cost one denial for each fact", async () => {
  const stale = await tenEditsEach({ readsFirst: false });
  const fresh = await tenEditsEach({ readsFirst: true });
  for (const { edits, denials, facts } of [stale, fresh]) {
    console.log(`${edits} edits, ${denials} denials, ${facts.length} facts`);
    assert.equal(new Set(facts).size, facts.length);
    assert.ok(denials <= facts.length);
  }
  // Each of three sessions meets two others in each of three files.
  assert.ok(fresh.facts.length <= 18);
  assert.ok(fresh.facts.every((fact) => fact.includes("is editing")));
});
