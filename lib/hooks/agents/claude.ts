/**
 * Claude Code: reads its hook input, writes its hook output.
 *
 * - Subagents share the session's id and differ in `agent_id`.
 * - `PostToolUse` fires only for a tool that succeeded, `PostToolUseFailure` for
 *   one that failed.
 * - The model reads context given before a tool beside the tool's result.
 * - Copilot and Cursor also run the hooks of Claude's settings, with input of
 *   their own: see `detect_caller.ts`.
 *
 * Read at 2.1.330.
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
import { type FieldTable, parseFields } from "./input_fields.ts";

const FIELDS: FieldTable = {
  agent: "claude",
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
    StopFailure: "activity",
  },
  tools: {
    edit: ["Edit", "Write", "MultiEdit", "NotebookEdit"],
    shell: ["Bash", "PowerShell", "Monitor"],
    background: ["Monitor"],
    read: ["Read", "NotebookRead"],
  },
  sessionVariables: ["CLAUDE_CODE_SESSION_ID"],
  folderVariables: ["CLAUDE_PROJECT_DIR"],
  succeeded: (_payload, event) => event === "PostToolUse",
};

const FORM: ClaudeForm = {
  neutral: "",
  contextKinds: ["session-start", "prompt", "before-tool", "after-tool"],
  contextBesideReason: true,
  showsNotice: true,
};

/** Claude Code's hook contract. */
export const claude: Agent = {
  name: "claude",
  neutral: FORM.neutral,
  parse(input: unknown, env: ReadVariable, event?: string): HookEvent {
    return parseFields(FIELDS, input, env, event);
  },
  render(event: HookEvent, decision: Decision): Rendered {
    return renderClaudeForm(FORM, event, decision);
  },
};
