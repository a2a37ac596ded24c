/**
 * Claude Code: recorded inputs and their events; decisions and the responses of
 * its contract.
 *
 * @module
 */

import assert from "node:assert/strict";
import { claude } from "../../lib/hooks/agents/claude.ts";
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

const FOLDER = "claude-2.1.330";

const GOLDENS: readonly Golden[] = [
  ["PermissionRequest", {
    event: "PermissionRequest",
    sessionId: "8fb39d66-a517-4248-8f2c-d1170ef6039a",
    kind: "activity",
    state: "needs-person",
    why: "a permission for Bash",
  }],
  ["PostToolBatch", {
    event: "PostToolBatch",
    sessionId: "f1aca997-7515-4b07-8080-da48e501fade",
    kind: "other",
  }],
  ["PostToolUse-Agent", {
    event: "PostToolUse",
    sessionId: "8a2df7e2-19e4-4892-a0d6-fc86022e3cb4",
    kind: "after-tool",
    tool: {
      name: "Agent",
      callId: "toolu_mock_0_mws3z2oz",
      kind: "other",
      paths: [],
    },
    succeeded: true,
  }],
  ["PostToolUse-Bash", {
    event: "PostToolUse",
    sessionId: "f1aca997-7515-4b07-8080-da48e501fade",
    kind: "after-tool",
    tool: {
      name: "Bash",
      callId: "toolu_mock_1_mws3suvy",
      kind: "shell",
      paths: [],
      "command":
        'echo shell > b.txt; env | cut -d= -f1 | sort > env-shell.txt; env | grep -iE "claude|session|thread|agent" | grep -viE "key|token" > env-shell-sel.txt',
    },
    succeeded: true,
  }],
  ["PostToolUse-Edit", {
    event: "PostToolUse",
    sessionId: "539266a6-c178-4bc1-bf10-b4d262aa593f",
    kind: "after-tool",
    tool: {
      name: "Edit",
      callId: "toolu_mock_1_mws3rk0n",
      kind: "edit",
      paths: ["/home/dev/project/e.md"],
    },
    succeeded: true,
  }],
  ["PostToolUse-Read", {
    event: "PostToolUse",
    sessionId: "539266a6-c178-4bc1-bf10-b4d262aa593f",
    kind: "after-tool",
    tool: {
      name: "Read",
      callId: "toolu_mock_0_mws3rjvb",
      kind: "read",
      paths: ["/home/dev/project/e.md"],
    },
    succeeded: true,
  }],
  ["PostToolUse-Write-subagent", {
    event: "PostToolUse",
    sessionId: "8a2df7e2-19e4-4892-a0d6-fc86022e3cb4",
    agentId: "ad84d4d66556f5362",
    kind: "after-tool",
    tool: {
      name: "Write",
      callId: "toolu_mock_0_mws3z2tg",
      kind: "edit",
      paths: ["/home/dev/project/a.txt"],
    },
    succeeded: true,
  }],
  ["PostToolUse-Write", {
    event: "PostToolUse",
    sessionId: "f1aca997-7515-4b07-8080-da48e501fade",
    kind: "after-tool",
    tool: {
      name: "Write",
      callId: "toolu_mock_0_mws3suqn",
      kind: "edit",
      paths: ["/home/dev/project/a.txt"],
    },
    succeeded: true,
  }],
  ["PostToolUse-mcp__bus__inbox", {
    event: "PostToolUse",
    sessionId: "0c350109-5817-4e4f-a80b-f38729f60f59",
    kind: "after-tool",
    tool: {
      name: "mcp__bus__inbox",
      callId: "toolu_mock_2_mws40zcd",
      kind: "other",
      paths: [],
    },
    succeeded: true,
  }],
  ["PreToolUse-Agent", {
    event: "PreToolUse",
    sessionId: "8a2df7e2-19e4-4892-a0d6-fc86022e3cb4",
    kind: "before-tool",
    tool: {
      name: "Agent",
      callId: "toolu_mock_0_mws3z2oz",
      kind: "other",
      paths: [],
    },
  }],
  ["PreToolUse-Bash", {
    event: "PreToolUse",
    sessionId: "f1aca997-7515-4b07-8080-da48e501fade",
    kind: "before-tool",
    tool: {
      name: "Bash",
      callId: "toolu_mock_1_mws3suvy",
      kind: "shell",
      paths: [],
      "command":
        'echo shell > b.txt; env | cut -d= -f1 | sort > env-shell.txt; env | grep -iE "claude|session|thread|agent" | grep -viE "key|token" > env-shell-sel.txt',
    },
  }],
  ["PreToolUse-Edit", {
    event: "PreToolUse",
    sessionId: "539266a6-c178-4bc1-bf10-b4d262aa593f",
    kind: "before-tool",
    tool: {
      name: "Edit",
      callId: "toolu_mock_1_mws3rk0n",
      kind: "edit",
      paths: ["/home/dev/project/e.md"],
    },
  }],
  ["PreToolUse-Read", {
    event: "PreToolUse",
    sessionId: "539266a6-c178-4bc1-bf10-b4d262aa593f",
    kind: "before-tool",
    tool: {
      name: "Read",
      callId: "toolu_mock_0_mws3rjvb",
      kind: "read",
      paths: ["/home/dev/project/e.md"],
    },
  }],
  ["PreToolUse-Write-subagent", {
    event: "PreToolUse",
    sessionId: "8a2df7e2-19e4-4892-a0d6-fc86022e3cb4",
    agentId: "ad84d4d66556f5362",
    kind: "before-tool",
    tool: {
      name: "Write",
      callId: "toolu_mock_0_mws3z2tg",
      kind: "edit",
      paths: ["/home/dev/project/a.txt"],
    },
  }],
  ["PreToolUse-Write", {
    event: "PreToolUse",
    sessionId: "f1aca997-7515-4b07-8080-da48e501fade",
    kind: "before-tool",
    tool: {
      name: "Write",
      callId: "toolu_mock_0_mws3suqn",
      kind: "edit",
      paths: ["/home/dev/project/a.txt"],
    },
  }],
  ["PreToolUse-mcp__bus__inbox", {
    event: "PreToolUse",
    sessionId: "0c350109-5817-4e4f-a80b-f38729f60f59",
    kind: "before-tool",
    tool: {
      name: "mcp__bus__inbox",
      callId: "toolu_mock_2_mws40zcd",
      kind: "other",
      paths: [],
    },
  }],
  ["SessionEnd", {
    event: "SessionEnd",
    sessionId: "f1aca997-7515-4b07-8080-da48e501fade",
    kind: "session-end",
    reason: "other",
  }],
  ["SessionStart-resume", {
    event: "SessionStart",
    sessionId: "f1aca997-7515-4b07-8080-da48e501fade",
    kind: "session-start",
    source: "resume",
  }],
  ["SessionStart", {
    event: "SessionStart",
    sessionId: "f1aca997-7515-4b07-8080-da48e501fade",
    kind: "session-start",
    source: "startup",
  }],
  ["Stop-active", {
    event: "Stop",
    sessionId: "ca950cb1-0191-4a53-b087-e5a7cd1d3a7a",
    kind: "stop",
    wasContinued: true,
  }],
  ["Stop", {
    event: "Stop",
    sessionId: "f1aca997-7515-4b07-8080-da48e501fade",
    kind: "stop",
    wasContinued: false,
  }],
  ["SubagentStart", {
    event: "SubagentStart",
    sessionId: "8a2df7e2-19e4-4892-a0d6-fc86022e3cb4",
    agentId: "ad84d4d66556f5362",
    kind: "other",
  }],
  ["SubagentStop", {
    event: "SubagentStop",
    sessionId: "8a2df7e2-19e4-4892-a0d6-fc86022e3cb4",
    agentId: "ad84d4d66556f5362",
    kind: "stop",
    wasContinued: false,
  }],
  ["UserPromptSubmit", {
    event: "UserPromptSubmit",
    sessionId: "f1aca997-7515-4b07-8080-da48e501fade",
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
        permissionDecisionReason: 'held by "codex-7f3a"',
        additionalContext: "[message-bus] hello",
      },
    },
    carries: ["reason", "context"],
  },
  ...[
    "PreToolUse-Write",
    "PostToolUse-Bash",
    "SessionStart",
    "UserPromptSubmit",
  ]
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
  { file: "Stop", decision: INFORM, output: "", carries: [] },
  { file: "SessionEnd", decision: INFORM, output: "", carries: [] },
  {
    file: "PostToolUse-Write",
    decision: DENY,
    output: {
      hookSpecificOutput: {
        hookEventName: "PostToolUse",
        additionalContext: "[message-bus] hello",
      },
    },
    carries: ["context"],
  },
  { file: "PreToolUse-Write", decision: ALLOW, output: "", carries: [] },
];

testGoldens(claude, FOLDER, GOLDENS);
testAnswers(claude, FOLDER, ANSWERS);

Deno.test("claude: parse() takes missing fields from the environment", () => {
  const event = claude.parse({ hook_event_name: "Stop" }, (name) =>
    ({
      CLAUDE_CODE_SESSION_ID: "s1",
      CLAUDE_PROJECT_DIR: "/p",
    })[name]);
  assert.equal(event.sessionId, "s1");
  assert.equal(event.cwd, "/p");
});

Deno.test("claude: parse() reports a failed tool as not succeeded", () => {
  const event = claude.parse({
    hook_event_name: "PostToolUseFailure",
    tool_name: "Bash",
    tool_input: { command: "false" },
  }, noVariables);
  assert.equal(event.kind, "after-tool");
  assert.ok("succeeded" in event);
  assert.equal(event.succeeded, false);
});

Deno.test("claude: parse() reads a task's notification and our own text as repeats", () => {
  for (
    const prompt of [
      "<task-notification>\n<task-id>x",
      "Stop hook feedback: [message-bus] From other sessions",
      "",
      undefined,
    ]
  ) {
    const event = claude.parse(
      { hook_event_name: "UserPromptSubmit", prompt },
      noVariables,
    );
    assert.ok("isRepeatPrompt" in event);
    assert.equal(event.isRepeatPrompt, true, prompt);
  }
});

Deno.test("claude: parse() reads several edits and a notebook", () => {
  for (
    const [tool_name, tool_input, paths] of [
      ["MultiEdit", { file_path: "a", edits: [{ old_string: "x" }] }, ["a"]],
      ["NotebookEdit", { notebook_path: "n.ipynb", new_source: "1" }, [
        "n.ipynb",
      ]],
    ] as const
  ) {
    const event = claude.parse(
      { hook_event_name: "PreToolUse", tool_name, tool_input },
      noVariables,
    );
    assert.ok("tool" in event);
    assert.deepEqual(event.tool.paths, paths);
    assert.equal(event.tool.kind, "edit");
  }
});
