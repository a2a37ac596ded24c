/**
 * What the README says can be copied: the snippets for other languages are run
 * as they stand there. (Its TypeScript runs under `deno test --doc`.)
 */

import assert from "node:assert/strict";
import { DEFAULT_POLICY } from "../lib/hooks/policy.ts";
import { openBus } from "../mod.ts";
import { contextOf, reasonOf, Scene } from "./agents/scene.ts";

const README = await Deno.readTextFile(
  new URL("../README.md", import.meta.url),
);

/** The code of the first fence of a language that holds `text`. */
function snippet(language: string, text: string): string {
  const fences = README.matchAll(/^```(\w+)\n(.*?)^```$/gms);
  for (const [, name, code] of fences) {
    if (name === language && code.includes(text)) return code;
  }
  throw new Error(`Cannot find a ${language} snippet with "${text}".`);
}

/** Whether a program can be run here. */
async function has(program: string): Promise<boolean> {
  try {
    const { success } = await new Deno.Command(program, {
      args: ["--version"],
      stdout: "null",
      stderr: "null",
    }).output();
    return success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Runs a snippet while a session waits, and returns what that one was pushed. */
async function pushedBy(
  program: string,
  flag: string,
  code: string,
): Promise<void> {
  const home = await Deno.makeTempDir({ prefix: "mbus-readme-" });
  try {
    // A poll would come a minute later: what arrives was pushed.
    await using bus = await openBus({ home, pollIntervalMs: 60_000 });
    const states = bus.subscribe("state", {
      signal: AbortSignal.timeout(30_000),
    });
    await states.ready;
    const { success, stderr } = await new Deno.Command(program, {
      args: [flag, code],
      env: { MBUS_HOME: home },
      stdout: "null",
      stderr: "piped",
    }).output();
    assert.ok(success, new TextDecoder().decode(stderr));
    const { value } = await states.next();
    assert.equal(value?.sender, "nightly-build");
    assert.deepEqual(value?.payload, { status: "passed" });
  } finally {
    await Deno.remove(home, { recursive: true });
  }
}

const [hasShell, hasPython] = await Promise.all([
  has("sqlite3"),
  has("python3"),
]);

Deno.test({
  name: `the README's sqlite3 snippet is pushed${
    hasShell
      ? ""
      : " (ignored: sqlite3 is not installed; apt-get install sqlite3)"
  }`,
  ignore: !hasShell,
  fn: () => pushedBy("sh", "-c", snippet("sh", "sqlite3 ")),
});

Deno.test({
  name: `the README's Python snippet is pushed${
    hasPython
      ? ""
      : " (ignored: python3 is not installed; apt-get install python3)"
  }`,
  ignore: !hasPython,
  fn: () => pushedBy("python3", "-c", snippet("python", "sqlite3")),
});

Deno.test("what it shows of a denial and of a message is what models read", async () => {
  await using scene = await Scene.open();
  const path = scene.write("cart.ts", "a");
  await scene.store.registerSession({
    id: "codex-7f3a",
    vendor: "codex",
    project: scene.project,
  });
  await scene.hold("codex-7f3a", "cart.ts", {
    type: "exclusive",
    why: "renaming Cart",
  });
  scene.clock.advance(4 * 60_000);
  /** The same words, wherever the lines end. */
  const words = (text: string) => text.replace(/\s+/g, " ").trim();
  const denial = snippet("text", "holds exclusively")
    .replaceAll("/home/me/shop/src/cart.ts", path);
  const reason = reasonOf(await scene.before("ada", [path]));
  assert.equal(words(denial), words(reason));

  const said = "Cart is renamed to Basket; main is green again.";
  const id = await scene.send("codex-7f3a", "ada", said);
  const told = contextOf(await scene.call("ada", { kind: "prompt" }));
  const shown = snippet("text", "This is information")
    .replace("message 3 on", `message ${id} on`);
  const dated = /\d{4}-\d\d-\d\dT[\d:.]+Z/;
  assert.equal(shown.replace(dated, "").trim(), told.replace(dated, ""));
});

Deno.test("the policy that it shows is the one that holds where nobody chose", () => {
  const shown = JSON.parse(snippet("json", "onOverlap"));
  assert.deepEqual(shown, { ...DEFAULT_POLICY });
});
