/**
 * Gemini CLI: reads its hook input, writes its hook output.
 *
 * - If standard output is empty, Gemini reads standard error as the response. So
 *   the neutral response is `{}`.
 * - Before a tool the model reads only a denial's reason; context waits for the
 *   tool's end.
 * - Subagents share the session's id and cannot be told apart.
 * - A turn held at its end comes back as a prompt that is our own text.
 *
 * Read at 0.61.0.
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
  noticeMember,
  reasonWithContext,
} from "./response.ts";
import { type FieldTable, hasNoError, parseFields } from "./input_fields.ts";

const FIELDS: FieldTable = {
  agent: "gemini",
  events: {
    SessionStart: "session-start",
    BeforeAgent: "prompt",
    BeforeTool: "before-tool",
    AfterTool: "after-tool",
    AfterAgent: "stop",
    SessionEnd: "session-end",
    Notification: "activity",
  },
  tools: {
    edit: ["write_file", "replace", "edit"],
    shell: ["run_shell_command"],
    read: ["read_file", "read_many_files"],
  },
  sessionVariables: ["GEMINI_SESSION_ID"],
  folderVariables: ["GEMINI_CWD", "GEMINI_PROJECT_DIR"],
  succeeded: hasNoError,
};

const NEUTRAL = "{}";
const CONTEXT_KINDS: readonly HookKind[] = [
  "session-start",
  "prompt",
  "after-tool",
];

/** Gemini CLI's hook contract. */
export const gemini: Agent = {
  name: "gemini",
  neutral: NEUTRAL,
  parse(input: unknown, env: ReadVariable, event?: string): HookEvent {
    return parseFields(FIELDS, input, env, event);
  },
  render(event: HookEvent, decision: Decision): Rendered {
    if (event.kind === "before-tool" && decision.verdict === "deny") {
      return answer(
        {
          decision: "deny",
          reason: reasonWithContext(decision),
          ...noticeMember(decision),
        },
        { reason: true, context: !!decision.context },
      );
    }
    const more = continuation(event, decision);
    if (more !== undefined) {
      return answer({ decision: "deny", reason: more }, { continueWith: true });
    }
    if (decision.context && CONTEXT_KINDS.includes(event.kind)) {
      return answer({
        hookSpecificOutput: {
          hookEventName: event.event,
          additionalContext: decision.context,
        },
      }, { context: true });
    }
    return neutralAnswer(NEUTRAL);
  },
};
