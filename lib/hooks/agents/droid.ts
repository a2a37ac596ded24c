/**
 * Droid, Factory's CLI: reads its hook input, writes its hook output.
 *
 * Claude's event names, fields and response, with these differences:
 * - Before a tool the model reads only a denial's reason. A `systemMessage`
 *   beside it goes to a log, so the person is not told.
 * - A call has no id, and a tool that failed or was denied gets no event.
 * - A subagent has a session and a process of its own. It names its parent only
 *   at its start.
 * - A hook may hold a stop any number of times: `stop_hook_active` ends it.
 * - `droid exec` announces no prompt.
 *
 * Read at 0.215.0.
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
  agent: "droid",
  events: {
    SessionStart: "session-start",
    UserPromptSubmit: "prompt",
    PreToolUse: "before-tool",
    PostToolUse: "after-tool",
    Stop: "stop",
    SessionEnd: "session-end",
    Notification: "activity",
  },
  tools: {
    edit: ["Create", "Edit", "MultiEdit", "ApplyPatch"],
    shell: ["Execute"],
    read: ["Read"],
  },
  folderVariables: ["FACTORY_PROJECT_DIR"],
  succeeded: (_payload, event) => event === "PostToolUse",
};

const FORM: ClaudeForm = {
  neutral: "",
  contextKinds: ["session-start", "prompt", "after-tool"],
  contextBesideReason: false,
  showsNotice: false,
};

/** Droid's hook contract. */
export const droid: Agent = {
  name: "droid",
  neutral: FORM.neutral,
  parse(input: unknown, env: ReadVariable, event?: string): HookEvent {
    return parseFields(FIELDS, input, env, event);
  },
  render(event: HookEvent, decision: Decision): Rendered {
    return renderClaudeForm(FORM, event, decision);
  },
};
