/**
 * The real program with random arguments and stdin: it ends with a documented
 * code, and never with a stack trace.
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import { AGENT_NAMES } from "../../lib/hooks/agents/agent.ts";
import { COMMANDS } from "../../lib/cli/commands.ts";
import { mutated } from "../agents/mutated.ts";
import { type Ended, Mbus } from "../cli/mbus.ts";
import { within } from "../waiting.ts";
import { awkwardText } from "./inputs.ts";
import { LONG, seeded } from "./seed.ts";

const PROCESSES = LONG ? 1_000 : 16;

// Waiting commands get a short timeout. Commands that change this machine are
// left out.
const ENDS = ["--timeout", "50ms"];
const LEFT_OUT = new Set(["install", "uninstall", "hook"]);
const names = Object.keys(COMMANDS).filter((name) => !LEFT_OUT.has(name));

const word = awkwardText.filter((text) =>
  // The operating system rejects these as arguments.
  !text.includes("\0") && text.isWellFormed()
);
const commandLine = fc.tuple(
  fc.oneof(
    { weight: 9, arbitrary: fc.constantFrom(...names) },
    { weight: 1, arbitrary: word },
  ),
  fc.array(
    fc.oneof(word, fc.constantFrom("state", "1", "--json", "--limit", "--to")),
    { maxLength: 4 },
  ),
).map(([name, words]) => [
  name,
  ...(["tail", "ask", "inbox"].includes(name) ? ENDS : []),
  ...words,
]);
const hookCall = fc.tuple(
  fc.constantFrom(...AGENT_NAMES),
  fc.oneof(
    mutated.map((input) => JSON.stringify(input) ?? ""),
    word,
    fc.uint8Array({ maxLength: 64 }),
  ),
);

function assertPlainEnd(what: string, { code, stdout, stderr }: Ended): void {
  assert.ok([0, 1, 2, 3].includes(code), `${what}: ${code} ${stderr}`);
  const text = stdout + stderr;
  assert.doesNotMatch(text, /^\s+at .*\.ts:\d+/m, what);
  assert.doesNotMatch(text, /fault in mbus/, what);
}

Deno.test("mbus ends with a documented code for random arguments", async () => {
  await seeded(import.meta.url, "mbus ends with", async (_, seed) => {
    await using mbus = new Mbus();
    const calls = fc.sample(commandLine, {
      numRuns: PROCESSES,
      seed: seed | 0,
    });
    for (const args of calls) {
      const what = `mbus ${JSON.stringify(args)}`;
      const ended = await within(
        what,
        mbus.run(args, { input: "1\n" }),
        60_000,
      );
      assertPlainEnd(what, ended);
    }
  });
});

Deno.test("mbus hook responds with code 0 to random input", async () => {
  await seeded(import.meta.url, "mbus hook responds", async (_, seed) => {
    await using mbus = new Mbus();
    const calls = fc.sample(hookCall, { numRuns: PROCESSES, seed: seed | 0 });
    for (const [agent, input] of calls) {
      const what = `${agent} ${JSON.stringify(input)}`;
      const ended = await within(
        what,
        mbus.run(["hook", agent], { input }),
        60_000,
      );
      assert.deepEqual([ended.code, ended.stderr], [0, ""], what);
      if (ended.stdout.trimStart().startsWith("{")) JSON.parse(ended.stdout);
    }
  });
});
