/**
 * The guide for models: its text, and its section in a file.
 *
 * @module
 */

import assert from "node:assert/strict";
import { EXIT } from "../../lib/cli/command.ts";
import { AGENT_NAMES } from "../../lib/hooks/agents/agent.ts";
import {
  addGuide,
  GUIDE,
  guidePath,
  removeGuide,
} from "../../lib/install/agents/guide.ts";
import { Mbus } from "../cli/mbus.ts";

const PEER = { MBUS_SESSION: "peer" };
const TEXTS: readonly (readonly [string, string | undefined])[] = [
  ["no file", undefined],
  ["nothing", ""],
  ["a line end", "\n"],
  ["text", "# My rules\n\n- be kind\n"],
  ["text without a last line end", "# My rules"],
  ["empty lines at the end", "# My rules\n\n\n"],
  ["CRLF", "# My rules\r\n- x\r\n"],
  ["CRLF without a last line end", "# My rules\r\n- x"],
  ["a byte order mark", "\ufeff# My rules\n"],
  ["talk of our marks", "We use `<!-- message-bus: start -->` here.\n"],
];

for (const [what, text] of TEXTS) {
  Deno.test(`removeGuide() reverts addGuide() in ${what}`, () => {
    const added = addGuide(text);
    assert.ok(added.startsWith(text ?? ""));
    assert.ok(added.replaceAll("\r\n", "\n").includes(GUIDE));
    assert.equal(addGuide(added), added);
    assert.equal(removeGuide(added), text);
    if (text !== undefined) assert.equal(removeGuide(text), text);
  });
}

Deno.test("addGuide() replaces an older guide, and keeps the text behind it", () => {
  const old = addGuide("# Mine\n").replace("sessions here", "sessions there");
  const text = `${old}\n# More\n`;
  const added = addGuide(text);
  assert.ok(
    added.includes("sessions here") && !added.includes("sessions there"),
  );
  assert.equal(removeGuide(added), "# Mine\n\n# More\n");
});

Deno.test("the guide is short and names the main commands", () => {
  assert.ok(GUIDE.trimEnd().split("\n").length <= 25);
  for (
    const command of [
      "sessions",
      "who",
      "tell",
      "ask",
      "reply",
      "inbox",
      "lock",
      "task",
    ]
  ) {
    assert.ok(GUIDE.includes(`\`mbus ${command}`), command);
  }
});

Deno.test("guidePath() returns the file in which each agent reads instructions", () => {
  const place = { home: "/h", project: "/p", env: (): undefined => undefined };
  const user = AGENT_NAMES.map((name) => guidePath(name, "user", place));
  assert.deepEqual(user, [
    "/h/.claude/CLAUDE.md",
    "/h/.codex/AGENTS.md",
    "/h/.gemini/GEMINI.md",
    "/h/.kimi-code/AGENTS.md",
    "/h/.qwen/QWEN.md",
    "/h/.copilot/copilot-instructions.md",
    undefined,
    "/h/.config/opencode/AGENTS.md",
    "/h/.factory/AGENTS.md",
  ]);
  const project = AGENT_NAMES.map((name) => guidePath(name, "project", place));
  assert.deepEqual(project, [
    "/p/CLAUDE.md",
    "/p/AGENTS.md",
    "/p/GEMINI.md",
    "/p/AGENTS.md",
    "/p/QWEN.md",
    "/p/AGENTS.md",
    "/p/AGENTS.md",
    "/p/AGENTS.md",
    "/p/AGENTS.md",
  ]);
});

Deno.test("the guide's commands run as they are written", async () => {
  await using mbus = new Mbus();
  await mbus.done(["register", "--vendor", "pi"], { env: PEER });
  await mbus.done(["task", "post", "guide", "--id", "T-1"]);
  const values: Readonly<Record<string, string>> = {
    NAME: "peer",
    PATH: "a.ts",
    ID: "T-1",
  };
  const [{ id }] = await mbus.json(["send", "state", "1"], { env: PEER });
  const examples = [...GUIDE.matchAll(/`mbus ([^`]+)`/g)];
  assert.ok(examples.length >= 8);
  for (const [, example] of examples) {
    const words = [...example.matchAll(/"([^"]*)"|(\S+)/g)]
      .map(([, quoted, word]) => quoted ?? values[word] ?? word);
    const isAsk = words[0] === "ask";
    const args = words[0] === "reply"
      ? ["reply", String(id), ...words.slice(2)]
      : words;
    // No session answers, so the wait ends at once.
    const { code, stderr } = await mbus.run(
      isAsk ? ["ask", "--timeout", "1ms", ...args.slice(1)] : args,
    );
    assert.equal(code, isAsk ? EXIT.refused : EXIT.done, example + stderr);
  }
});
