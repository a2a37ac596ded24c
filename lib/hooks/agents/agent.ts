/**
 * The contract between a coding agent's hooks and the decision core.
 *
 * An agent runs `mbus hook AGENT` at points of its work and reads the response
 * from standard output. Agents differ in field names, event names and the form of
 * the response. An {@linkcode Agent} turns its agent's input into a
 * {@linkcode HookEvent}, and a {@linkcode Decision} into its agent's response. It
 * has no state and does no I/O.
 *
 * Invariants:
 * - `parse` never throws. Input that it cannot read becomes an event of kind
 *   `other`, with all fields that it could read.
 * - No event contains a prompt, file content or tool result. It contains a shell
 *   command, because the writes are read off it. The command must not be stored.
 * - `render` always returns a response in the agent's form, for exit code 0. It
 *   says which parts of the decision the agent shows its model.
 *
 * A hook must start fast, so this file and its imports use the language only.
 *
 * @module
 */

/** An agent's name on the bus and on the command line. */
export type AgentName =
  | "claude"
  | "codex"
  | "gemini"
  | "kimi"
  | "qwen"
  | "copilot"
  | "cursor"
  | "opencode"
  | "droid";

/** All agents, in the order in which they are listed to people. */
export const AGENT_NAMES: readonly AgentName[] = [
  "claude",
  "codex",
  "gemini",
  "kimi",
  "qwen",
  "copilot",
  "cursor",
  "opencode",
  "droid",
];

/** Stands for an event on the command line of the hook that wakes an agent. */
export const WAKE = "wake";

/** Reads one environment variable, as `Deno.env.get` does. */
export type ReadVariable = (name: string) => string | undefined;

/** Effect of a tool, as far as the bus is concerned. */
export type ToolKind = "edit" | "shell" | "read" | "other";

/** One tool call of a model. */
export interface ToolCall {
  /** The tool's name, as the agent calls it. */
  readonly name: string;
  /** The agent's id of this call, if the agent gives one. */
  readonly callId?: string;
  /** The tool's effect. */
  readonly kind: ToolKind;
  /**
   * The paths that the call names, as given: unresolved, and without `file:`.
   * Empty for a shell tool, and for a tool that is known to touch no file.
   */
  readonly paths: readonly string[];
  /** A shell tool's command. */
  readonly command?: string;
  /**
   * The folder in which a shell tool runs its command, as given: absolute, or
   * relative to the session's folder. Absent if the call names none.
   */
  readonly folder?: string;
  /** Whether a shell tool's command may still run when the call has ended. */
  readonly isBackground?: boolean;
  /** Whether a bound left out some of the paths, or the command's end. */
  readonly isCut?: boolean;
}

/** Reason for a session's start. */
export type SessionSource =
  | "startup"
  | "resume"
  | "clear"
  | "compact"
  | "fork"
  | "unknown";

/** Fields of all events. */
export interface EventBase {
  /** The calling agent. */
  readonly agent: AgentName;
  /** The agent's own name of the event, or empty. */
  readonly event: string;
  /** The session's id, or empty if the input has none. */
  readonly sessionId: string;
  /** The subagent's id, if a subagent of the session acts. */
  readonly agentId?: string;
  /** The working directory, or empty if the input has none. */
  readonly cwd: string;
  /** The model's name, if the input has one. */
  readonly model?: string;
  /** The host program, if it reads another form of response than the agent. */
  readonly host?: "vscode";
}

/** A session started, or went on after a pause. */
export interface SessionStartEvent extends EventBase {
  /** The kind of event. */
  readonly kind: "session-start";
  /** Reason for the start. */
  readonly source: SessionSource;
}

/** A prompt is about to go to the model. */
export interface PromptEvent extends EventBase {
  /** The kind of event. */
  readonly kind: "prompt";
  /** Whether the prompt is the agent's or our own text, not a person's. */
  readonly isRepeatPrompt: boolean;
}

/** A tool is about to run. */
export interface BeforeToolEvent extends EventBase {
  /** The kind of event. */
  readonly kind: "before-tool";
  /** The call. */
  readonly tool: ToolCall;
}

/** A tool has run. */
export interface AfterToolEvent extends EventBase {
  /** The kind of event. */
  readonly kind: "after-tool";
  /** The call. */
  readonly tool: ToolCall;
  /** Whether the tool succeeded, if the agent says so. */
  readonly succeeded?: boolean;
}

/** The model has finished its turn; with an `agentId`, a subagent has. */
export interface StopEvent extends EventBase {
  /** The kind of event. */
  readonly kind: "stop";
  /** Whether a hook has already held this turn once. */
  readonly wasContinued: boolean;
}

/** The session has ended. */
export interface SessionEndEvent extends EventBase {
  /** The kind of event. */
  readonly kind: "session-end";
  /** The agent's word for the reason, or `unknown`. */
  readonly reason: string;
}

/** The agent needs its person, or goes on or rests without another event. */
export interface ActivityEvent extends EventBase {
  /** The kind of event. */
  readonly kind: "activity";
  /** The state that the agent reports. */
  readonly state: "working" | "idle" | "needs-person";
  /** What the person is needed for. */
  readonly why?: string;
}

/** Any other event, and input that could not be read. */
export interface OtherEvent extends EventBase {
  /** The kind of event. */
  readonly kind: "other";
}

/** One call of a hook, in the terms of the bus. */
export type HookEvent =
  | SessionStartEvent
  | PromptEvent
  | BeforeToolEvent
  | AfterToolEvent
  | StopEvent
  | SessionEndEvent
  | ActivityEvent
  | OtherEvent;

/** The kinds of events. */
export type HookKind = HookEvent["kind"];

/** Lets the agent go on. */
export interface AllowDecision {
  /** The agent goes on. */
  readonly verdict: "allow";
  /** Framed text for the model. */
  readonly context?: string;
  /** Framed text that holds a stopping agent for one more turn. */
  readonly continueWith?: string;
}

/** Stops a tool before it runs; has no effect on other events. */
export interface DenyDecision {
  /** The tool does not run. */
  readonly verdict: "deny";
  /** Reason for the model. */
  readonly reason: string;
  /** Further framed text for the model. */
  readonly context?: string;
  /** Short sentence for the person, if the agent has a field for it. */
  readonly notice?: string;
}

/** The decision core's result for an event. */
export type Decision = AllowDecision | DenyDecision;

/** The parts of a decision that a response brings to the model. */
export interface Carried {
  /** Whether the tool is stopped and the model reads the reason. */
  readonly reason: boolean;
  /** Whether the model reads the context. */
  readonly context: boolean;
  /** Whether the agent goes on with the text. */
  readonly continueWith: boolean;
}

/** A response to an agent. */
export interface Rendered {
  /** Text for standard output; the exit code after it is 0. */
  readonly output: string;
  /** The parts of the decision that the response carries. */
  readonly carried: Carried;
}

/** One coding agent's hook contract. */
export interface Agent {
  /** The agent's name, which is also its vendor string on the bus. */
  readonly name: AgentName;
  /** The response that changes nothing, valid for every event. */
  readonly neutral: string;
  /**
   * Reads the agent's input.
   *
   * @param input The parsed JSON, or any other value.
   * @param env Reads an environment variable, for fields that the input lacks.
   * @param event The event's name, if the command line contains it.
   * @returns The event; of kind `other` if it could not be recognised.
   */
  parse(input: unknown, env: ReadVariable, event?: string): HookEvent;
  /**
   * Writes a decision in the agent's form.
   *
   * @param event The event.
   * @param decision The decision.
   * @returns The response, and the parts that it carries.
   */
  render(event: HookEvent, decision: Decision): Rendered;
}
