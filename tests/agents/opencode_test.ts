/**
 * opencode: recorded inputs and their events; decisions and the responses of its
 * contract.
 *
 * @module
 */

import assert from "node:assert/strict";
import { opencode } from "../../lib/hooks/agents/opencode.ts";
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

const FOLDER = "opencode-1.18.33";

const GOLDENS: readonly Golden[] = [
  ["chat.message-resume", {
    event: "chat.message",
    sessionId: "ses_dfbb8ce92ffev4PjuVmqe5FLBM",
    model: "mock-model",
    kind: "prompt",
    isRepeatPrompt: false,
  }],
  ["chat.message-sub", {
    event: "chat.message",
    sessionId: "ses_dfbb462f5ffeJ2xJsOvXxHLk4T",
    model: "mock-model",
    kind: "prompt",
    isRepeatPrompt: false,
  }],
  ["chat.message", {
    event: "chat.message",
    sessionId: "ses_dfbb8ce92ffev4PjuVmqe5FLBM",
    model: "mock-model",
    kind: "prompt",
    isRepeatPrompt: false,
  }],
  ["event-file.edited", {
    event: "file.edited",
    sessionId: "",
    kind: "other",
  }],
  ["event-session.created-sub", {
    event: "session.created",
    sessionId: "ses_dfbb462f5ffeJ2xJsOvXxHLk4T",
    kind: "session-start",
    source: "startup",
  }],
  ["event-session.created", {
    event: "session.created",
    sessionId: "ses_dfbb8ce92ffev4PjuVmqe5FLBM",
    kind: "session-start",
    source: "startup",
  }],
  ["event-session.idle-sub", {
    event: "session.idle",
    sessionId: "ses_dfbb45b6dffeqd1YzPeYMkExvY",
    kind: "stop",
    wasContinued: false,
  }],
  ["event-session.idle", {
    event: "session.idle",
    sessionId: "ses_dfbb8ce92ffev4PjuVmqe5FLBM",
    kind: "stop",
    wasContinued: false,
  }],
  ["event-session.status", {
    event: "session.status",
    sessionId: "ses_dfbb8ce92ffev4PjuVmqe5FLBM",
    kind: "other",
  }],
  ["shell.env", {
    event: "shell.env",
    sessionId: "ses_dfbb8ce92ffev4PjuVmqe5FLBM",
    kind: "other",
  }],
  ["tool.execute.after-bash", {
    event: "tool.execute.after",
    sessionId: "ses_dfbb8ce92ffev4PjuVmqe5FLBM",
    kind: "after-tool",
    tool: {
      name: "bash",
      callId: "call_mock_1_mws3tcp5",
      kind: "shell",
      paths: [],
      "command":
        'echo shell > b.txt; env | cut -d= -f1 | sort > env-shell.txt; env | grep -iE "opencode|agent|session|thread" | grep -viE "key|token" > env-shell-sel.txt',
    },
    succeeded: true,
  }],
  ["tool.execute.after-bus_inbox", {
    event: "tool.execute.after",
    sessionId: "ses_dfbb8ce92ffev4PjuVmqe5FLBM",
    kind: "after-tool",
    tool: {
      name: "bus_inbox",
      callId: "call_mock_2_mws3tcwc",
      kind: "other",
      paths: [],
    },
    succeeded: true,
  }],
  ["tool.execute.after-edit", {
    event: "tool.execute.after",
    sessionId: "ses_dfbb9c3acffewGcj7BdNKPCLz8",
    kind: "after-tool",
    tool: {
      name: "edit",
      callId: "call_mock_1_mws3s09j",
      kind: "edit",
      paths: ["/home/dev/project/e.md"],
    },
    succeeded: true,
  }],
  ["tool.execute.after-read", {
    event: "tool.execute.after",
    sessionId: "ses_dfbb9c3acffewGcj7BdNKPCLz8",
    kind: "after-tool",
    tool: {
      name: "read",
      callId: "call_mock_0_mws3s02x",
      kind: "read",
      paths: ["/home/dev/project/e.md"],
    },
    succeeded: true,
  }],
  ["tool.execute.after-task-sub", {
    event: "tool.execute.after",
    sessionId: "ses_dfbb462f5ffeJ2xJsOvXxHLk4T",
    kind: "after-tool",
    tool: {
      name: "task",
      callId: "call_mock_0_mws3zk8w",
      kind: "other",
      paths: [],
    },
    succeeded: true,
  }],
  ["tool.execute.after-write-deny", {
    event: "tool.execute.after",
    sessionId: "ses_dfbbc5b39ffeZpaQYOFTHmdIh3",
    kind: "after-tool",
    tool: {
      name: "write",
      callId: "call_mock_1_mws3od7e",
      kind: "edit",
      paths: ["/home/dev/project/a.txt"],
    },
    succeeded: true,
  }],
  ["tool.execute.after-write-sub", {
    event: "tool.execute.after",
    sessionId: "ses_dfbb45b6dffeqd1YzPeYMkExvY",
    kind: "after-tool",
    tool: {
      name: "write",
      callId: "call_mock_0_mws3zkdy",
      kind: "edit",
      paths: ["/home/dev/project/a.txt"],
    },
    succeeded: true,
  }],
  ["tool.execute.after-write", {
    event: "tool.execute.after",
    sessionId: "ses_dfbb8ce92ffev4PjuVmqe5FLBM",
    kind: "after-tool",
    tool: {
      name: "write",
      callId: "call_mock_0_mws3tcjs",
      kind: "edit",
      paths: ["/home/dev/project/a.txt"],
    },
    succeeded: true,
  }],
  ["tool.execute.before-bash", {
    event: "tool.execute.before",
    sessionId: "ses_dfbb8ce92ffev4PjuVmqe5FLBM",
    kind: "before-tool",
    tool: {
      name: "bash",
      callId: "call_mock_1_mws3tcp5",
      kind: "shell",
      paths: [],
      "command":
        'echo shell > b.txt; env | cut -d= -f1 | sort > env-shell.txt; env | grep -iE "opencode|agent|session|thread" | grep -viE "key|token" > env-shell-sel.txt',
    },
  }],
  ["tool.execute.before-bus_inbox", {
    event: "tool.execute.before",
    sessionId: "ses_dfbb8ce92ffev4PjuVmqe5FLBM",
    kind: "before-tool",
    tool: {
      name: "bus_inbox",
      callId: "call_mock_2_mws3tcwc",
      kind: "other",
      paths: [],
    },
  }],
  ["tool.execute.before-edit", {
    event: "tool.execute.before",
    sessionId: "ses_dfbb9c3acffewGcj7BdNKPCLz8",
    kind: "before-tool",
    tool: {
      name: "edit",
      callId: "call_mock_1_mws3s09j",
      kind: "edit",
      paths: ["/home/dev/project/e.md"],
    },
  }],
  ["tool.execute.before-read", {
    event: "tool.execute.before",
    sessionId: "ses_dfbb9c3acffewGcj7BdNKPCLz8",
    kind: "before-tool",
    tool: {
      name: "read",
      callId: "call_mock_0_mws3s02x",
      kind: "read",
      paths: ["/home/dev/project/e.md"],
    },
  }],
  ["tool.execute.before-task-sub", {
    event: "tool.execute.before",
    sessionId: "ses_dfbb462f5ffeJ2xJsOvXxHLk4T",
    kind: "before-tool",
    tool: {
      name: "task",
      callId: "call_mock_0_mws3zk8w",
      kind: "other",
      paths: [],
    },
  }],
  ["tool.execute.before-write-deny", {
    event: "tool.execute.before",
    sessionId: "ses_dfbbc5b39ffeZpaQYOFTHmdIh3",
    kind: "before-tool",
    tool: {
      name: "write",
      callId: "call_mock_0_mws3od2t",
      kind: "edit",
      paths: ["/home/dev/project/a.txt"],
    },
  }],
  ["tool.execute.before-write-sub", {
    event: "tool.execute.before",
    sessionId: "ses_dfbb45b6dffeqd1YzPeYMkExvY",
    kind: "before-tool",
    tool: {
      name: "write",
      callId: "call_mock_0_mws3zkdy",
      kind: "edit",
      paths: ["/home/dev/project/a.txt"],
    },
  }],
  ["tool.execute.before-write", {
    event: "tool.execute.before",
    sessionId: "ses_dfbb8ce92ffev4PjuVmqe5FLBM",
    kind: "before-tool",
    tool: {
      name: "write",
      callId: "call_mock_0_mws3tcjs",
      kind: "edit",
      paths: ["/home/dev/project/a.txt"],
    },
  }],
];

const ANSWERS: readonly Answer[] = [
  {
    file: "tool.execute.before-write",
    decision: DENY,
    output: { deny: 'held by "codex-7f3a"\n\n[message-bus] hello' },
    carries: ["reason", "context"],
  },
  ...["tool.execute.after-bash", "chat.message"].map((file): Answer => ({
    file,
    decision: INFORM,
    output: { context: INFORM.context },
    carries: ["context"],
  })),
  {
    file: "event-session.idle",
    decision: CONTINUE,
    output: { continueWith: "[message-bus] read this" },
    carries: ["continueWith"],
  },
  { file: "event-session.created", decision: INFORM, output: {}, carries: [] },
  {
    file: "tool.execute.before-write",
    decision: INFORM,
    output: {},
    carries: [],
  },
];

testGoldens(opencode, FOLDER, GOLDENS);
testAnswers(opencode, FOLDER, ANSWERS);

Deno.test("opencode: parse() makes a session with a parent a subagent", () => {
  const event = opencode.parse({
    ev: "tool.execute.before",
    cwd: "/p",
    parentID: "ses_parent",
    input: { tool: "apply_patch", sessionID: "ses_child", callID: "c" },
    output: { args: { patchText: "*** Begin Patch\n*** Add File: a\n" } },
  }, noVariables);
  assert.deepEqual(event, {
    agent: "opencode",
    event: "tool.execute.before",
    sessionId: "ses_parent",
    agentId: "ses_child",
    cwd: "/p",
    kind: "before-tool",
    tool: { name: "apply_patch", callId: "c", kind: "edit", paths: ["a"] },
  });
});

Deno.test("opencode: a subagent's session neither starts nor ends its parent's", () => {
  const kinds = ["session.created", "session.deleted"].map((type) =>
    opencode.parse({
      ev: "event",
      type,
      properties: { info: { id: "child", parentID: "parent" } },
    }, noVariables).kind
  );
  assert.deepEqual(kinds, ["other", "stop"]);
});

Deno.test("opencode: parse() reads success off a shell command's exit code", () => {
  const event = opencode.parse({
    ev: "tool.execute.after",
    input: { tool: "bash", sessionID: "s", args: { command: "false" } },
    output: { metadata: { exit: 1 } },
  }, noVariables);
  assert.ok("succeeded" in event);
  assert.equal(event.succeeded, false);
});
