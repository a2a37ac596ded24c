/**
 * Droid: recorded inputs and their events; decisions and the responses of its
 * contract.
 *
 * @module
 */

import assert from "node:assert/strict";
import { droid } from "../../lib/hooks/agents/droid.ts";
import { callingAgent } from "../../lib/hooks/agents/detect_caller.ts";
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

const FOLDER = "droid-0.215.0";

const GOLDENS: readonly Golden[] = [
  ["PostToolUse-ApplyPatch", {
    event: "PostToolUse",
    sessionId: "66e7ee64-608e-4f51-a6ce-1f9a6cd92c52",
    kind: "after-tool",
    tool: {
      name: "ApplyPatch",
      kind: "edit",
      paths: [
        "/home/dev/project/e.md",
      ],
    },
    succeeded: true,
  }],
  ["PostToolUse-Create", {
    event: "PostToolUse",
    sessionId: "86a0853b-2677-43b1-90e7-772b2979a39f",
    kind: "after-tool",
    tool: {
      name: "Create",
      kind: "edit",
      paths: [
        "/home/dev/project/a.txt",
      ],
    },
    succeeded: true,
  }],
  ["PostToolUse-Edit", {
    event: "PostToolUse",
    sessionId: "86a0853b-2677-43b1-90e7-772b2979a39f",
    kind: "after-tool",
    tool: {
      name: "Edit",
      kind: "edit",
      paths: [
        "/home/dev/project/e.md",
      ],
    },
    succeeded: true,
  }],
  ["PostToolUse-Execute", {
    event: "PostToolUse",
    sessionId: "86a0853b-2677-43b1-90e7-772b2979a39f",
    kind: "after-tool",
    tool: {
      name: "Execute",
      kind: "shell",
      paths: [],
      command: "echo shell > b.txt; env | cut -d= -f1 | sort > env-shell.txt",
    },
    succeeded: true,
  }],
  ["PostToolUse-Read", {
    event: "PostToolUse",
    sessionId: "86a0853b-2677-43b1-90e7-772b2979a39f",
    kind: "after-tool",
    tool: {
      name: "Read",
      kind: "read",
      paths: [
        "/home/dev/project/e.md",
      ],
    },
    succeeded: true,
  }],
  ["PreToolUse-ApplyPatch", {
    event: "PreToolUse",
    sessionId: "66e7ee64-608e-4f51-a6ce-1f9a6cd92c52",
    kind: "before-tool",
    tool: {
      name: "ApplyPatch",
      kind: "edit",
      paths: [
        "/home/dev/project/e.md",
      ],
    },
  }],
  ["PreToolUse-Create", {
    event: "PreToolUse",
    sessionId: "86a0853b-2677-43b1-90e7-772b2979a39f",
    kind: "before-tool",
    tool: {
      name: "Create",
      kind: "edit",
      paths: [
        "/home/dev/project/a.txt",
      ],
    },
  }],
  ["PreToolUse-Edit", {
    event: "PreToolUse",
    sessionId: "86a0853b-2677-43b1-90e7-772b2979a39f",
    kind: "before-tool",
    tool: {
      name: "Edit",
      kind: "edit",
      paths: [
        "/home/dev/project/e.md",
      ],
    },
  }],
  ["PreToolUse-Execute-background", {
    event: "PreToolUse",
    sessionId: "66e7ee64-608e-4f51-a6ce-1f9a6cd92c52",
    kind: "before-tool",
    tool: {
      name: "Execute",
      kind: "shell",
      paths: [],
      command: "sleep 0.1",
      isBackground: true,
    },
  }],
  ["PreToolUse-Execute", {
    event: "PreToolUse",
    sessionId: "86a0853b-2677-43b1-90e7-772b2979a39f",
    kind: "before-tool",
    tool: {
      name: "Execute",
      kind: "shell",
      paths: [],
      command: "echo shell > b.txt; env | cut -d= -f1 | sort > env-shell.txt",
    },
  }],
  ["PreToolUse-Read", {
    event: "PreToolUse",
    sessionId: "86a0853b-2677-43b1-90e7-772b2979a39f",
    kind: "before-tool",
    tool: {
      name: "Read",
      kind: "read",
      paths: [
        "/home/dev/project/e.md",
      ],
    },
  }],
  ["PreToolUse-Task", {
    event: "PreToolUse",
    sessionId: "18d8bf4c-a5d7-4390-85f1-e9e93b2f9d46",
    kind: "before-tool",
    tool: {
      name: "Task",
      kind: "other",
      paths: [],
    },
  }],
  ["SessionEnd", {
    event: "SessionEnd",
    sessionId: "86a0853b-2677-43b1-90e7-772b2979a39f",
    kind: "session-end",
    reason: "other",
  }],
  ["SessionStart-subagent", {
    event: "SessionStart",
    sessionId: "a2855130-8baf-4e35-af96-622df4d362df",
    kind: "session-start",
    source: "startup",
  }],
  ["SessionStart", {
    event: "SessionStart",
    sessionId: "86a0853b-2677-43b1-90e7-772b2979a39f",
    kind: "session-start",
    source: "startup",
  }],
  ["Stop-active", {
    event: "Stop",
    sessionId: "18d8bf4c-a5d7-4390-85f1-e9e93b2f9d46",
    kind: "stop",
    wasContinued: true,
  }],
  ["Stop", {
    event: "Stop",
    sessionId: "86a0853b-2677-43b1-90e7-772b2979a39f",
    kind: "stop",
    wasContinued: false,
  }],
  ["SubagentStop", {
    event: "SubagentStop",
    sessionId: "18d8bf4c-a5d7-4390-85f1-e9e93b2f9d46",
    kind: "other",
  }],
  ["UserPromptSubmit-subagent", {
    event: "UserPromptSubmit",
    sessionId: "a2855130-8baf-4e35-af96-622df4d362df",
    kind: "prompt",
    isRepeatPrompt: false,
  }],
];

const ANSWERS: readonly Answer[] = [
  {
    file: "PreToolUse-Edit",
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
    file: "PreToolUse-Execute",
    decision: NOTIFY,
    output: {
      hookSpecificOutput: {
        hookEventName: "PreToolUse",
        permissionDecision: "deny",
        permissionDecisionReason: 'held by "codex-7f3a"',
      },
    },
    carries: ["reason"],
  },
  { file: "PreToolUse-Edit", decision: INFORM, output: "", carries: [] },
  ...["PostToolUse-Edit", "SessionStart", "UserPromptSubmit-subagent"]
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
  { file: "SubagentStop", decision: CONTINUE, output: "", carries: [] },
  { file: "SessionEnd", decision: INFORM, output: "", carries: [] },
  { file: "PreToolUse-Edit", decision: ALLOW, output: "", carries: [] },
];

testGoldens(droid, FOLDER, GOLDENS);
testAnswers(droid, FOLDER, ANSWERS);

Deno.test("droid: callingAgent() recognises each of its permission modes", () => {
  const input = { session_id: "s", hook_event_name: "Stop" };
  for (const mode of ["off", "spec", "auto-low", "auto-medium", "auto-high"]) {
    assert.equal(callingAgent({ ...input, permission_mode: mode }), "droid");
  }
  for (const mode of ["default", "plan", "acceptEdits", "auto", "", 1, null]) {
    assert.equal(callingAgent({ ...input, permission_mode: mode }), undefined);
  }
});

Deno.test("droid: parse() tells a resumed session from a cleared one", () => {
  for (const source of ["resume", "clear", "compact"]) {
    const event = droid.parse(
      { hook_event_name: "SessionStart", source },
      noVariables,
    );
    assert.ok(event.kind === "session-start");
    assert.equal(event.source, source);
  }
});
