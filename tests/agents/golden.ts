/**
 * Recorded inputs of an agent with their events, and decisions with the responses
 * of the agent's contract.
 *
 * @module
 */

import assert from "node:assert/strict";
import type {
  Agent,
  Carried,
  Decision,
  HookEvent,
} from "../../lib/hooks/agents/agent.ts";
import { callingAgent } from "../../lib/hooks/agents/detect_caller.ts";
import { assertContract } from "./contract.ts";

/** A recorded input by name, and its event without the common fields. */
export type Golden = readonly [string, Readonly<Record<string, unknown>>];

/** An input by name, a decision, the response, and the parts that it carries. */
export interface Answer {
  readonly file: string;
  readonly decision: Decision;
  /** The output: parsed JSON, or text. */
  readonly output: unknown;
  readonly carries: readonly (keyof Carried)[];
}

/** A denial with context. */
export const DENY: Decision = {
  verdict: "deny",
  reason: 'held by "codex-7f3a"',
  context: "[message-bus] hello",
};

/** A denial with a sentence for the person. */
export const NOTIFY: Decision = {
  verdict: "deny",
  reason: 'held by "codex-7f3a"',
  notice: "codex-7f3a holds a.ts",
};

/** Context alone. */
export const INFORM: Decision = {
  verdict: "allow",
  context: "[message-bus] hello\n| it's 5 > 4",
};

/** Text that holds a stop. */
export const CONTINUE: Decision = {
  verdict: "allow",
  continueWith: "[message-bus] read this",
};

/** An empty decision. */
export const ALLOW: Decision = { verdict: "allow" };

const FIXTURES = new URL("./fixtures/", import.meta.url);
const PROJECT = "/home/dev/project";
const PRIVATE_KEYS = new Set([
  "prompt",
  "content",
  "old_string",
  "new_string",
  "old_str",
  "new_str",
  "file_text",
  "text",
  "tool_response",
  "tool_output",
  "last_assistant_message",
  "prompt_response",
]);

/** Reads no environment variable. */
export function noVariables(_name: string): string | undefined {
  return undefined;
}

/** Reads a recorded input. */
export function readFixture(folder: string, file: string): unknown {
  const url = new URL(`${folder}/${file}.json`, FIXTURES);
  return JSON.parse(Deno.readTextFileSync(url));
}

/** The names of all recorded inputs in a folder. */
export function fixtureNames(folder: string): string[] {
  const entries = Deno.readDirSync(new URL(`${folder}/`, FIXTURES));
  return [...entries].map(({ name }) => name.replace(/\.json$/, "")).sort();
}

/** Tests that each recorded input of a folder becomes its event. */
export function testGoldens(
  agent: Agent,
  folder: string,
  goldens: readonly Golden[],
): void {
  Deno.test(`${agent.name}: every recorded input has its event`, () => {
    const files = goldens.map(([file]) => file).sort();
    assert.deepEqual(files, fixtureNames(folder));
  });
  for (const [file, expected] of goldens) {
    Deno.test(`${agent.name}: parse() reads ${file}`, () => {
      const input = readFixture(folder, file);
      const event = agent.parse(input, noVariables);
      const cwd = PROJECT;
      assert.deepEqual(event, { agent: agent.name, cwd, ...expected });
      assertNothingPrivate(input, event);
      assert.ok([undefined, agent.name].includes(callingAgent(input)));
      for (const decision of [DENY, NOTIFY, INFORM, CONTINUE, ALLOW]) {
        assertContract(event, decision, agent.render(event, decision));
      }
    });
  }
}

/** Tests responses, each to a recorded input. */
export function testAnswers(
  agent: Agent,
  folder: string,
  answers: readonly Answer[],
): void {
  for (const { file, decision, output, carries } of answers) {
    const what = decision.verdict === "deny"
      ? "deny"
      : Object.keys(decision).slice(1).join() || "allow";
    Deno.test(`${agent.name}: render() responds to ${file} with ${what}`, () => {
      const event = agent.parse(readFixture(folder, file), noVariables);
      const rendered = agent.render(event, decision);
      const isText = typeof output === "string";
      const found = isText ? rendered.output : JSON.parse(rendered.output);
      assert.deepEqual(found, output);
      assert.deepEqual(rendered.carried, {
        reason: carries.includes("reason"),
        context: carries.includes("context"),
        continueWith: carries.includes("continueWith"),
      });
      assertContract(event, decision, rendered);
    });
  }
}

/** Asserts that the event has no prompt, file content or result. */
function assertNothingPrivate(input: unknown, event: HookEvent): void {
  const shown = JSON.stringify(event);
  JSON.stringify(input, (key, value: unknown) => {
    const isLong = typeof value === "string" && value.trim().length >= 5;
    if (PRIVATE_KEYS.has(key) && isLong) {
      assert.ok(!shown.includes(JSON.stringify(value).slice(1, -1)), key);
    }
    return value;
  });
}
