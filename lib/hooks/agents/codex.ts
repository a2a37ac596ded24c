/**
 * Codex CLI: reads its hook input, writes its hook output.
 *
 * - An unknown field in the response makes the hook fail and loses a denial. So
 *   the response has only documented fields, and context beside a denial is
 *   appended to the reason.
 * - Edits are `apply_patch`, with the patch text as argument. The same patch as a
 *   heredoc in a shell command comes as `Bash` and gets no event after it.
 * - Subagents share the session's id and differ in `agent_id`.
 * - The result of `apply_patch` starts with its exit code; the result of a shell
 *   command is its bare output.
 *
 * Read at 0.169.0.
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
import { type Payload, payloadOf, textField } from "./payload.ts";
import { type FieldTable, parseFields } from "./input_fields.ts";

/** Path of the daemon's pid file, below the folder of its Codex. */
export const DAEMON_FILE = "app-server-daemon/daemon.pid";

const FIELDS: FieldTable = {
  agent: "codex",
  events: {
    SessionStart: "session-start",
    UserPromptSubmit: "prompt",
    PreToolUse: "before-tool",
    PostToolUse: "after-tool",
    Stop: "stop",
    SubagentStop: "stop",
    SessionEnd: "session-end",
    PermissionRequest: "activity",
  },
  tools: {
    edit: ["apply_patch", "Edit", "Write"],
    shell: ["Bash", "shell", "local_shell", "shell_command", "exec_command"],
    read: [],
  },
  sessionVariables: ["CODEX_SESSION_ID", "CODEX_THREAD_ID"],
  succeeded: hasSucceeded,
};

const FORM: ClaudeForm = {
  neutral: "",
  contextKinds: ["session-start", "prompt", "before-tool", "after-tool"],
  contextBesideReason: false,
  showsNotice: true,
};

/** Codex CLI's hook contract. */
export const codex: Agent = {
  name: "codex",
  neutral: FORM.neutral,
  parse(input: unknown, env: ReadVariable, event?: string): HookEvent {
    return parseFields(FIELDS, input, env, event);
  },
  render(event: HookEvent, decision: Decision): Rendered {
    return renderClaudeForm(FORM, event, decision);
  },
};

/**
 * Returns the folder of the Codex that sent an input: its transcripts lie there.
 *
 * @param input The parsed JSON, or any other value.
 */
export function codexHomeOf(input: unknown): string | undefined {
  const path = textField(payloadOf(input), "transcript_path") ?? "";
  return /^(\/.+)\/sessions\/\d{4}\//.exec(path)?.[1];
}

/** Whether a Codex has, or had, a shared daemon. */
export function hasDaemon(home: string): boolean {
  try {
    return Deno.statSync(`${home}/${DAEMON_FILE}`).isFile;
  } catch {
    return false;
  }
}

function hasSucceeded(payload: Payload): boolean | undefined {
  const code = /^Exit code: (\d+)/.exec(
    textField(payload, "tool_response") ?? "",
  );
  return code === null ? undefined : Number(code[1]) === 0;
}
