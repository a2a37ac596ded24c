/**
 * parse() throws for no input, and render() makes a valid response to every
 * decision: for arbitrary JSON, and for recorded inputs with one value replaced or
 * removed.
 *
 * @module
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import {
  type Agent,
  AGENT_NAMES,
  type Decision,
  type HookEvent,
} from "../../lib/hooks/agents/agent.ts";
import { callingAgent } from "../../lib/hooks/agents/detect_caller.ts";
import { AGENTS } from "../../lib/hooks/agents/agents.ts";
import { READ_FIELDS } from "../../lib/hooks/agents/tool.ts";
import { inputOf } from "./calls.ts";
import { assertContract } from "./contract.ts";
import { mutated } from "./mutated.ts";

const RUNS = 300;

const text = fc.string({ unit: "binary", minLength: 1 });
// No form of a response contains it by chance, as it may contain a letter.
const context = text.map((words) => `§${words}`);
const decisions: fc.Arbitrary<Decision> = fc.oneof(
  fc.record({
    verdict: fc.constant("allow" as const),
    context: fc.option(context, { nil: undefined }),
    continueWith: fc.option(text, { nil: undefined }),
  }),
  fc.record({
    verdict: fc.constant("deny" as const),
    reason: text,
    context: fc.option(context, { nil: undefined }),
    notice: fc.option(text.map((words) => `¶${words}`), { nil: undefined }),
  }),
);

const values = fc.oneof(
  fc.anything(),
  fc.string(),
  fc.constantFrom(
    ...["src/a.ts", "file:///p/a%20b", "file://", "file:///%", "a://b", "\0"],
    ...["*** Add File: a", "\t*** Move to: b", "x".repeat(5_000)],
    ...[true, null, ["a", "b"], [{ path: "a" }], { uri: "file:///a" }],
  ),
);
/** Calls of any tool, with any value in each field that is read. */
const toolCalls = fc.record({
  name: fc.oneof(
    fc.string({ unit: "binary" }),
    fc.constantFrom(
      ...["Edit", "Bash", "run_shell_command", "apply_patch", "Monitor"],
      ...["mcp__x__write_file", "mcp__x__move_file", "runCommand", "__", "_"],
    ),
  ),
  input: fc.oneof(
    values,
    fc.dictionary(fc.constantFrom(...READ_FIELDS), values, { maxKeys: 8 }),
  ),
});

function assertEvent(agent: Agent, event: HookEvent): void {
  assert.equal(event.agent, agent.name);
  assert.equal(typeof event.sessionId, "string");
  assert.equal(typeof event.cwd, "string");
  assert.equal(typeof event.event, "string");
  if (event.kind !== "before-tool" && event.kind !== "after-tool") return;
  const { tool } = event;
  assert.ok(tool.paths.length <= 10_000);
  for (const path of tool.paths) {
    assert.ok(path !== "" && path.length <= 4096 && !path.includes("\0"));
  }
  assert.ok(tool.command === undefined || tool.kind === "shell");
  assert.ok(tool.folder === undefined || tool.kind === "shell");
  assert.ok(tool.folder !== "" && !tool.folder?.includes("\0"));
  assert.ok(tool.isBackground === undefined || tool.kind === "shell");
  assert.ok([undefined, true].includes(tool.isBackground));
  assert.ok([undefined, true].includes(tool.isCut));
  if (tool.kind === "shell") assert.deepEqual(tool.paths, []);
}

for (const name of AGENT_NAMES) {
  const agent = AGENTS[name];

  const check = (input: unknown, decision: Decision, hint?: string): void => {
    const event = agent.parse(input, () => undefined, hint);
    assertEvent(agent, event);
    assertContract(event, decision, agent.render(event, decision));
    callingAgent(input);
  };

  Deno.test(`${name}: any JSON is read and gets a valid response`, () => {
    const inputs = fc.oneof(fc.jsonValue(), fc.anything());
    const hints = fc.option(fc.string(), { nil: undefined });
    fc.assert(
      fc.property(inputs, decisions, hints, check),
      { numRuns: RUNS },
    );
  });

  Deno.test(`${name}: a damaged input of any agent gets a valid response`, () => {
    const property = fc.property(mutated, decisions, (input, decision) => {
      check(input, decision);
    });
    fc.assert(property, { numRuns: RUNS });
  });

  Deno.test(`${name}: any call of any tool gets a valid response`, () => {
    const property = fc.property(toolCalls, decisions, (tool, decision) => {
      const call = { point: "before-shell", session: "s", cwd: "/p" } as const;
      const input = inputOf(name, call, tool);
      check(input, decision, name === "copilot" ? "preToolUse" : undefined);
    });
    fc.assert(property, { numRuns: RUNS });
  });

  Deno.test(`${name}: an input that is not an object is an event of kind other`, () => {
    for (const input of [undefined, null, "", "{", 1, [], [{}], true]) {
      const event = agent.parse(input, () => undefined);
      assert.equal(event.kind, "other");
      const rendered = agent.render(event, { verdict: "allow" });
      assert.equal(rendered.output, agent.neutral);
    }
  });
}

Deno.test("a huge input is read within its bounds", () => {
  const agent = AGENTS.claude;
  const edits = Array.from({ length: 50_000 }, (_, at) => ({
    file_path: `f${at}`,
  }));
  const event = agent.parse({
    hook_event_name: "PreToolUse",
    tool_name: "MultiEdit",
    session_id: "s".repeat(100_000),
    tool_input: { file_path: "x".repeat(5000), edits },
  }, () => undefined);
  assert.ok(event.kind === "before-tool");
  assert.equal(event.tool.paths.length, 10_000);
  assert.equal(event.tool.isCut, true);
  assert.equal(event.sessionId.length, 1024);
});
