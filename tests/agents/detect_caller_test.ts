/**
 * The calling agent is detected only by unambiguous input.
 *
 * @module
 */

import assert from "node:assert/strict";
import { AGENT_NAMES } from "../../lib/hooks/agents/agent.ts";
import { callingAgent } from "../../lib/hooks/agents/detect_caller.ts";
import { AGENTS, isAgentName } from "../../lib/hooks/agents/agents.ts";
import { readFixture } from "./golden.ts";

const HOSTS: readonly (readonly [string, string, string | undefined])[] = [
  ["claude-2.1.330", "PreToolUse-Write", undefined],
  ["claude-2.1.330", "SessionStart", undefined],
  ["codex-0.169.0", "PreToolUse-apply_patch", "codex"],
  ["codex-0.169.0", "SessionEnd", undefined],
  ["gemini-0.61.0", "BeforeTool-write_file", "gemini"],
  ["gemini-0.61.0", "SessionStart", undefined],
  ["kimi-2.1.0", "Stop", "kimi"],
  ["qwen-0.24.4", "PreToolUse-edit", "qwen"],
  ["copilot-1.0.102", "preToolUse-edit", "copilot"],
  ["copilot-1.0.102", "PAPreToolUse-Write", "copilot"],
  ["copilot-1.0.102", "PAStop", "copilot"],
  ["copilot-1.0.102", "PASessionStart", "copilot"],
  ["opencode-1.18.33", "chat.message", "opencode"],
  ["droid-0.215.0", "SessionStart", "droid"],
  ["droid-0.215.0", "PreToolUse-Edit", "droid"],
  ["droid-0.215.0", "Stop", "droid"],
];

for (const [folder, file, host] of HOSTS) {
  Deno.test(`callingAgent() detects ${host ?? "no agent"} by ${folder} ${file}`, () => {
    assert.equal(callingAgent(readFixture(folder, file)), host);
  });
}

Deno.test("callingAgent() recognises Cursor by its version", () => {
  const input = { hook_event_name: "PreToolUse", cursor_version: "1.7" };
  assert.equal(callingAgent(input), "cursor");
});

Deno.test("AGENTS contains every agent under its name", () => {
  for (const name of AGENT_NAMES) {
    assert.ok(isAgentName(name));
    assert.equal(AGENTS[name].name, name);
  }
  assert.ok(!isAgentName("constructor"));
});
