/**
 * Kimi, both kimi-code and the older kimi-cli: reads and writes its hooks' texts.
 *
 * - Only two texts reach the model: the reason of a denial, and plain output of
 *   a prompt's hook (kimi-cli drops the latter). So the neutral response is
 *   empty: `{}` after a prompt would reach the model.
 * - The old way to deny is exit code 2. Both programs honour a
 *   `permissionDecision` of `deny` with exit code 0, also at a stop. There they
 *   ignore `decision: "block"`.
 * - The two programs name their tools differently; no name means two things.
 * - Subagents share the session's id. `SubagentStop` names only the kind of
 *   agent, so it frees nothing.
 * - A denial is followed by `PostToolUseFailure`.
 *
 * Read at kimi-code 2.1.0 and kimi-cli 1.49.0.
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
import {
  answer,
  continuation,
  neutralAnswer,
  NOTHING_CARRIED,
  reasonWithContext,
} from "./response.ts";
import { type FieldTable, parseFields } from "./input_fields.ts";

const FIELDS: FieldTable = {
  agent: "kimi",
  events: {
    SessionStart: "session-start",
    UserPromptSubmit: "prompt",
    PreToolUse: "before-tool",
    PostToolUse: "after-tool",
    PostToolUseFailure: "after-tool",
    Stop: "stop",
    SessionEnd: "session-end",
    PermissionRequest: "activity",
    PermissionResult: "activity",
    StopFailure: "activity",
    Interrupt: "activity",
  },
  tools: {
    edit: ["Edit", "Write", "StrReplaceFile", "WriteFile"],
    shell: ["Bash", "Shell", "PowerShell"],
    read: ["Read", "ReadFile"],
  },
  succeeded: (_payload, event) => event === "PostToolUse",
};

const NEUTRAL = "";

/** Kimi's hook contract. */
export const kimi: Agent = {
  name: "kimi",
  neutral: NEUTRAL,
  parse(input: unknown, env: ReadVariable, event?: string): HookEvent {
    return parseFields(FIELDS, input, env, event);
  },
  render(event: HookEvent, decision: Decision): Rendered {
    if (event.kind === "before-tool" && decision.verdict === "deny") {
      return answer(
        refusal(event, reasonWithContext(decision)),
        { reason: true, context: !!decision.context },
      );
    }
    const more = continuation(event, decision);
    if (more !== undefined) {
      return answer(refusal(event, more), { continueWith: true });
    }
    if (decision.context && event.kind === "prompt") {
      return {
        output: decision.context,
        carried: { ...NOTHING_CARRIED, context: true },
      };
    }
    return neutralAnswer(NEUTRAL);
  },
};

function refusal(event: HookEvent, reason: string): unknown {
  return {
    hookSpecificOutput: {
      hookEventName: event.event,
      permissionDecision: "deny",
      permissionDecisionReason: reason,
    },
  };
}
