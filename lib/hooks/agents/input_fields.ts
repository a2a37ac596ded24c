/**
 * Reads the input form that most agents share, by a table.
 *
 * All agents but opencode send one flat JSON object. Its fields mean the same
 * under a few spellings, in snake case or camel case. A {@linkcode FieldTable}
 * names an agent's events and tools, and the variables for missing fields. Other
 * peculiarities stay in the agent's own file.
 *
 * A prompt is read once and not kept. It is a repeat if it is empty, is an
 * agent's own notification, or starts with our frame: an agent that is held at a
 * stop feeds the reason back as a prompt.
 *
 * @module
 */

import type {
  AgentName,
  EventBase,
  HookEvent,
  HookKind,
  ReadVariable,
  SessionSource,
} from "./agent.ts";
import { FRAME_MARK } from "../frame.ts";
import {
  isTrue,
  nameField,
  objectField,
  type Payload,
  payloadOf,
  textField,
} from "./payload.ts";
import { reportOf } from "./activity_report.ts";
import { readTool, type ToolNames } from "./tool.ts";

/** How to read an agent's input. */
export interface FieldTable {
  /** The agent. */
  readonly agent: AgentName;
  /** The kinds of its events by name; all other events are `other`. */
  readonly events: Readonly<Record<string, HookKind>>;
  /** Its tools. */
  readonly tools: ToolNames;
  /** Variables that hold the session's id. */
  readonly sessionVariables?: readonly string[];
  /** Variables that hold the working or project directory. */
  readonly folderVariables?: readonly string[];
  /** Variables that hold the model's name. */
  readonly modelVariables?: readonly string[];
  /** Returns whether a tool succeeded; undefined if unknown. */
  readonly succeeded?: (payload: Payload, event: string) => boolean | undefined;
}

const SOURCES: Readonly<Record<string, SessionSource>> = {
  startup: "startup",
  new: "startup",
  resume: "resume",
  clear: "clear",
  compact: "compact",
  fork: "fork",
};
const NOTIFICATION = "<task-notification>";
const PROMPT_CHARS_READ = 4096;

/**
 * Reads an input of the common form.
 *
 * @param table The agent's table.
 * @param input The parsed JSON, or any other value.
 * @param env Reads an environment variable.
 * @param event The event's name if it is known from elsewhere.
 * @returns The event.
 */
export function parseFields(
  table: FieldTable,
  input: unknown,
  env: ReadVariable,
  event?: string,
): HookEvent {
  const payload = payloadOf(input);
  const base = readBase(table, payload, env, event);
  const kind = Object.hasOwn(table.events, base.event)
    ? table.events[base.event]
    : "other";
  switch (kind) {
    case "session-start":
      return { ...base, kind, source: sourceOf(payload) };
    case "prompt":
      return { ...base, kind, isRepeatPrompt: isRepeat(payload.prompt) };
    case "before-tool":
      return { ...base, kind, tool: toolOf(table, payload) };
    case "after-tool": {
      const succeeded = table.succeeded?.(payload, base.event);
      const tool = toolOf(table, payload);
      return {
        ...base,
        kind,
        tool,
        ...(succeeded === undefined ? {} : { succeeded }),
      };
    }
    case "stop":
      return {
        ...base,
        kind,
        wasContinued: isTrue(payload, "stop_hook_active", "stopHookActive"),
      };
    case "session-end":
      return {
        ...base,
        kind,
        reason: nameField(payload, "reason") ?? "unknown",
      };
    case "activity": {
      const report = reportOf(payload, base.event);
      return report === undefined
        ? { ...base, kind: "other" }
        : { ...base, kind, ...report };
    }
    default:
      return { ...base, kind: "other" };
  }
}

/**
 * Whether a prompt is not a person's: empty, a notification, or our own text.
 *
 * @param prompt A string or a list of parts with a `text` each.
 * @returns Whether no person wrote the prompt.
 */
export function isRepeat(prompt: unknown): boolean {
  const start = promptStart(prompt).trimStart();
  return start === "" || start.startsWith(NOTIFICATION) ||
    start.includes(FRAME_MARK);
}

/**
 * Reads the reason for a session's start.
 *
 * @param payload The input.
 * @returns The reason, `unknown` if it is missing or not known.
 */
export function sourceOf(payload: Payload): SessionSource {
  const source = textField(payload, "source") ?? "";
  return Object.hasOwn(SOURCES, source) ? SOURCES[source] : "unknown";
}

function readBase(
  table: FieldTable,
  payload: Payload,
  env: ReadVariable,
  event: string | undefined,
): EventBase {
  const agentId = nameField(payload, "agent_id", "agentId");
  const model = nameField(payload, "model") ??
    firstVariable(env, table.modelVariables);
  return {
    agent: table.agent,
    event: nameField(payload, "hook_event_name", "hookEventName") ?? event ??
      "",
    sessionId: nameField(payload, "session_id", "sessionId") ??
      firstVariable(env, table.sessionVariables) ?? "",
    ...(agentId === undefined ? {} : { agentId }),
    cwd: textField(payload, "cwd") ||
      firstVariable(env, table.folderVariables) || "",
    ...(model === undefined ? {} : { model }),
  };
}

function toolOf(
  table: FieldTable,
  payload: Payload,
): ReturnType<typeof readTool> {
  return readTool(
    nameField(payload, "tool_name", "toolName") ?? "",
    payload.tool_input ?? payload.toolArgs ?? payload.toolInput,
    nameField(payload, "tool_use_id", "tool_call_id", "toolCallId"),
    table.tools,
  );
}

function promptStart(prompt: unknown): string {
  if (typeof prompt === "string") return prompt.slice(0, PROMPT_CHARS_READ);
  if (!Array.isArray(prompt)) return "";
  const texts = prompt.slice(0, 16).map((part) =>
    textField(payloadOf(part), "text") ?? ""
  );
  // A part without text, such as an image, is a person's prompt, too.
  if (prompt.length > 0 && texts.every((text) => text === "")) return "?";
  return texts.join("\n").slice(0, PROMPT_CHARS_READ);
}

function firstVariable(
  env: ReadVariable,
  names: readonly string[] = [],
): string | undefined {
  for (const name of names) {
    const value = env(name);
    if (value !== undefined && value !== "") return value;
  }
}

/**
 * Reads a tool's result for an error, as Gemini and its descendants report it.
 *
 * @param payload The input.
 * @returns Whether the result names no error.
 */
export function hasNoError(payload: Payload): boolean {
  const error = objectField(payload, "tool_response").error;
  return error === undefined || error === null || error === "";
}
