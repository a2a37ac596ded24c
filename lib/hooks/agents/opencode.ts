/**
 * opencode: reads the input of our plugin, writes the response to it.
 *
 * opencode runs plugins in its own process. So `mbus install opencode` writes a
 * plugin (`install/agents/opencode_plugin.ts`) that passes each event to
 * `mbus hook opencode` in opencode's own form:
 * - `{ ev: "tool.execute.before", input: { tool, sessionID, callID }, output: { args } }`
 * - `{ ev: "tool.execute.after", input: { …, args }, output: { metadata } }`
 * - `{ ev: "chat.message", input: { sessionID }, output: { message } }`
 * - `{ ev: "event", type: "session.created", properties }` and other bus events
 *
 * The response is one object. `deny` makes the plugin throw the reason at the
 * model, and `notice` is shown to the person beside it. `context` goes behind the
 * tool's output or the prompt. `continueWith` becomes a prompt of the idle
 * session. A subagent has a session of its own. The plugin sends its parent's id,
 * which makes it an agent of the parent session.
 *
 * Read at 1.18.33.
 *
 * @module
 */

import type {
  Agent,
  Decision,
  EventBase,
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
} from "./response.ts";
import {
  nameField,
  objectField,
  type Payload,
  payloadOf,
  textField,
} from "./payload.ts";
import { askedFor, ASKS, GOES_ON } from "./activity_report.ts";
import { isRepeat } from "./input_fields.ts";
import { readTool, type ToolNames } from "./tool.ts";

const TOOLS: ToolNames = {
  edit: ["write", "edit", "multiedit", "apply_patch", "patch"],
  shell: ["bash", "shell", "powershell"],
  read: ["read"],
};
const NEUTRAL = "{}";
const CONTEXT_KINDS: readonly HookKind[] = ["prompt", "after-tool"];

/** opencode's hook contract, as our plugin sends it. */
export const opencode: Agent = {
  name: "opencode",
  neutral: NEUTRAL,
  parse(input: unknown, _env: ReadVariable, event?: string): HookEvent {
    const payload = payloadOf(input);
    const base = baseOf(payload, event);
    switch (base.event) {
      case "session.created":
        // A subagent's session: the parent session started earlier.
        return base.agentId === undefined
          ? { ...base, kind: "session-start", source: "startup" }
          : { ...base, kind: "other" };
      case "chat.message":
        return { ...base, kind: "prompt", isRepeatPrompt: isRepeated(payload) };
      case "tool.execute.before":
        return { ...base, kind: "before-tool", tool: toolOf(payload) };
      case "tool.execute.after":
        return {
          ...base,
          kind: "after-tool",
          tool: toolOf(payload),
          succeeded: hasSucceeded(payload),
        };
      case "session.idle":
        return { ...base, kind: "stop", wasContinued: false };
      case "session.deleted":
        return base.agentId === undefined
          ? { ...base, kind: "session-end", reason: "deleted" }
          : { ...base, kind: "stop", wasContinued: false };
      case "permission.asked":
      case "permission.updated":
        return {
          ...base,
          kind: "activity",
          ...askedFor(permissionOf(payload)),
        };
      case "question.asked":
        return { ...base, kind: "activity", ...ASKS };
      case "permission.replied":
      case "question.replied":
      case "question.rejected":
        return { ...base, kind: "activity", ...GOES_ON };
      default:
        return { ...base, kind: "other" };
    }
  },
  render(event: HookEvent, decision: Decision): Rendered {
    const context = decision.context || undefined;
    if (event.kind === "before-tool" && decision.verdict === "deny") {
      const text = context === undefined
        ? decision.reason
        : `${decision.reason}\n\n${context}`;
      return answer(
        { deny: text, ...noticeMember(decision, "notice") },
        { reason: true, context: context !== undefined },
      );
    }
    const more = continuation(event, decision);
    if (more !== undefined) {
      return answer({ continueWith: more }, { continueWith: true });
    }
    if (context !== undefined && CONTEXT_KINDS.includes(event.kind)) {
      return answer({ context }, { context: true });
    }
    return neutralAnswer(NEUTRAL);
  },
};

function baseOf(payload: Payload, event: string | undefined): EventBase {
  const input = objectField(payload, "input");
  const properties = objectField(payload, "properties");
  const info = objectField(properties, "info");
  const message = objectField(objectField(payload, "output"), "message");
  const ownId = nameField(input, "sessionID") ??
    nameField(properties, "sessionID") ?? nameField(info, "id") ?? "";
  const parentId = nameField(payload, "parentID") ??
    nameField(info, "parentID");
  const model = nameField(objectField(message, "model"), "modelID");
  const named = nameField(payload, "ev") ?? event ?? "";
  return {
    agent: "opencode",
    event: named === "event" ? nameField(payload, "type") ?? "" : named,
    sessionId: parentId ?? ownId,
    ...(parentId === undefined ? {} : { agentId: ownId }),
    cwd: textField(payload, "cwd", "directory") ||
      textField(info, "directory") || "",
    ...(model === undefined ? {} : { model }),
  };
}

/** Reads the name of the tool that asks; the plugin passes no more of it. */
function permissionOf(payload: Payload): string | undefined {
  return nameField(objectField(payload, "properties"), "permission", "type");
}

function toolOf(payload: Payload): ReturnType<typeof readTool> {
  const input = objectField(payload, "input");
  return readTool(
    nameField(input, "tool") ?? "",
    input.args ?? objectField(payload, "output").args,
    nameField(input, "callID"),
    TOOLS,
  );
}

/** The plugin sends no prompt; it says whether one starts with our frame. */
function isRepeated(payload: Payload): boolean {
  if (payload.isRepeatPrompt === true) return true;
  const parts = objectField(payload, "output").parts;
  return Array.isArray(parts) && isRepeat(parts);
}

/** Reads a shell command's exit code; other tools report no failure. */
function hasSucceeded(payload: Payload): boolean {
  const metadata = objectField(objectField(payload, "output"), "metadata");
  return typeof metadata.exit !== "number" || metadata.exit === 0;
}
