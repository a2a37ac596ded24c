/**
 * GitHub Copilot CLI: reads its hook input, writes its hook output.
 *
 * - Under camel-case event names the input does not contain the event. The command
 *   line may contain it (`mbus hook copilot preToolUse`); otherwise the fields
 *   tell it. Hooks of Claude's settings get Pascal-case names. Their input is in
 *   snake case and names the event.
 * - A non-zero exit before a tool denies, so the response is always JSON and 0.
 *   The response is flat: it has no `hookSpecificOutput`.
 * - A subagent has a session id of its own and names its parent session in
 *   `parentAgentId`. It becomes an agent of that session.
 * - After a tool that failed, no text reaches the model.
 * - VS Code runs the same hooks and ignores their matchers. It names the event in
 *   `hookEventName` and, by its documentation, reads responses in Claude's form.
 *
 * Read at 1.0.102.
 *
 * @module
 */

import type {
  Agent,
  Decision,
  HookEvent,
  HookKind,
  ReadVariable,
  Rendered,
} from "./agent.ts";
import {
  answer,
  type ClaudeForm,
  continuation,
  neutralAnswer,
  reasonWithContext,
  renderClaudeForm,
} from "./response.ts";
import { nameField, objectField, type Payload, payloadOf } from "./payload.ts";
import { type FieldTable, parseFields } from "./input_fields.ts";

const FIELDS: FieldTable = {
  agent: "copilot",
  events: {
    sessionStart: "session-start",
    userPromptSubmitted: "prompt",
    preToolUse: "before-tool",
    postToolUse: "after-tool",
    postToolUseFailure: "after-tool",
    agentStop: "stop",
    subagentStop: "stop",
    sessionEnd: "session-end",
    notification: "activity",
    SessionStart: "session-start",
    UserPromptSubmit: "prompt",
    PreToolUse: "before-tool",
    PostToolUse: "after-tool",
    PostToolUseFailure: "after-tool",
    Stop: "stop",
    SubagentStop: "stop",
    SessionEnd: "session-end",
    Notification: "activity",
  },
  tools: {
    edit: [
      "edit",
      "create",
      "str_replace_editor",
      "apply_patch",
      "Edit",
      "Write",
      // Tools of VS Code, which runs the same hooks.
      "create_file",
      "replace_string_in_file",
      "multi_replace_string_in_file",
      "insert_edit_into_file",
      "edit_notebook_file",
    ],
    shell: ["bash", "Bash", "powershell", "PowerShell", "run_in_terminal"],
    read: ["view", "Read", "read_file"],
  },
  sessionVariables: ["COPILOT_AGENT_SESSION_ID"],
  folderVariables: ["COPILOT_PROJECT_DIR"],
  modelVariables: ["COPILOT_MODEL"],
  succeeded: hasSucceeded,
};

const NEUTRAL = "{}";
const VSCODE_FORM: ClaudeForm = {
  neutral: NEUTRAL,
  contextKinds: ["session-start", "after-tool"],
  contextBesideReason: false,
  showsNotice: true,
};
const CONTEXT_KINDS: readonly HookKind[] = [
  "session-start",
  "prompt",
  "before-tool",
  "after-tool",
];

/** GitHub Copilot CLI's hook contract. */
export const copilot: Agent = {
  name: "copilot",
  neutral: NEUTRAL,
  parse(input: unknown, env: ReadVariable, event?: string): HookEvent {
    const payload = payloadOf(input);
    const named = event ?? eventOf(payload);
    const parsed = parseFields(FIELDS, input, env, named);
    if ("hookEventName" in payload) return { ...parsed, host: "vscode" };
    const parent = nameField(payload, "parentAgentId", "parent_agent_id");
    if (parent === undefined || parsed.agentId === undefined) return parsed;
    return { ...parsed, sessionId: parent };
  },
  render(event: HookEvent, decision: Decision): Rendered {
    if (event.host === "vscode") {
      return renderClaudeForm(VSCODE_FORM, event, decision);
    }
    if (event.kind === "before-tool" && decision.verdict === "deny") {
      return answer({
        permissionDecision: "deny",
        permissionDecisionReason: reasonWithContext(decision),
      }, { reason: true, context: !!decision.context });
    }
    const more = continuation(event, decision);
    if (more !== undefined) {
      return answer({ decision: "block", reason: more }, {
        continueWith: true,
      });
    }
    const failed = event.kind === "after-tool" && event.succeeded === false;
    if (decision.context && !failed && CONTEXT_KINDS.includes(event.kind)) {
      return answer(
        { additionalContext: decision.context },
        { context: true },
      );
    }
    return neutralAnswer(NEUTRAL);
  },
};

/** Recognises an event by a field that no other event has. */
function eventOf(payload: Payload): string | undefined {
  if ("toolResult" in payload) return "postToolUse";
  if ("toolName" in payload) {
    return "error" in payload ? "postToolUseFailure" : "preToolUse";
  }
  if ("stopReason" in payload) return "agentStop";
  if ("source" in payload) return "sessionStart";
  if ("reason" in payload) return "sessionEnd";
  if ("prompt" in payload) return "userPromptSubmitted";
}

function hasSucceeded(payload: Payload, event: string): boolean | undefined {
  if (event.endsWith("Failure")) return false;
  const result = objectField(payload, "toolResult", "tool_result");
  const type = nameField(result, "resultType", "result_type");
  return type === undefined ? undefined : type === "success";
}
