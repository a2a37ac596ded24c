/**
 * Qwen Code: reads its hook input, writes its hook output.
 *
 * Claude's event names and response, Gemini's tools and timeouts. Differences:
 * - Before a tool the model reads only a denial's reason. Context would need an
 *   `allow`, which skips the question to the person.
 * - `UserPromptSubmit` also fires with an empty prompt after every tool, and with
 *   our own text after a stop that was held.
 * - Like Gemini, Qwen reads standard error if standard output is empty. So the
 *   neutral response is `{}`.
 *
 * Read at 0.24.4.
 *
 * @module
 */

import type {
  Agent,
  Decision,
  HookEvent,
  ReadVariable,
  Rendered,
} from "./agent.ts";
import { type ClaudeForm, renderClaudeForm } from "./response.ts";
import type { Payload } from "./payload.ts";
import { type FieldTable, hasNoError, parseFields } from "./input_fields.ts";

const FIELDS: FieldTable = {
  agent: "qwen",
  events: {
    SessionStart: "session-start",
    UserPromptSubmit: "prompt",
    PreToolUse: "before-tool",
    PostToolUse: "after-tool",
    PostToolUseFailure: "after-tool",
    Stop: "stop",
    SubagentStop: "stop",
    SessionEnd: "session-end",
    PermissionRequest: "activity",
    Notification: "activity",
  },
  tools: {
    edit: ["write_file", "edit", "replace", "notebook_edit"],
    shell: ["run_shell_command", "monitor"],
    background: ["monitor"],
    read: ["read_file", "read_many_files"],
  },
  sessionVariables: ["QWEN_CODE_SESSION_ID"],
  folderVariables: ["QWEN_PROJECT_DIR"],
  modelVariables: ["QWEN_CODE_MODEL"],
  succeeded: (payload: Payload, event: string): boolean =>
    event === "PostToolUse" && hasNoError(payload),
};

const FORM: ClaudeForm = {
  neutral: "{}",
  contextKinds: ["session-start", "prompt", "after-tool"],
  contextBesideReason: false,
  showsNotice: true,
};

/** Qwen Code's hook contract. */
export const qwen: Agent = {
  name: "qwen",
  neutral: FORM.neutral,
  parse(input: unknown, env: ReadVariable, event?: string): HookEvent {
    return parseFields(FIELDS, input, env, event);
  },
  render(event: HookEvent, decision: Decision): Rendered {
    return renderClaudeForm(FORM, event, decision);
  },
};
