/**
 * Kimi: recorded inputs and their events; decisions and the responses of its
 * contract.
 *
 * @module
 */

import assert from "node:assert/strict";
import { kimi } from "../../lib/hooks/agents/kimi.ts";
import {
  ALLOW,
  type Answer,
  CONTINUE,
  DENY,
  type Golden,
  INFORM,
  noVariables,
  testAnswers,
  testGoldens,
} from "./golden.ts";

const FOLDER = "kimi-2.1.0";

const GOLDENS: readonly Golden[] = [
  ["PostToolUse-Bash", {
    event: "PostToolUse",
    sessionId: "session_178d16e5-64f9-4794-9446-1c07a8d99d12",
    kind: "after-tool",
    tool: {
      name: "Bash",
      callId: "call_mock_1_mws3t6js",
      kind: "shell",
      paths: [],
      "command":
        'echo shell > b.txt; env | cut -d= -f1 | sort > env-shell.txt; env | grep -iE "gemini|qwen|kimi|copilot|claude|session|thread|agent" | grep -viE "key|token" > env-shell-sel.txt',
    },
    succeeded: true,
  }],
  ["PostToolUse-Read", {
    event: "PostToolUse",
    sessionId: "session_0da59f18-f9d9-437d-b162-a8103cb06e7a",
    kind: "after-tool",
    tool: {
      name: "Read",
      callId: "call_mock_0_mws3ru5m",
      kind: "read",
      paths: ["e.md"],
    },
    succeeded: true,
  }],
  ["PostToolUse-Write", {
    event: "PostToolUse",
    sessionId: "session_178d16e5-64f9-4794-9446-1c07a8d99d12",
    kind: "after-tool",
    tool: {
      name: "Write",
      callId: "call_mock_0_mws3t6gg",
      kind: "edit",
      paths: ["/home/dev/project/a.txt"],
    },
    succeeded: true,
  }],
  ["PostToolUseFailure-Write", {
    event: "PostToolUseFailure",
    sessionId: "session_03507ba7-0fe7-4069-915f-03cf9b93bead",
    kind: "after-tool",
    tool: {
      name: "Write",
      callId: "call_mock_0_mws3o71b",
      kind: "edit",
      paths: ["/home/dev/project/a.txt"],
    },
    succeeded: false,
  }],
  ["PreToolUse-Agent", {
    event: "PreToolUse",
    sessionId: "session_508cbbf7-69b3-4c41-b637-c63aa9016796",
    kind: "before-tool",
    tool: {
      name: "Agent",
      callId: "call_mock_0_mws3zduj",
      kind: "other",
      paths: [],
    },
  }],
  ["PreToolUse-Bash", {
    event: "PreToolUse",
    sessionId: "session_178d16e5-64f9-4794-9446-1c07a8d99d12",
    kind: "before-tool",
    tool: {
      name: "Bash",
      callId: "call_mock_1_mws3t6js",
      kind: "shell",
      paths: [],
      "command":
        'echo shell > b.txt; env | cut -d= -f1 | sort > env-shell.txt; env | grep -iE "gemini|qwen|kimi|copilot|claude|session|thread|agent" | grep -viE "key|token" > env-shell-sel.txt',
    },
  }],
  ["PreToolUse-Edit", {
    event: "PreToolUse",
    sessionId: "session_0da59f18-f9d9-437d-b162-a8103cb06e7a",
    kind: "before-tool",
    tool: {
      name: "Edit",
      callId: "call_mock_1_mws3ru8y",
      kind: "edit",
      paths: ["e.md"],
    },
  }],
  ["PreToolUse-Read", {
    event: "PreToolUse",
    sessionId: "session_0da59f18-f9d9-437d-b162-a8103cb06e7a",
    kind: "before-tool",
    tool: {
      name: "Read",
      callId: "call_mock_0_mws3ru5m",
      kind: "read",
      paths: ["e.md"],
    },
  }],
  ["PreToolUse-Write", {
    event: "PreToolUse",
    sessionId: "session_178d16e5-64f9-4794-9446-1c07a8d99d12",
    kind: "before-tool",
    tool: {
      name: "Write",
      callId: "call_mock_0_mws3t6gg",
      kind: "edit",
      paths: ["/home/dev/project/a.txt"],
    },
  }],
  ["PreToolUse-mcp__bus__inbox", {
    event: "PreToolUse",
    sessionId: "session_178d16e5-64f9-4794-9446-1c07a8d99d12",
    kind: "before-tool",
    tool: {
      name: "mcp__bus__inbox",
      callId: "call_mock_2_mws3t6mz",
      kind: "other",
      paths: [],
    },
  }],
  ["SessionStart-resume", {
    event: "SessionStart",
    sessionId: "session_178d16e5-64f9-4794-9446-1c07a8d99d12",
    model: "mock",
    kind: "session-start",
    source: "resume",
  }],
  ["SessionStart", {
    event: "SessionStart",
    sessionId: "session_178d16e5-64f9-4794-9446-1c07a8d99d12",
    model: "mock",
    kind: "session-start",
    source: "startup",
  }],
  ["Stop", {
    event: "Stop",
    sessionId: "session_178d16e5-64f9-4794-9446-1c07a8d99d12",
    kind: "stop",
    wasContinued: false,
  }],
  ["SubagentStop", {
    event: "SubagentStop",
    sessionId: "session_508cbbf7-69b3-4c41-b637-c63aa9016796",
    kind: "other",
  }],
  ["UserPromptSubmit", {
    event: "UserPromptSubmit",
    sessionId: "session_178d16e5-64f9-4794-9446-1c07a8d99d12",
    kind: "prompt",
    isRepeatPrompt: false,
  }],
];

const ANSWERS: readonly Answer[] = [
  {
    file: "PreToolUse-Write",
    decision: DENY,
    output: {
      hookSpecificOutput: {
        hookEventName: "PreToolUse",
        permissionDecision: "deny",
        permissionDecisionReason: 'held by "codex-7f3a"\n\n[message-bus] hello',
      },
    },
    carries: ["reason", "context"],
  },
  {
    file: "UserPromptSubmit",
    decision: INFORM,
    output: "[message-bus] hello\n| it's 5 > 4",
    carries: ["context"],
  },
  ...["PreToolUse-Write", "PostToolUse-Write", "SessionStart", "Stop"]
    .map((file): Answer => ({
      file,
      decision: INFORM,
      output: "",
      carries: [],
    })),
  {
    file: "Stop",
    decision: CONTINUE,
    output: {
      hookSpecificOutput: {
        hookEventName: "Stop",
        permissionDecision: "deny",
        permissionDecisionReason: "[message-bus] read this",
      },
    },
    carries: ["continueWith"],
  },
  { file: "UserPromptSubmit", decision: ALLOW, output: "", carries: [] },
];

testGoldens(kimi, FOLDER, GOLDENS);
testAnswers(kimi, FOLDER, ANSWERS);

Deno.test("kimi: parse() reads the tools of kimi-cli", () => {
  for (
    const [tool_name, tool_input, kind] of [
      ["WriteFile", { path: "a", content: "x", mode: "overwrite" }, "edit"],
      ["StrReplaceFile", { path: "a", edit: { old: "x", new: "y" } }, "edit"],
      ["ReadFile", { path: "a" }, "read"],
      ["Shell", { command: "ls" }, "shell"],
    ] as const
  ) {
    const event = kimi.parse(
      { hook_event_name: "PreToolUse", tool_name, tool_input },
      noVariables,
    );
    assert.ok("tool" in event);
    assert.equal(event.tool.kind, kind);
    assert.deepEqual(event.tool.paths, kind === "shell" ? [] : ["a"]);
  }
});
