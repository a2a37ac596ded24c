/**
 * What the real program makes of anything on its command line and its standard
 * input: it ends, with a code that it has, and never with a stack trace.
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

// What would wait, wait for little; what would change this machine is left out.
const ENDS = ["--timeout", "50ms"];
const LEFT_OUT = new Set(["install", "uninstall", "hook"]);
const names = Object.keys(COMMANDS).filter((name) => !LEFT_OUT.has(name));

const word = awkwardText.filter((text) =>
  // A program cannot be given these.
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

function assertSound(what: string, { code, stdout, stderr }: Ended): void {
  assert.ok([0, 1, 2, 3].includes(code), `${what}: ${code} ${stderr}`);
  const text = stdout + stderr;
  assert.doesNotMatch(text, /^\s+at .*\.ts:\d+/m, what);
  assert.doesNotMatch(text, /fault in mbus/, what);
}

Deno.test("the program ends well whatever it is called with", async () => {
  await seeded(import.meta.url, "the program ends well", async (_, seed) => {
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
      assertSound(what, ended);
    }
  });
});

Deno.test("a hook answers whatever it is given to read", async () => {
  await seeded(import.meta.url, "a hook answers", async (_, seed) => {
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
