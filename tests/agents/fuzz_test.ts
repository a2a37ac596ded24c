/**
 * Anything an agent could send is read without a throw, and every decision on
 * it is answered in the agent's form: arbitrary JSON, and recorded inputs with
 * one value replaced or removed.
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
} from "../../lib/agents/agent.ts";
import { hostOf } from "../../lib/agents/host.ts";
import { AGENTS } from "../../lib/agents/roster.ts";
import { assertContract } from "./contract.ts";
import { fixtureNames, readFixture } from "./golden.ts";

const FOLDERS = [
  "claude-2.1.330",
  "codex-0.169.0",
  "copilot-1.0.102",
  "gemini-0.61.0",
  "kimi-2.1.0",
  "opencode-1.18.33",
  "qwen-0.24.4",
];
const RUNS = 300;

const INPUTS = FOLDERS.flatMap((folder) =>
  fixtureNames(folder).map((file) => readFixture(folder, file))
);

const text = fc.string({ unit: "binary", minLength: 1 });
// No form of an answer holds it by chance, as it may hold a single letter.
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
  }),
);

/** A recorded input with the value at some path replaced or removed. */
const mutated: fc.Arbitrary<unknown> = fc.tuple(
  fc.constantFrom(...INPUTS),
  fc.array(fc.nat({ max: 20 }), { minLength: 1, maxLength: 3 }),
  fc.option(fc.oneof(fc.jsonValue(), fc.constant(null)), { nil: undefined }),
).map(([input, path, value]) => replaced(input, path, value));

function replaced(
  value: unknown,
  path: readonly number[],
  put: unknown,
): unknown {
  if (typeof value !== "object" || value === null) return put;
  const keys = Object.keys(value);
  if (path.length === 0 || keys.length === 0) return put;
  const key = keys[path[0] % keys.length];
  const copy = structuredClone(value) as Record<string, unknown>;
  const inner = replaced(copy[key], path.slice(1), put);
  if (inner === undefined) delete copy[key];
  else copy[key] = inner;
  return copy;
}

function assertEvent(agent: Agent, event: HookEvent): void {
  assert.equal(event.agent, agent.name);
  assert.equal(typeof event.sessionId, "string");
  assert.equal(typeof event.cwd, "string");
  assert.equal(typeof event.event, "string");
  if (event.kind !== "before-tool" && event.kind !== "after-tool") return;
  const { tool } = event;
  assert.ok(tool.paths.length <= 1000);
  for (const path of tool.paths) {
    assert.ok(path !== "" && path.length <= 4096 && !path.includes("\0"));
  }
  assert.ok(tool.command === undefined || tool.kind === "shell");
}

for (const name of AGENT_NAMES) {
  const agent = AGENTS[name];

  const check = (input: unknown, decision: Decision, hint?: string): void => {
    const event = agent.parse(input, () => undefined, hint);
    assertEvent(agent, event);
    assertContract(event, decision, agent.render(event, decision));
    hostOf(input);
  };

  Deno.test(`${name}: any JSON is read and answered`, () => {
    const inputs = fc.oneof(fc.jsonValue(), fc.anything());
    const hints = fc.option(fc.string(), { nil: undefined });
    fc.assert(
      fc.property(inputs, decisions, hints, check),
      { numRuns: RUNS },
    );
  });

  Deno.test(`${name}: a damaged input of any agent is read and answered`, () => {
    const property = fc.property(mutated, decisions, (input, decision) => {
      check(input, decision);
    });
    fc.assert(property, { numRuns: RUNS });
  });

  Deno.test(`${name}: what is no object is an event of no kind`, () => {
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
  const edits = Array.from({ length: 5000 }, (_, at) => ({
    file_path: `f${at}`,
  }));
  const event = agent.parse({
    hook_event_name: "PreToolUse",
    tool_name: "MultiEdit",
    session_id: "s".repeat(100_000),
    tool_input: { file_path: "x".repeat(5000), edits },
  }, () => undefined);
  assert.ok(event.kind === "before-tool");
  assert.equal(event.tool.paths.length, 1000);
  assert.equal(event.sessionId.length, 1024);
});
