/**
 * GitHub Copilot CLI: recorded inputs and their events; decisions and the
 * responses of its contract.
 *
 * @module
 */

import assert from "node:assert/strict";
import { copilot } from "../../lib/hooks/agents/copilot.ts";
import { callingAgent } from "../../lib/hooks/agents/detect_caller.ts";
import { assertContract } from "./contract.ts";
import {
  ALLOW,
  type Answer,
  CONTINUE,
  DENY,
  type Golden,
  INFORM,
  NOTIFY,
  noVariables,
  testAnswers,
  testGoldens,
} from "./golden.ts";

const FOLDER = "copilot-1.0.102";

const GOLDENS: readonly Golden[] = [
  ["PAPostToolUse-Write", {
    event: "PostToolUse",
    sessionId: "fc177636-1992-4627-aa35-47790001bd67",
    kind: "after-tool",
    tool: {
      name: "Write",
      kind: "edit",
      paths: ["/home/dev/project/a.txt"],
    },
    succeeded: true,
  }],
  ["PAPreToolUse-Write", {
    event: "PreToolUse",
    sessionId: "fc177636-1992-4627-aa35-47790001bd67",
    kind: "before-tool",
    tool: {
      name: "Write",
      kind: "edit",
      paths: ["/home/dev/project/a.txt"],
    },
  }],
  ["PASessionEnd", {
    event: "SessionEnd",
    sessionId: "fc177636-1992-4627-aa35-47790001bd67",
    kind: "session-end",
    reason: "complete",
  }],
  ["PASessionStart", {
    event: "SessionStart",
    sessionId: "fc177636-1992-4627-aa35-47790001bd67",
    kind: "session-start",
    source: "startup",
  }],
  ["PAStop", {
    event: "Stop",
    sessionId: "fc177636-1992-4627-aa35-47790001bd67",
    kind: "stop",
    wasContinued: false,
  }],
  ["PAUserPromptSubmit", {
    event: "UserPromptSubmit",
    sessionId: "fc177636-1992-4627-aa35-47790001bd67",
    kind: "prompt",
    isRepeatPrompt: false,
  }],
  ["agentStop-active", {
    event: "agentStop",
    sessionId: "37e5183d-6844-46b4-9643-98da6e86b47f",
    kind: "stop",
    wasContinued: true,
  }],
  ["agentStop-subagent", {
    event: "agentStop",
    sessionId: "5153bc36-b1da-4257-996e-816a1dc94d4a",
    agentId: "06eb9b21-f3da-487d-b16a-bea4bc4ccc04",
    kind: "stop",
    wasContinued: false,
  }],
  ["agentStop", {
    event: "agentStop",
    sessionId: "54a2d825-f574-42a9-99ef-4e3f3d81808f",
    kind: "stop",
    wasContinued: false,
  }],
  ["postToolUse-bash", {
    event: "postToolUse",
    sessionId: "54a2d825-f574-42a9-99ef-4e3f3d81808f",
    kind: "after-tool",
    tool: {
      name: "bash",
      kind: "shell",
      paths: [],
      "command":
        'echo shell > b.txt; env | cut -d= -f1 | sort > env-shell.txt; env | grep -iE "gemini|qwen|kimi|copilot|claude|session|thread|agent" | grep -viE "key|token" > env-shell-sel.txt',
    },
    succeeded: true,
  }],
  ["postToolUse-bus-inbox", {
    event: "postToolUse",
    sessionId: "54a2d825-f574-42a9-99ef-4e3f3d81808f",
    kind: "after-tool",
    tool: { name: "bus-inbox", kind: "other", paths: [] },
    succeeded: true,
  }],
  ["postToolUse-create-subagent", {
    event: "postToolUse",
    sessionId: "5153bc36-b1da-4257-996e-816a1dc94d4a",
    agentId: "06eb9b21-f3da-487d-b16a-bea4bc4ccc04",
    kind: "after-tool",
    tool: {
      name: "create",
      kind: "edit",
      paths: ["/home/dev/project/a.txt"],
    },
    succeeded: true,
  }],
  ["postToolUse-create", {
    event: "postToolUse",
    sessionId: "54a2d825-f574-42a9-99ef-4e3f3d81808f",
    kind: "after-tool",
    tool: {
      name: "create",
      kind: "edit",
      paths: ["/home/dev/project/a.txt"],
    },
    succeeded: true,
  }],
  ["postToolUse-edit", {
    event: "postToolUse",
    sessionId: "7be6321c-58b5-47e7-b1f0-9d606414684a",
    kind: "after-tool",
    tool: {
      name: "edit",
      kind: "edit",
      paths: ["/home/dev/project/e.md"],
    },
    succeeded: true,
  }],
  ["postToolUse-task", {
    event: "postToolUse",
    sessionId: "5153bc36-b1da-4257-996e-816a1dc94d4a",
    kind: "after-tool",
    tool: { name: "task", kind: "other", paths: [] },
    succeeded: true,
  }],
  ["postToolUse-view", {
    event: "postToolUse",
    sessionId: "7be6321c-58b5-47e7-b1f0-9d606414684a",
    kind: "after-tool",
    tool: {
      name: "view",
      kind: "read",
      paths: ["/home/dev/project/e.md"],
    },
    succeeded: true,
  }],
  ["preToolUse-bash", {
    event: "preToolUse",
    sessionId: "54a2d825-f574-42a9-99ef-4e3f3d81808f",
    kind: "before-tool",
    tool: {
      name: "bash",
      kind: "shell",
      paths: [],
      "command":
        'echo shell > b.txt; env | cut -d= -f1 | sort > env-shell.txt; env | grep -iE "gemini|qwen|kimi|copilot|claude|session|thread|agent" | grep -viE "key|token" > env-shell-sel.txt',
    },
  }],
  ["preToolUse-bus-inbox", {
    event: "preToolUse",
    sessionId: "54a2d825-f574-42a9-99ef-4e3f3d81808f",
    kind: "before-tool",
    tool: { name: "bus-inbox", kind: "other", paths: [] },
  }],
  ["preToolUse-create-subagent", {
    event: "preToolUse",
    sessionId: "5153bc36-b1da-4257-996e-816a1dc94d4a",
    agentId: "06eb9b21-f3da-487d-b16a-bea4bc4ccc04",
    kind: "before-tool",
    tool: {
      name: "create",
      kind: "edit",
      paths: ["/home/dev/project/a.txt"],
    },
  }],
  ["preToolUse-create", {
    event: "preToolUse",
    sessionId: "54a2d825-f574-42a9-99ef-4e3f3d81808f",
    kind: "before-tool",
    tool: {
      name: "create",
      kind: "edit",
      paths: ["/home/dev/project/a.txt"],
    },
  }],
  ["preToolUse-edit", {
    event: "preToolUse",
    sessionId: "7be6321c-58b5-47e7-b1f0-9d606414684a",
    kind: "before-tool",
    tool: {
      name: "edit",
      kind: "edit",
      paths: ["/home/dev/project/e.md"],
    },
  }],
  ["preToolUse-task", {
    event: "preToolUse",
    sessionId: "5153bc36-b1da-4257-996e-816a1dc94d4a",
    kind: "before-tool",
    tool: { name: "task", kind: "other", paths: [] },
  }],
  ["preToolUse-view", {
    event: "preToolUse",
    sessionId: "7be6321c-58b5-47e7-b1f0-9d606414684a",
    kind: "before-tool",
    tool: {
      name: "view",
      kind: "read",
      paths: ["/home/dev/project/e.md"],
    },
  }],
  ["sessionEnd", {
    event: "sessionEnd",
    sessionId: "54a2d825-f574-42a9-99ef-4e3f3d81808f",
    kind: "session-end",
    reason: "complete",
  }],
  ["sessionStart-resume", {
    event: "sessionStart",
    sessionId: "54a2d825-f574-42a9-99ef-4e3f3d81808f",
    kind: "session-start",
    source: "resume",
  }],
  ["sessionStart", {
    event: "sessionStart",
    sessionId: "54a2d825-f574-42a9-99ef-4e3f3d81808f",
    kind: "session-start",
    source: "startup",
  }],
  ["userPromptSubmitted-subagent", {
    event: "userPromptSubmitted",
    sessionId: "5153bc36-b1da-4257-996e-816a1dc94d4a",
    agentId: "06eb9b21-f3da-487d-b16a-bea4bc4ccc04",
    kind: "prompt",
    isRepeatPrompt: false,
  }],
  ["userPromptSubmitted", {
    event: "userPromptSubmitted",
    sessionId: "54a2d825-f574-42a9-99ef-4e3f3d81808f",
    kind: "prompt",
    isRepeatPrompt: false,
  }],
];

const ANSWERS: readonly Answer[] = [
  ...["preToolUse-edit", "PAPreToolUse-Write"].map((file): Answer => ({
    file,
    decision: DENY,
    output: {
      permissionDecision: "deny",
      permissionDecisionReason: 'held by "codex-7f3a"\n\n[message-bus] hello',
    },
    carries: ["reason", "context"],
  })),
  ...[
    "preToolUse-edit",
    "postToolUse-bash",
    "sessionStart",
    "userPromptSubmitted",
  ]
    .map((file): Answer => ({
      file,
      decision: INFORM,
      output: { additionalContext: INFORM.context },
      carries: ["context"],
    })),
  {
    file: "agentStop",
    decision: CONTINUE,
    output: { decision: "block", reason: "[message-bus] read this" },
    carries: ["continueWith"],
  },
  { file: "sessionEnd", decision: INFORM, output: {}, carries: [] },
  { file: "preToolUse-edit", decision: ALLOW, output: {}, carries: [] },
];

testGoldens(copilot, FOLDER, GOLDENS);
testAnswers(copilot, FOLDER, ANSWERS);

Deno.test("copilot: parse() prefers the command line's event to the fields", () => {
  const input = { sessionId: "s", timestamp: 1, cwd: "/p", reason: "complete" };
  assert.equal(copilot.parse(input, noVariables).kind, "session-end");
  const event = copilot.parse(input, noVariables, "agentStop");
  assert.equal(event.kind, "stop");
});

Deno.test("copilot: parse() reads arguments that are the text of JSON, or a patch", () => {
  for (
    const [toolName, toolArgs, paths] of [
      ["edit", '{"path":"a.ts","old_str":"x"}', ["a.ts"]],
      ["apply_patch", "*** Begin Patch\n*** Add File: b.ts\n+x", ["b.ts"]],
      ["edit", "{broken", []],
    ] as const
  ) {
    const event = copilot.parse(
      { sessionId: "s", timestamp: 1, toolName, toolArgs },
      noVariables,
    );
    assert.ok("tool" in event);
    assert.deepEqual(event.tool.paths, paths);
  }
});

Deno.test("copilot: render() carries nothing after a tool that failed", () => {
  const event = copilot.parse(
    {
      sessionId: "s",
      timestamp: 1,
      toolName: "bash",
      toolArgs: {},
      error: "x",
    },
    noVariables,
  );
  assert.equal(event.event, "postToolUseFailure");
  const rendered = copilot.render(event, INFORM);
  assert.equal(rendered.output, "{}");
  assert.equal(rendered.carried.context, false);
});

/** VS Code's input to its hooks, by its documentation. */
const VSCODE = {
  timestamp: "2026-02-09T10:30:00.000Z",
  cwd: "/home/dev/project",
  sessionId: "session-identifier",
  transcript_path: "/home/dev/transcript.json",
};

Deno.test("copilot: VS Code's call is read and gets a response in its own form", () => {
  const input = {
    ...VSCODE,
    hookEventName: "PreToolUse",
    tool_name: "replace_string_in_file",
    tool_input: { filePath: "/home/dev/project/a.ts", newString: "x" },
    tool_use_id: "call-1",
  };
  assert.equal(callingAgent(input), "copilot");
  // The command line names the event as the Copilot CLI does.
  const event = copilot.parse(input, noVariables, "preToolUse");
  assert.deepEqual(event, {
    agent: "copilot",
    event: "PreToolUse",
    sessionId: "session-identifier",
    cwd: "/home/dev/project",
    host: "vscode",
    kind: "before-tool",
    tool: {
      name: "replace_string_in_file",
      callId: "call-1",
      kind: "edit",
      paths: ["/home/dev/project/a.ts"],
    },
  });
  const { output } = copilot.render(event, NOTIFY);
  assert.deepEqual(JSON.parse(output), {
    hookSpecificOutput: {
      hookEventName: "PreToolUse",
      permissionDecision: "deny",
      permissionDecisionReason: 'held by "codex-7f3a"',
    },
    systemMessage: "codex-7f3a holds a.ts",
  });
  for (const decision of [DENY, NOTIFY, INFORM, CONTINUE, ALLOW]) {
    assertContract(event, decision, copilot.render(event, decision));
  }
});

Deno.test("copilot: render() gives VS Code context after a tool and at a start", () => {
  for (const hookEventName of ["SessionStart", "PostToolUse"]) {
    const input = { ...VSCODE, hookEventName, source: "new", tool_name: "x" };
    const event = copilot.parse(input, noVariables);
    assertContract(event, INFORM, copilot.render(event, INFORM));
    assert.ok(copilot.render(event, INFORM).carried.context);
  }
});
