/**
 * The inputs that each agent writes to its hooks, with the fields that a hook
 * reads. They follow recorded inputs, or Cursor's documentation.
 *
 * @module
 */

import type { AgentName } from "../../lib/hooks/agents/agent.ts";

/** The points at which all agents call. */
export const POINTS = [
  "start",
  "prompt",
  "before-edit",
  "after-edit",
  "before-shell",
  "after-shell",
  "after-read",
  "stop",
  "end",
] as const;

/** A point at which an agent calls. */
export type Point = typeof POINTS[number];

/** One call. */
export interface HookCall {
  /** The point of the call. */
  readonly point: Point;
  /** The session's id. */
  readonly session: string;
  /** The working directory. */
  readonly cwd: string;
  /** The edited or read file. */
  readonly path?: string;
  /** The shell's command. */
  readonly command?: string;
  /** The agent's id of the call. */
  readonly callId?: string;
  /** Reason for the session's start; `startup` by default. */
  readonly source?: string;
  /** The acting subagent. */
  readonly agentId?: string;
  /** Whether a hook has held this turn before. */
  readonly held?: boolean;
}

/** An agent's names for the fields that a hook reads. */
interface Spelling {
  /** Its events by point; a missing one does not exist. */
  readonly events: Readonly<Partial<Record<Point, string>>>;
  /** The names of its tools. */
  readonly tools: {
    readonly edit: string;
    readonly shell: string;
    readonly read: string;
  };
  /** The input of its edit tool. */
  readonly edit: (path: string) => unknown;
  /** Further fields of every input. */
  readonly always?: Readonly<Record<string, unknown>>;
}

const CLAUDE_EVENTS = {
  "start": "SessionStart",
  "prompt": "UserPromptSubmit",
  "before-edit": "PreToolUse",
  "after-edit": "PostToolUse",
  "before-shell": "PreToolUse",
  "after-shell": "PostToolUse",
  "after-read": "PostToolUse",
  "stop": "Stop",
  "end": "SessionEnd",
};

const SPELLINGS: Readonly<Record<AgentName, Spelling>> = {
  claude: {
    events: CLAUDE_EVENTS,
    tools: { edit: "Edit", shell: "Bash", read: "Read" },
    edit: (path) => ({ file_path: path, old_string: "a", new_string: "b" }),
    always: { permission_mode: "acceptEdits" },
  },
  codex: {
    events: CLAUDE_EVENTS,
    tools: { edit: "apply_patch", shell: "Bash", read: "Bash" },
    edit: (path) => ({
      command:
        `*** Begin Patch\n*** Update File: ${path}\n@@\n-a\n+b\n*** End Patch\n`,
    }),
    always: { model: "gpt-5.5", turn_id: "turn-1" },
  },
  gemini: {
    events: {
      "start": "SessionStart",
      "prompt": "BeforeAgent",
      "before-edit": "BeforeTool",
      "after-edit": "AfterTool",
      "before-shell": "BeforeTool",
      "after-shell": "AfterTool",
      "after-read": "AfterTool",
      "stop": "AfterAgent",
      "end": "SessionEnd",
    },
    tools: { edit: "replace", shell: "run_shell_command", read: "read_file" },
    edit: (path) => ({ file_path: path, old_string: "a", new_string: "b" }),
    always: { timestamp: "2026-11-22T17:20:30.503Z", transcript_path: "/t" },
  },
  kimi: {
    events: CLAUDE_EVENTS,
    tools: { edit: "Edit", shell: "Bash", read: "Read" },
    edit: (path) => ({ path, old_string: "a", new_string: "b" }),
    always: { client_type: "kimi_code_cli" },
  },
  qwen: {
    events: CLAUDE_EVENTS,
    tools: { edit: "edit", shell: "run_shell_command", read: "read_file" },
    edit: (path) => ({ file_path: path, old_string: "a", new_string: "b" }),
    always: { timestamp: "2026-11-22T17:20:30.503Z", permission_mode: "yolo" },
  },
  copilot: {
    events: {
      "start": "sessionStart",
      "prompt": "userPromptSubmitted",
      "before-edit": "preToolUse",
      "after-edit": "postToolUse",
      "before-shell": "preToolUse",
      "after-shell": "postToolUse",
      "after-read": "postToolUse",
      "stop": "agentStop",
      "end": "sessionEnd",
    },
    tools: { edit: "edit", shell: "bash", read: "view" },
    edit: (path) => ({ path, old_str: "a", new_str: "b" }),
  },
  cursor: {
    events: {
      "start": "sessionStart",
      "prompt": "beforeSubmitPrompt",
      "before-edit": "preToolUse",
      "after-edit": "postToolUse",
      "before-shell": "preToolUse",
      "after-shell": "postToolUse",
      "after-read": "postToolUse",
      "stop": "stop",
      "end": "sessionEnd",
    },
    tools: { edit: "StrReplace", shell: "Shell", read: "Read" },
    edit: (path) => ({ target_file: path }),
    always: { cursor_version: "1.7.2", model: "some-model" },
  },
  opencode: {
    events: {
      "start": "session.created",
      "prompt": "chat.message",
      "before-edit": "tool.execute.before",
      "after-edit": "tool.execute.after",
      "before-shell": "tool.execute.before",
      "after-shell": "tool.execute.after",
      "after-read": "tool.execute.after",
      "stop": "session.idle",
      "end": "session.deleted",
    },
    tools: { edit: "edit", shell: "bash", read: "read" },
    edit: (path) => ({ filePath: path }),
  },
  droid: {
    events: CLAUDE_EVENTS,
    tools: { edit: "Edit", shell: "Execute", read: "Read" },
    edit: (path) => ({ file_path: path, old_str: "a", new_str: "b" }),
    always: { permission_mode: "auto-low" },
  },
};

/** Returns the agent's own name of a point. */
export function eventAt(agent: AgentName, point: Point): string {
  const event = SPELLINGS[agent].events[point];
  if (event === undefined) throw new Error(`${agent} has no ${point}.`);
  return event;
}

/** Returns the names of the agent's tools. */
export function toolNamesOf(agent: AgentName): Spelling["tools"] {
  return SPELLINGS[agent].tools;
}

/**
 * Returns the input that an agent writes to its hook at a call.
 *
 * @param tool The called tool, by default the point's own.
 */
export function inputOf(
  agent: AgentName,
  call: HookCall,
  tool: Tool | undefined = toolOf(SPELLINGS[agent], call),
): Record<string, unknown> {
  const spelling = SPELLINGS[agent];
  if (agent === "opencode") return ofPlugin(call, tool);
  if (agent === "copilot") return ofCopilot(call, tool);
  const { session, cwd, agentId, callId = "call-1" } = call;
  return {
    ...spelling.always,
    [agent === "cursor" ? "conversation_id" : "session_id"]: session,
    cwd,
    hook_event_name: eventAt(agent, call.point),
    ...(agentId !== undefined && { agent_id: agentId, agent_type: "general" }),
    ...(tool !== undefined && {
      tool_name: tool.name,
      tool_input: tool.input,
      tool_use_id: callId,
      tool_call_id: callId,
      ...(call.point.startsWith("after") && { tool_response: {} }),
    }),
    ...atPoint(call, agent === "kimi"),
  };
}

/** A tool and its input. */
export interface Tool {
  /** The agent's name of the tool. */
  readonly name: string;
  /** Its arguments. */
  readonly input: unknown;
}

function toolOf({ tools, edit }: Spelling, call: HookCall): Tool | undefined {
  const { point, path = "", command = "true" } = call;
  if (point.endsWith("-edit")) return { name: tools.edit, input: edit(path) };
  if (point.endsWith("-shell")) {
    return { name: tools.shell, input: { command } };
  }
  if (point.endsWith("-read")) {
    return {
      name: tools.read,
      input: { file_path: path, path, filePath: path },
    };
  }
}

function atPoint(
  { point, source = "startup", held = false }: HookCall,
  inParts: boolean,
): Record<string, unknown> {
  switch (point) {
    case "start":
      return { source };
    case "prompt":
      return { prompt: inParts ? [{ type: "text", text: "do it" }] : "do it" };
    case "stop":
      return { stop_hook_active: held };
    case "end":
      return { reason: "exit" };
    default:
      return {};
  }
}

function ofCopilot(
  call: HookCall,
  tool: Tool | undefined,
): Record<string, unknown> {
  const { session, cwd, agentId } = call;
  return {
    // A subagent has an id of its own, and names its parent session's.
    sessionId: agentId ?? session,
    ...(agentId !== undefined && { agentId, parentAgentId: session }),
    timestamp: 1795368039786,
    cwd,
    ...(tool !== undefined && { toolName: tool.name, toolArgs: tool.input }),
    ...(tool !== undefined && call.point.startsWith("after") && {
      toolResult: { resultType: "success", textResultForLlm: "" },
    }),
    ...atPoint(call, false),
  };
}

function ofPlugin(
  call: HookCall,
  tool: Tool | undefined,
): Record<string, unknown> {
  const { point, session, cwd, agentId, callId = "call-1" } = call;
  // A subagent is a session of its own, with a parent.
  const ids = agentId === undefined
    ? { sessionID: session }
    : { sessionID: agentId };
  const parent = agentId === undefined ? {} : { parentID: session };
  const event = eventAt("opencode", point);
  if (tool !== undefined) {
    const args = { args: tool.input };
    return {
      ev: event,
      cwd,
      ...parent,
      input: {
        tool: tool.name,
        ...ids,
        callID: callId,
        ...(point.startsWith("after") && args),
      },
      output: point.startsWith("after") ? { metadata: { exit: 0 } } : args,
    };
  }
  if (point === "prompt") {
    return {
      ev: event,
      cwd,
      ...parent,
      input: ids,
      output: { message: {} },
      isRepeatPrompt: false,
    };
  }
  return {
    ev: "event",
    type: event,
    cwd,
    ...parent,
    properties: { ...ids, info: { id: ids.sessionID, ...parent } },
  };
}
