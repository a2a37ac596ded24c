/**
 * Gemini CLI: recorded inputs and their events; decisions and the responses of its
 * contract.
 *
 * @module
 */

import assert from "node:assert/strict";
import { gemini } from "../../lib/hooks/agents/gemini.ts";
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

const FOLDER = "gemini-0.61.0";

const GOLDENS: readonly Golden[] = [
  ["AfterAgent-active", {
    event: "AfterAgent",
    sessionId: "ed5dbd05-191c-4399-9bc8-a9492afdb17d",
    kind: "stop",
    wasContinued: true,
  }],
  ["AfterAgent", {
    event: "AfterAgent",
    sessionId: "f9c5ca21-9943-409a-b6c6-d284b976b125",
    kind: "stop",
    wasContinued: false,
  }],
  ["AfterTool-invoke_agent", {
    event: "AfterTool",
    sessionId: "b1841306-81eb-4589-b9ee-ec9b2692a352",
    kind: "after-tool",
    tool: { name: "invoke_agent", kind: "other", paths: [] },
    succeeded: true,
  }],
  ["AfterTool-read_file", {
    event: "AfterTool",
    sessionId: "d3755b57-87f7-4b0e-9005-d2162cce2f6f",
    kind: "after-tool",
    tool: {
      name: "read_file",
      kind: "read",
      paths: ["/home/dev/project/e.md"],
    },
    succeeded: true,
  }],
  ["AfterTool-replace", {
    event: "AfterTool",
    sessionId: "d3755b57-87f7-4b0e-9005-d2162cce2f6f",
    kind: "after-tool",
    tool: { name: "replace", kind: "edit", paths: ["e.md"] },
    succeeded: true,
  }],
  ["AfterTool-run_shell_command", {
    event: "AfterTool",
    sessionId: "f9c5ca21-9943-409a-b6c6-d284b976b125",
    kind: "after-tool",
    tool: {
      name: "run_shell_command",
      kind: "shell",
      paths: [],
      "command":
        'echo shell > b.txt; env | cut -d= -f1 | sort > env-shell.txt; env | grep -iE "gemini|qwen|kimi|copilot|claude|session|thread|agent" | grep -viE "key|token" > env-shell-sel.txt',
    },
    succeeded: true,
  }],
  ["AfterTool-write_file", {
    event: "AfterTool",
    sessionId: "f9c5ca21-9943-409a-b6c6-d284b976b125",
    kind: "after-tool",
    tool: {
      name: "write_file",
      kind: "edit",
      paths: ["/home/dev/project/a.txt"],
    },
    succeeded: true,
  }],
  ["BeforeAgent", {
    event: "BeforeAgent",
    sessionId: "f9c5ca21-9943-409a-b6c6-d284b976b125",
    kind: "prompt",
    isRepeatPrompt: false,
  }],
  ["BeforeTool-invoke_agent", {
    event: "BeforeTool",
    sessionId: "b1841306-81eb-4589-b9ee-ec9b2692a352",
    kind: "before-tool",
    tool: { name: "invoke_agent", kind: "other", paths: [] },
  }],
  ["BeforeTool-read_file", {
    event: "BeforeTool",
    sessionId: "d3755b57-87f7-4b0e-9005-d2162cce2f6f",
    kind: "before-tool",
    tool: {
      name: "read_file",
      kind: "read",
      paths: ["/home/dev/project/e.md"],
    },
  }],
  ["BeforeTool-replace", {
    event: "BeforeTool",
    sessionId: "d3755b57-87f7-4b0e-9005-d2162cce2f6f",
    kind: "before-tool",
    tool: { name: "replace", kind: "edit", paths: ["e.md"] },
  }],
  ["BeforeTool-run_shell_command", {
    event: "BeforeTool",
    sessionId: "f9c5ca21-9943-409a-b6c6-d284b976b125",
    kind: "before-tool",
    tool: {
      name: "run_shell_command",
      kind: "shell",
      paths: [],
      "command":
        'echo shell > b.txt; env | cut -d= -f1 | sort > env-shell.txt; env | grep -iE "gemini|qwen|kimi|copilot|claude|session|thread|agent" | grep -viE "key|token" > env-shell-sel.txt',
    },
  }],
  ["BeforeTool-write_file", {
    event: "BeforeTool",
    sessionId: "f9c5ca21-9943-409a-b6c6-d284b976b125",
    kind: "before-tool",
    tool: {
      name: "write_file",
      kind: "edit",
      paths: ["/home/dev/project/a.txt"],
    },
  }],
  ["Notification", {
    event: "Notification",
    sessionId: "89e5908d-ba97-4180-80b1-eb40cdd94c74",
    kind: "activity",
    state: "needs-person",
    why: "a permission",
  }],
  ["SessionEnd", {
    event: "SessionEnd",
    sessionId: "f9c5ca21-9943-409a-b6c6-d284b976b125",
    kind: "session-end",
    reason: "exit",
  }],
  ["SessionStart-resume", {
    event: "SessionStart",
    sessionId: "f9c5ca21-9943-409a-b6c6-d284b976b125",
    kind: "session-start",
    source: "resume",
  }],
  ["SessionStart", {
    event: "SessionStart",
    sessionId: "f9c5ca21-9943-409a-b6c6-d284b976b125",
    kind: "session-start",
    source: "startup",
  }],
];

const ANSWERS: readonly Answer[] = [
  {
    file: "BeforeTool-replace",
    decision: DENY,
    output: {
      decision: "deny",
      reason: 'held by "codex-7f3a"\n\n[message-bus] hello',
    },
    carries: ["reason", "context"],
  },
  { file: "BeforeTool-replace", decision: INFORM, output: {}, carries: [] },
  ...["AfterTool-replace", "SessionStart", "BeforeAgent"]
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
    file: "AfterAgent",
    decision: CONTINUE,
    output: { decision: "deny", reason: "[message-bus] read this" },
    carries: ["continueWith"],
  },
  { file: "SessionEnd", decision: INFORM, output: {}, carries: [] },
  { file: "BeforeTool-replace", decision: ALLOW, output: {}, carries: [] },
];

testGoldens(gemini, FOLDER, GOLDENS);
testAnswers(gemini, FOLDER, ANSWERS);

Deno.test("gemini: parse() reports a result with an error as a failure", () => {
  const event = gemini.parse({
    hook_event_name: "AfterTool",
    tool_name: "replace",
    tool_input: { file_path: "a" },
    tool_response: { error: { message: "no match" } },
  }, noVariables);
  assert.ok("succeeded" in event);
  assert.equal(event.succeeded, false);
});

Deno.test("gemini: parse() reads our own text as a repeat", () => {
  const event = gemini.parse(
    { hook_event_name: "BeforeAgent", prompt: "[message-bus] From …" },
    noVariables,
  );
  assert.ok("isRepeatPrompt" in event);
  assert.equal(event.isRepeatPrompt, true);
});
