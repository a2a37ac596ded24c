/**
 * Codex: recorded inputs and their events; decisions and the responses of its
 * contract.
 *
 * @module
 */

import assert from "node:assert/strict";
import { codex } from "../../lib/hooks/agents/codex.ts";
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

const FOLDER = "codex-0.169.0";

const GOLDENS: readonly Golden[] = [
  ["PostToolUse-Bash", {
    event: "PostToolUse",
    sessionId: "01a20446-e11a-7332-b89f-b9f809567721",
    model: "gpt-5.5",
    kind: "after-tool",
    tool: {
      name: "Bash",
      callId: "call_mock_1_mws3svnn",
      kind: "shell",
      paths: [],
      "command":
        "echo shell > b.txt; env | cut -d= -f1 | sort > env-shell.txt; env | grep -iE 'codex|session|thread|agent' | grep -viE 'key|token' > env-shell-sel.txt",
    },
  }],
  ["PostToolUse-apply_patch-subagent", {
    event: "PostToolUse",
    sessionId: "01a2044b-4f69-7c50-9abd-088d24d7e070",
    agentId: "01a2044b-504c-7422-908b-fe5680a4c16e",
    model: "gpt-6-astra",
    kind: "after-tool",
    tool: {
      name: "apply_patch",
      callId: "exec-43f332bb-63f5-4623-895d-c75cd219ceb5",
      kind: "edit",
      paths: ["a.txt"],
    },
    succeeded: true,
  }],
  ["PostToolUse-apply_patch", {
    event: "PostToolUse",
    sessionId: "01a20446-e11a-7332-b89f-b9f809567721",
    model: "gpt-5.5",
    kind: "after-tool",
    tool: {
      name: "apply_patch",
      callId: "call_mock_0_mws3svku",
      kind: "edit",
      paths: ["a.txt"],
    },
    succeeded: true,
  }],
  ["PostToolUse-collaborationspawn_agent", {
    event: "PostToolUse",
    sessionId: "01a2044b-4f69-7c50-9abd-088d24d7e070",
    model: "gpt-6-astra",
    kind: "after-tool",
    tool: {
      name: "collaborationspawn_agent",
      callId: "call_mock_0_mws3z3mk",
      kind: "other",
      paths: [],
    },
  }],
  ["PostToolUse-collaborationwait_agent", {
    event: "PostToolUse",
    sessionId: "01a2044b-4f69-7c50-9abd-088d24d7e070",
    model: "gpt-6-astra",
    kind: "after-tool",
    tool: {
      name: "collaborationwait_agent",
      callId: "call_mock_1_mws3z3qi",
      kind: "other",
      paths: [],
    },
  }],
  ["PostToolUse-mcp__bus__inbox", {
    event: "PostToolUse",
    sessionId: "01a20444-3eb8-7b30-910e-4f88151e1be8",
    model: "gpt-6-astra",
    kind: "after-tool",
    tool: {
      name: "mcp__bus__inbox",
      callId: "exec-043379e8-5d01-41d7-92cd-ee9f074c2d03",
      kind: "other",
      paths: [],
    },
  }],
  ["PreToolUse-Bash", {
    event: "PreToolUse",
    sessionId: "01a20446-e11a-7332-b89f-b9f809567721",
    model: "gpt-5.5",
    kind: "before-tool",
    tool: {
      name: "Bash",
      callId: "call_mock_1_mws3svnn",
      kind: "shell",
      paths: [],
      "command":
        "echo shell > b.txt; env | cut -d= -f1 | sort > env-shell.txt; env | grep -iE 'codex|session|thread|agent' | grep -viE 'key|token' > env-shell-sel.txt",
    },
  }],
  ["PreToolUse-apply_patch-subagent", {
    event: "PreToolUse",
    sessionId: "01a2044b-4f69-7c50-9abd-088d24d7e070",
    agentId: "01a2044b-504c-7422-908b-fe5680a4c16e",
    model: "gpt-6-astra",
    kind: "before-tool",
    tool: {
      name: "apply_patch",
      callId: "exec-43f332bb-63f5-4623-895d-c75cd219ceb5",
      kind: "edit",
      paths: ["a.txt"],
    },
  }],
  ["PreToolUse-apply_patch", {
    event: "PreToolUse",
    sessionId: "01a20446-e11a-7332-b89f-b9f809567721",
    model: "gpt-5.5",
    kind: "before-tool",
    tool: {
      name: "apply_patch",
      callId: "call_mock_0_mws3svku",
      kind: "edit",
      paths: ["a.txt"],
    },
  }],
  ["PreToolUse-collaborationspawn_agent", {
    event: "PreToolUse",
    sessionId: "01a2044b-4f69-7c50-9abd-088d24d7e070",
    model: "gpt-6-astra",
    kind: "before-tool",
    tool: {
      name: "collaborationspawn_agent",
      callId: "call_mock_0_mws3z3mk",
      kind: "other",
      paths: [],
    },
  }],
  ["PreToolUse-collaborationwait_agent", {
    event: "PreToolUse",
    sessionId: "01a2044b-4f69-7c50-9abd-088d24d7e070",
    model: "gpt-6-astra",
    kind: "before-tool",
    tool: {
      name: "collaborationwait_agent",
      callId: "call_mock_1_mws3z3qi",
      kind: "other",
      paths: [],
    },
  }],
  ["PreToolUse-mcp__bus__inbox", {
    event: "PreToolUse",
    sessionId: "01a20444-3eb8-7b30-910e-4f88151e1be8",
    model: "gpt-6-astra",
    kind: "before-tool",
    tool: {
      name: "mcp__bus__inbox",
      callId: "exec-043379e8-5d01-41d7-92cd-ee9f074c2d03",
      kind: "other",
      paths: [],
    },
  }],
  ["SessionEnd", {
    event: "SessionEnd",
    sessionId: "01a20446-e11a-7332-b89f-b9f809567721",
    kind: "session-end",
    reason: "other",
  }],
  ["SessionStart-resume", {
    event: "SessionStart",
    sessionId: "01a20446-e11a-7332-b89f-b9f809567721",
    model: "gpt-5.5",
    kind: "session-start",
    source: "resume",
  }],
  ["SessionStart", {
    event: "SessionStart",
    sessionId: "01a20446-e11a-7332-b89f-b9f809567721",
    model: "gpt-5.5",
    kind: "session-start",
    source: "startup",
  }],
  ["Stop-active", {
    event: "Stop",
    sessionId: "01a20444-dda6-7ce1-ada5-587841a9b879",
    model: "gpt-5.5",
    kind: "stop",
    wasContinued: true,
  }],
  ["Stop", {
    event: "Stop",
    sessionId: "01a20446-e11a-7332-b89f-b9f809567721",
    model: "gpt-5.5",
    kind: "stop",
    wasContinued: false,
  }],
  ["SubagentStart", {
    event: "SubagentStart",
    sessionId: "01a2044b-4f69-7c50-9abd-088d24d7e070",
    agentId: "01a2044b-504c-7422-908b-fe5680a4c16e",
    model: "gpt-6-astra",
    kind: "other",
  }],
  ["SubagentStop", {
    event: "SubagentStop",
    sessionId: "01a2044b-4f69-7c50-9abd-088d24d7e070",
    agentId: "01a2044b-504c-7422-908b-fe5680a4c16e",
    model: "gpt-6-astra",
    kind: "stop",
    wasContinued: false,
  }],
  ["UserPromptSubmit", {
    event: "UserPromptSubmit",
    sessionId: "01a20446-e11a-7332-b89f-b9f809567721",
    model: "gpt-5.5",
    kind: "prompt",
    isRepeatPrompt: false,
  }],
];

const ANSWERS: readonly Answer[] = [
  {
    file: "PreToolUse-apply_patch",
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
  ...["PreToolUse-Bash", "PostToolUse-Bash", "SessionStart", "UserPromptSubmit"]
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
  { file: "SessionEnd", decision: INFORM, output: "", carries: [] },
  { file: "SubagentStart", decision: INFORM, output: "", carries: [] },
  { file: "PreToolUse-Bash", decision: ALLOW, output: "", carries: [] },
];

testGoldens(codex, FOLDER, GOLDENS);
testAnswers(codex, FOLDER, ANSWERS);

Deno.test("codex: parse() reads every path of a patch", () => {
  const command = "*** Begin Patch\r\n*** Update File: a b.ts\r\n" +
    "*** Move to: /abs/c.ts\r\n@@\r\n-*** Delete File: no\r\n" +
    "*** Add File: d.ts\r\n+*** Add File: no\r\n*** Delete File: e.ts\r\n" +
    "*** End Patch";
  const event = codex.parse({
    hook_event_name: "PreToolUse",
    tool_name: "apply_patch",
    tool_input: { command },
  }, noVariables);
  assert.ok("tool" in event);
  assert.deepEqual(event.tool.paths, ["a b.ts", "/abs/c.ts", "d.ts", "e.ts"]);
});

Deno.test("codex: parse() reads the exit code of a patch that failed", () => {
  const event = codex.parse({
    hook_event_name: "PostToolUse",
    tool_name: "apply_patch",
    tool_input: { command: "*** Begin Patch\n*** End Patch" },
    tool_response: "Exit code: 1\nOutput:\n",
  }, noVariables);
  assert.ok("succeeded" in event);
  assert.equal(event.succeeded, false);
});

Deno.test("codex: parse() reads a command given as words", () => {
  const event = codex.parse({
    hook_event_name: "PreToolUse",
    tool_name: "shell",
    tool_input: { command: ["bash", "-lc", "echo 'a b' > c"] },
  }, noVariables);
  assert.ok("tool" in event);
  assert.equal(event.tool.command, `bash -lc 'echo '\\''a b'\\'' > c'`);
});
