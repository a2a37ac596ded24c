/**
 * Cursor: inputs and responses as its documentation describes them. There are no
 * recordings of it.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { HookEvent } from "../../lib/hooks/agents/agent.ts";
import { cursor } from "../../lib/hooks/agents/cursor.ts";
import { callingAgent } from "../../lib/hooks/agents/detect_caller.ts";
import { assertContract } from "./contract.ts";
import {
  ALLOW,
  CONTINUE,
  DENY,
  INFORM,
  NOTIFY,
  noVariables,
} from "./golden.ts";

const COMMON = {
  conversation_id: "c1",
  generation_id: "g1",
  model: "some-model",
  cursor_version: "1.7.2",
  workspace_roots: ["/home/dev/project"],
};
const BASE = {
  agent: "cursor",
  sessionId: "c1",
  cwd: "/home/dev/project",
  model: "some-model",
};

const INPUTS: readonly (readonly [object, object])[] = [
  [{ hook_event_name: "sessionStart" }, {
    event: "sessionStart",
    kind: "session-start",
    source: "unknown",
  }],
  [{ hook_event_name: "beforeSubmitPrompt", prompt: "do it" }, {
    event: "beforeSubmitPrompt",
    kind: "prompt",
    isRepeatPrompt: false,
  }],
  [{
    hook_event_name: "preToolUse",
    tool_name: "StrReplace",
    tool_use_id: "t1",
    tool_input: { target_file: "a.ts" },
    cwd: "/home/dev/project/src",
  }, {
    event: "preToolUse",
    kind: "before-tool",
    cwd: "/home/dev/project/src",
    tool: { name: "StrReplace", callId: "t1", kind: "edit", paths: ["a.ts"] },
  }],
  [{
    hook_event_name: "preToolUse",
    tool_name: "Shell",
    tool_input: { command: "rm a" },
  }, {
    event: "preToolUse",
    kind: "before-tool",
    tool: { name: "Shell", kind: "shell", paths: [], command: "rm a" },
  }],
  [{ hook_event_name: "beforeShellExecution", command: "rm a", cwd: "/x" }, {
    event: "beforeShellExecution",
    kind: "before-tool",
    cwd: "/x",
    tool: {
      name: "beforeShellExecution",
      kind: "shell",
      paths: [],
      command: "rm a",
      folder: "/x",
    },
  }],
  [{
    hook_event_name: "postToolUse",
    tool_name: "Write",
    tool_input: { path: "a" },
  }, {
    event: "postToolUse",
    kind: "after-tool",
    tool: { name: "Write", kind: "edit", paths: ["a"] },
    succeeded: true,
  }],
  [{
    hook_event_name: "afterFileEdit",
    file_path: "/home/dev/project/a",
    edits: [{ old_string: "x", new_string: "y" }],
  }, {
    event: "afterFileEdit",
    kind: "after-tool",
    tool: {
      name: "afterFileEdit",
      kind: "edit",
      paths: ["/home/dev/project/a"],
    },
    succeeded: true,
  }],
  [{ hook_event_name: "stop", status: "completed" }, {
    event: "stop",
    kind: "stop",
    wasContinued: false,
  }],
  [{ hook_event_name: "sessionEnd", reason: "completed" }, {
    event: "sessionEnd",
    kind: "session-end",
    reason: "completed",
  }],
  [{ hook_event_name: "afterAgentThought" }, {
    event: "afterAgentThought",
    kind: "other",
  }],
];

for (const [input, expected] of INPUTS) {
  Deno.test(`cursor: parse() reads ${JSON.stringify(input)}`, () => {
    const whole = { ...COMMON, ...input };
    const event = cursor.parse(whole, noVariables);
    assert.deepEqual(event, { ...BASE, ...expected });
    assert.equal(callingAgent(whole), "cursor");
    for (const decision of [DENY, INFORM, CONTINUE, ALLOW]) {
      assertContract(event, decision, cursor.render(event, decision));
    }
  });
}

function eventOf(name: string): HookEvent {
  return cursor.parse({ ...COMMON, hook_event_name: name }, noVariables);
}

Deno.test("cursor: a denial tells the person and the model", () => {
  const { output, carried } = cursor.render(eventOf("preToolUse"), DENY);
  assert.deepEqual(JSON.parse(output), {
    permission: "deny",
    user_message: 'held by "codex-7f3a"',
    agent_message: 'held by "codex-7f3a"\n\n[message-bus] hello',
  });
  assert.deepEqual(carried, {
    reason: true,
    context: true,
    continueWith: false,
  });
});

Deno.test("cursor: a denial's notice is for the person alone", () => {
  const { output } = cursor.render(eventOf("preToolUse"), NOTIFY);
  assert.deepEqual(JSON.parse(output), {
    permission: "deny",
    user_message: "codex-7f3a holds a.ts",
    agent_message: 'held by "codex-7f3a"',
  });
});

Deno.test("cursor: context goes to the fields that its documentation names", () => {
  for (const name of ["sessionStart", "postToolUse"]) {
    const { output, carried } = cursor.render(eventOf(name), INFORM);
    const { context } = INFORM;
    assert.deepEqual(JSON.parse(output), { additional_context: context });
    assert.equal(carried.context, true);
  }
  for (const name of ["preToolUse", "beforeSubmitPrompt", "afterFileEdit"]) {
    const { output, carried } = cursor.render(eventOf(name), INFORM);
    assert.equal(output, "{}");
    assert.equal(carried.context, false);
  }
});

Deno.test("cursor: a held stop goes on with a follow-up", () => {
  const { output } = cursor.render(eventOf("stop"), CONTINUE);
  assert.deepEqual(JSON.parse(output), {
    followup_message: "[message-bus] read this",
  });
});
