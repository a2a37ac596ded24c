/**
 * The responses that each agent accepts, written independently of the code.
 *
 * These rules come from the agents' documentation and from the real programs, not
 * from the tested code. Any response to any event must follow them.
 *
 * @module
 */

import assert from "node:assert/strict";
import type {
  AgentName,
  Decision,
  HookEvent,
  Rendered,
} from "../../lib/hooks/agents/agent.ts";

type Rule = (output: string, event: HookEvent) => void;

const CLAUDE_KEYS: readonly string[] = [
  "hookSpecificOutput",
  "decision",
  "reason",
  "systemMessage",
];

/** Agents with a field for the person beside a denial. */
const SHOWS_NOTICE: readonly AgentName[] = [
  "claude",
  "codex",
  "gemini",
  "qwen",
  "cursor",
  "opencode",
];

const RULES: Readonly<Record<AgentName, Rule>> = {
  claude(output, event) {
    if (output === "") return;
    const answer = parseObject(output);
    assertKeys(answer, CLAUDE_KEYS);
    assertSpecific(answer, event, [
      "hookEventName",
      "permissionDecision",
      "permissionDecisionReason",
      "additionalContext",
    ]);
    assertBlock(answer, event);
  },
  // An unknown field loses the decision; context and denial exclude each other.
  codex(output, event) {
    if (output === "") return;
    const answer = parseObject(output);
    assertKeys(answer, CLAUDE_KEYS);
    const specific = assertSpecific(answer, event, [
      "hookEventName",
      "permissionDecision",
      "permissionDecisionReason",
      "additionalContext",
    ]);
    const isMixed = "permissionDecision" in specific &&
      "additionalContext" in specific;
    assert.ok(!isMixed);
    assertBlock(answer, event);
  },
  gemini(output, event) {
    const answer = parseObject(output);
    assertKeys(answer, CLAUDE_KEYS);
    const specific = assertSpecific(answer, event, [
      "hookEventName",
      "additionalContext",
    ]);
    if ("additionalContext" in specific) {
      assert.ok(
        ["AfterTool", "BeforeAgent", "SessionStart"].includes(event.event),
      );
    }
    if ("decision" in answer) {
      assert.equal(answer.decision, "deny");
      assert.ok(["before-tool", "stop"].includes(event.kind));
      assertText(answer.reason);
    }
  },
  // Text reaches the model at a prompt only, so no other event has any.
  kimi(output, event) {
    if (output === "") return;
    if (event.kind === "prompt") return;
    const answer = parseObject(output);
    assertKeys(answer, ["hookSpecificOutput"]);
    const specific = assertSpecific(answer, event, [
      "hookEventName",
      "permissionDecision",
      "permissionDecisionReason",
    ]);
    assert.equal(specific.permissionDecision, "deny");
    assert.ok(["before-tool", "stop"].includes(event.kind));
  },
  qwen(output, event) {
    const answer = parseObject(output);
    assertKeys(answer, CLAUDE_KEYS);
    const specific = assertSpecific(answer, event, [
      "hookEventName",
      "permissionDecision",
      "permissionDecisionReason",
      "additionalContext",
    ]);
    if (event.kind === "before-tool" && "hookEventName" in specific) {
      assert.equal(specific.permissionDecision, "deny");
      assertText(specific.permissionDecisionReason);
    }
    assertBlock(answer, event);
  },
  copilot(output, event) {
    const answer = parseObject(output);
    if (event.host === "vscode") {
      assertKeys(answer, CLAUDE_KEYS);
      assertSpecific(answer, event, [
        "hookEventName",
        "permissionDecision",
        "permissionDecisionReason",
        "additionalContext",
      ]);
      assertBlock(answer, event);
      return;
    }
    assertKeys(answer, [
      "permissionDecision",
      "permissionDecisionReason",
      "additionalContext",
      "decision",
      "reason",
    ]);
    for (const value of Object.values(answer)) assertText(value);
    if ("permissionDecision" in answer) {
      assert.equal(answer.permissionDecision, "deny");
      assert.equal(event.kind, "before-tool");
      assertText(answer.permissionDecisionReason);
    }
    assertBlock(answer, event);
  },
  cursor(output, event) {
    const answer = parseObject(output);
    assertKeys(answer, [
      "permission",
      "user_message",
      "agent_message",
      "additional_context",
      "followup_message",
    ]);
    for (const value of Object.values(answer)) assertText(value);
    if ("permission" in answer) {
      assert.equal(answer.permission, "deny");
      assert.equal(event.kind, "before-tool");
      assertText(answer.agent_message);
    }
    if ("followup_message" in answer) assert.equal(event.kind, "stop");
  },
  opencode(output, event) {
    const answer = parseObject(output);
    assertKeys(answer, ["deny", "notice", "context", "continueWith"]);
    assert.ok(
      Object.keys(answer).filter((key) => key !== "notice").length <= 1,
    );
    if ("notice" in answer) assert.ok("deny" in answer);
    for (const value of Object.values(answer)) assertText(value);
    if ("deny" in answer) assert.equal(event.kind, "before-tool");
    if ("continueWith" in answer) assert.equal(event.kind, "stop");
  },
  // Before a tool the model reads a denial's reason and no context.
  droid(output, event) {
    if (output === "") return;
    const answer = parseObject(output);
    assertKeys(answer, CLAUDE_KEYS);
    const specific = assertSpecific(answer, event, [
      "hookEventName",
      "permissionDecision",
      "permissionDecisionReason",
      "additionalContext",
    ]);
    const isMixed = event.kind === "before-tool" &&
      "additionalContext" in specific;
    assert.ok(!isMixed);
    assertBlock(answer, event);
  },
};

/** Asserts that a response follows its agent's contract and carries its parts. */
export function assertContract(
  event: HookEvent,
  decision: Decision,
  { output, carried }: Rendered,
): void {
  RULES[event.agent](output, event);
  const shown = textOf(output);
  if (carried.reason) {
    assert.ok(decision.verdict === "deny" && shown.includes(decision.reason));
  }
  if (carried.context) assert.ok(shown.includes(decision.context ?? "\0"));
  else if (decision.context) assert.ok(!shown.includes(decision.context));
  if (carried.continueWith) {
    assert.ok(decision.verdict === "allow");
    assert.ok(shown.includes(decision.continueWith ?? "\0"));
  }
  if (decision.verdict === "deny" && decision.notice) {
    const isShown = event.kind === "before-tool" &&
      (SHOWS_NOTICE.includes(event.agent) || event.host === "vscode");
    assert.equal(shown.includes(decision.notice), isShown);
  }
  const mustDeny = event.kind === "before-tool" && decision.verdict === "deny";
  assert.equal(carried.reason, mustDeny);
}

/** Returns all strings of a response, as its reader sees them. */
function textOf(output: string): string {
  try {
    const texts: string[] = [];
    JSON.parse(output, (_key, value: unknown) => {
      if (typeof value === "string") texts.push(value);
      return value;
    });
    return texts.join("\n");
  } catch {
    return output;
  }
}

function parseObject(output: string): Record<string, unknown> {
  const value: unknown = JSON.parse(output);
  assert.ok(typeof value === "object" && value !== null);
  assert.ok(!Array.isArray(value));
  return value as Record<string, unknown>;
}

function assertKeys(
  value: Readonly<Record<string, unknown>>,
  allowed: readonly string[],
): void {
  for (const key of Object.keys(value)) assert.ok(allowed.includes(key), key);
}

function assertSpecific(
  answer: Readonly<Record<string, unknown>>,
  event: HookEvent,
  allowed: readonly string[],
): Record<string, unknown> {
  if (!("hookSpecificOutput" in answer)) return {};
  const specific = answer.hookSpecificOutput as Record<string, unknown>;
  assertKeys(specific, allowed);
  assert.equal(specific.hookEventName, event.event);
  if ("permissionDecision" in specific) {
    assert.equal(specific.permissionDecision, "deny");
    assertText(specific.permissionDecisionReason);
  }
  return specific;
}

function assertBlock(
  answer: Readonly<Record<string, unknown>>,
  event: HookEvent,
): void {
  if (!("decision" in answer)) return;
  assert.equal(answer.decision, "block");
  assert.equal(event.kind, "stop");
  assertText(answer.reason);
}

function assertText(value: unknown): void {
  assert.ok(typeof value === "string" && value !== "");
}
