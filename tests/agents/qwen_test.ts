/**
 * Qwen Code: recorded inputs and their events; decisions and the responses of its
 * contract.
 *
 * @module
 */

import assert from "node:assert/strict";
import { qwen } from "../../lib/hooks/agents/qwen.ts";
import {
  type Answer,
  CONTINUE,
  DENY,
  type Golden,
  INFORM,
  noVariables,
  testAnswers,
  testGoldens,
} from "./golden.ts";

const FOLDER = "qwen-0.24.4";

const GOLDENS: readonly Golden[] = [
  ["Notification", {
    event: "Notification",
    sessionId: "c77db8af-f421-4dde-aab6-ae3cd51b7d44",
    kind: "other",
  }],
  ["PostToolUse-agent", {
    event: "PostToolUse",
    sessionId: "dfca49f7-fa0d-4622-9228-937dbf1638b9",
    kind: "after-tool",
    tool: {
      name: "agent",
      callId: "toolu_1795368385084_l7myym6xp",
      kind: "other",
      paths: [],
    },
    succeeded: true,
  }],
  ["PostToolUse-edit", {
    event: "PostToolUse",
    sessionId: "a2c2bc0c-70d2-4823-ac1f-e1d464f1a4c8",
    kind: "after-tool",
    tool: {
      name: "edit",
      callId: "toolu_1795368033566_by9lawqnu",
      kind: "edit",
      paths: ["/home/dev/project/e.md"],
    },
    succeeded: true,
  }],
  ["PostToolUse-read_file", {
    event: "PostToolUse",
    sessionId: "a2c2bc0c-70d2-4823-ac1f-e1d464f1a4c8",
    kind: "after-tool",
    tool: {
      name: "read_file",
      callId: "toolu_1795368033359_3u9pk4rs4",
      kind: "read",
      paths: ["/home/dev/project/e.md"],
    },
    succeeded: true,
  }],
  ["PostToolUse-run_shell_command", {
    event: "PostToolUse",
    sessionId: "c77db8af-f421-4dde-aab6-ae3cd51b7d44",
    kind: "after-tool",
    tool: {
      name: "run_shell_command",
      callId: "toolu_1795368094868_f289u0i9z",
      kind: "shell",
      paths: [],
      "command":
        'echo shell > b.txt; env | cut -d= -f1 | sort > env-shell.txt; env | grep -iE "gemini|qwen|kimi|copilot|claude|session|thread|agent" | grep -viE "key|token" > env-shell-sel.txt',
    },
    succeeded: true,
  }],
  ["PostToolUse-write_file-subagent", {
    event: "PostToolUse",
    sessionId: "dfca49f7-fa0d-4622-9228-937dbf1638b9",
    agentId: "general-purpose-call_mock_0_mws3zbxc",
    kind: "after-tool",
    tool: {
      name: "write_file",
      callId: "toolu_1795368385546_47txv9bwe",
      kind: "edit",
      paths: ["/home/dev/project/a.txt"],
    },
    succeeded: true,
  }],
  ["PostToolUse-write_file", {
    event: "PostToolUse",
    sessionId: "c77db8af-f421-4dde-aab6-ae3cd51b7d44",
    kind: "after-tool",
    tool: {
      name: "write_file",
      callId: "toolu_1795368094591_xpghgtio8",
      kind: "edit",
      paths: ["/home/dev/project/a.txt"],
    },
    succeeded: true,
  }],
  ["PreToolUse-agent", {
    event: "PreToolUse",
    sessionId: "dfca49f7-fa0d-4622-9228-937dbf1638b9",
    kind: "before-tool",
    tool: {
      name: "agent",
      callId: "toolu_1795368385084_l7myym6xp",
      kind: "other",
      paths: [],
    },
  }],
  ["PreToolUse-edit", {
    event: "PreToolUse",
    sessionId: "a2c2bc0c-70d2-4823-ac1f-e1d464f1a4c8",
    kind: "before-tool",
    tool: {
      name: "edit",
      callId: "toolu_1795368033566_by9lawqnu",
      kind: "edit",
      paths: ["/home/dev/project/e.md"],
    },
  }],
  ["PreToolUse-read_file", {
    event: "PreToolUse",
    sessionId: "a2c2bc0c-70d2-4823-ac1f-e1d464f1a4c8",
    kind: "before-tool",
    tool: {
      name: "read_file",
      callId: "toolu_1795368033359_3u9pk4rs4",
      kind: "read",
      paths: ["/home/dev/project/e.md"],
    },
  }],
  ["PreToolUse-run_shell_command", {
    event: "PreToolUse",
    sessionId: "c77db8af-f421-4dde-aab6-ae3cd51b7d44",
    kind: "before-tool",
    tool: {
      name: "run_shell_command",
      callId: "toolu_1795368094868_f289u0i9z",
      kind: "shell",
      paths: [],
      "command":
        'echo shell > b.txt; env | cut -d= -f1 | sort > env-shell.txt; env | grep -iE "gemini|qwen|kimi|copilot|claude|session|thread|agent" | grep -viE "key|token" > env-shell-sel.txt',
    },
  }],
  ["PreToolUse-write_file-subagent", {
    event: "PreToolUse",
    sessionId: "dfca49f7-fa0d-4622-9228-937dbf1638b9",
    agentId: "general-purpose-call_mock_0_mws3zbxc",
    kind: "before-tool",
    tool: {
      name: "write_file",
      callId: "toolu_1795368385546_47txv9bwe",
      kind: "edit",
      paths: ["/home/dev/project/a.txt"],
    },
  }],
  ["PreToolUse-write_file", {
    event: "PreToolUse",
    sessionId: "c77db8af-f421-4dde-aab6-ae3cd51b7d44",
    kind: "before-tool",
    tool: {
      name: "write_file",
      callId: "toolu_1795368094591_xpghgtio8",
      kind: "edit",
      paths: ["/home/dev/project/a.txt"],
    },
  }],
  ["SessionStart-resume", {
    event: "SessionStart",
    sessionId: "c77db8af-f421-4dde-aab6-ae3cd51b7d44",
    model: "mock-model",
    kind: "session-start",
    source: "resume",
  }],
  ["SessionStart", {
    event: "SessionStart",
    sessionId: "c77db8af-f421-4dde-aab6-ae3cd51b7d44",
    model: "mock-model",
    kind: "session-start",
    source: "startup",
  }],
  ["Stop-active", {
    event: "Stop",
    sessionId: "6f36cb79-5d80-46ea-88a7-6da754e2cdbf",
    kind: "stop",
    wasContinued: true,
  }],
  ["Stop", {
    event: "Stop",
    sessionId: "c77db8af-f421-4dde-aab6-ae3cd51b7d44",
    kind: "stop",
    wasContinued: false,
  }],
  ["SubagentStart", {
    event: "SubagentStart",
    sessionId: "dfca49f7-fa0d-4622-9228-937dbf1638b9",
    agentId: "general-purpose-call_mock_0_mws3zbxc",
    kind: "other",
  }],
  ["SubagentStop", {
    event: "SubagentStop",
    sessionId: "dfca49f7-fa0d-4622-9228-937dbf1638b9",
    agentId: "general-purpose-call_mock_0_mws3zbxc",
    kind: "stop",
    wasContinued: false,
  }],
  ["UserPromptSubmit", {
    event: "UserPromptSubmit",
    sessionId: "c77db8af-f421-4dde-aab6-ae3cd51b7d44",
    kind: "prompt",
    isRepeatPrompt: false,
  }],
];

const ANSWERS: readonly Answer[] = [
  {
    file: "PreToolUse-edit",
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
  { file: "PreToolUse-edit", decision: INFORM, output: {}, carries: [] },
  ...["PostToolUse-edit", "SessionStart", "UserPromptSubmit"]
    .map((file): Answer => ({
      file,
      decision: INFORM,
      output: {
        hookSpecificOutput: {
          hookEventName: file.split("-")[0],
          additionalContext: INFORM.context,
        },
      },
      carries: ["context"],
    })),
  {
    file: "Stop",
    decision: CONTINUE,
    output: { decision: "block", reason: "[message-bus] read this" },
    carries: ["continueWith"],
  },
  { file: "Notification", decision: INFORM, output: {}, carries: [] },
];

testGoldens(qwen, FOLDER, GOLDENS);
testAnswers(qwen, FOLDER, ANSWERS);

Deno.test("qwen: parse() reads an empty prompt after a tool as a repeat", () => {
  const event = qwen.parse(
    { hook_event_name: "UserPromptSubmit", prompt: "" },
    noVariables,
  );
  assert.ok("isRepeatPrompt" in event);
  assert.equal(event.isRepeatPrompt, true);
});
