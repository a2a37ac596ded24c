/**
 * Cursor: reads its hook input, writes its hook output.
 *
 * The contract comes from documentation, not from captured input. So more
 * spellings are read than any one version uses. Context is given only where the
 * documentation names the field: at a session's start and after a tool.
 * - Empty standard output counts as a failure: the neutral response is `{}`.
 * - The session is `conversation_id`, or `session_id` where that is missing.
 * - The folder may be missing; then the first workspace root is taken.
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
  continuation,
  neutralAnswer,
  reasonWithContext,
} from "./response.ts";
import { isPath, nameField, payloadOf } from "./payload.ts";
import { type FieldTable, parseFields } from "./input_fields.ts";
import { readTool } from "./tool.ts";

const FIELDS: FieldTable = {
  agent: "cursor",
  events: {
    sessionStart: "session-start",
    beforeSubmitPrompt: "prompt",
    preToolUse: "before-tool",
    beforeShellExecution: "before-tool",
    postToolUse: "after-tool",
    postToolUseFailure: "after-tool",
    afterFileEdit: "after-tool",
    stop: "stop",
    sessionEnd: "session-end",
  },
  tools: {
    edit: [
      "Write",
      "StrReplace",
      "Edit",
      "MultiEdit",
      "Delete",
      "EditNotebook",
      "ApplyPatch",
      "afterFileEdit",
    ],
    shell: ["Shell", "Bash", "PowerShell", "beforeShellExecution"],
    read: ["Read"],
  },
  folderVariables: ["CURSOR_PROJECT_DIR"],
  succeeded: (_payload, event) => event !== "postToolUseFailure",
};

const NEUTRAL = "{}";
const CONTEXT_KINDS: readonly HookKind[] = ["session-start", "after-tool"];

/** Events of one tool, which carry its arguments unwrapped. */
const TOOL_EVENTS: readonly string[] = [
  "afterFileEdit",
  "beforeShellExecution",
];

/** Cursor's hook contract. */
export const cursor: Agent = {
  name: "cursor",
  neutral: NEUTRAL,
  parse(input: unknown, env: ReadVariable, event?: string): HookEvent {
    const payload = payloadOf(input);
    const parsed = parseFields(FIELDS, input, env, event);
    const sessionId = nameField(payload, "conversation_id") ??
      parsed.sessionId;
    const roots = payload.workspace_roots;
    const root = Array.isArray(roots) && isPath(roots[0]) ? roots[0] : "";
    const found = { ...parsed, sessionId, cwd: parsed.cwd || root };
    if (found.kind !== "before-tool" && found.kind !== "after-tool") {
      return found;
    }
    if (!TOOL_EVENTS.includes(found.event)) return found;
    return {
      ...found,
      tool: readTool(found.event, payload, undefined, FIELDS.tools),
    };
  },
  render(event: HookEvent, decision: Decision): Rendered {
    if (event.kind === "before-tool" && decision.verdict === "deny") {
      return answer({
        permission: "deny",
        user_message: decision.notice || decision.reason,
        agent_message: reasonWithContext(decision),
      }, { reason: true, context: !!decision.context });
    }
    const more = continuation(event, decision);
    if (more !== undefined) {
      return answer({ followup_message: more }, { continueWith: true });
    }
    const shown = event.event !== "afterFileEdit" &&
      CONTEXT_KINDS.includes(event.kind);
    if (decision.context && shown) {
      return answer({ additional_context: decision.context }, {
        context: true,
      });
    }
    return neutralAnswer(NEUTRAL);
  },
};
