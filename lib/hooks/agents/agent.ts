/**
 * What every coding agent has in common, as the decision core sees it.
 *
 * An agent calls `mbus hook AGENT` at points of its work and reads the answer
 * from standard output. Each has its own field names, event names and answer
 * form. An {@linkcode Agent} turns its agent's input into one
 * {@linkcode HookEvent} and one {@linkcode Decision} back into its agent's
 * answer. It holds no state and touches nothing: no file, no clock, no database.
 *
 * What it keeps true:
 * - `parse` never throws. What it cannot read becomes an event of kind
 *   `other`, with whatever could be read.
 * - No prompt, file content or tool result is in an event. A shell command is:
 *   the writes are read off it. It must not be stored.
 * - `render` always gives an answer in the agent's form, for exit code 0, and
 *   says which parts of the decision the agent will really show its model.
 *
 * The hook path must start fast, so this file and what it imports use the
 * language and nothing else. Editing configuration is in `config/`.
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

/** What stands for an event on the command line of the hook that wakes. */
export const WAKE = "wake";

/** Reads one environment variable, as `Deno.env.get` does. */
export type ReadVariable = (name: string) => string | undefined;

/** What a tool does, as far as the bus cares. */
export type ToolKind = "edit" | "shell" | "read" | "other";

/** One tool call of a model. */
export interface ToolCall {
  /** The tool's name, as the agent calls it. */
  readonly name: string;
  /** The agent's id of this call, where it tells one. */
  readonly callId?: string;
  /** What the tool does. */
  readonly kind: ToolKind;
  /**
   * The paths the tool names, as given: not resolved, and out of `file:` URIs.
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

/** Why a session started. */
export type SessionSource =
  | "startup"
  | "resume"
  | "clear"
  | "compact"
  | "fork"
  | "unknown";

/** What all events carry. */
export interface EventBase {
  /** The agent that called. */
  readonly agent: AgentName;
  /** The agent's own name of the event, or empty. */
  readonly event: string;
  /** The session's id, or empty if the agent told none. */
  readonly sessionId: string;
  /** The subagent's id, if a subagent of the session acts. */
  readonly agentId?: string;
  /** The working directory, or empty if the agent told none. */
  readonly cwd: string;
  /** The model's name, where the agent tells it. */
  readonly model?: string;
  /** The program, if it reads another form of answer than the agent's own. */
  readonly host?: "vscode";
}

/** A session started, or went on after a pause. */
export interface SessionStartEvent extends EventBase {
  /** What kind of event it is. */
  readonly kind: "session-start";
  /** Why. */
  readonly source: SessionSource;
}

/** A prompt is about to go to the model. */
export interface PromptEvent extends EventBase {
  /** What kind of event it is. */
  readonly kind: "prompt";
  /** The agent repeats itself or our own text: no person asked anything. */
  readonly isRepeatPrompt: boolean;
}

/** A tool is about to run. */
export interface BeforeToolEvent extends EventBase {
  /** What kind of event it is. */
  readonly kind: "before-tool";
  /** The call. */
  readonly tool: ToolCall;
}

/** A tool has run. */
export interface AfterToolEvent extends EventBase {
  /** What kind of event it is. */
  readonly kind: "after-tool";
  /** The call. */
  readonly tool: ToolCall;
  /** Whether it did what it should, where the agent tells. */
  readonly succeeded?: boolean;
}

/** The model has finished its turn; with an `agentId`, a subagent has. */
export interface StopEvent extends EventBase {
  /** What kind of event it is. */
  readonly kind: "stop";
  /** A hook has already held this turn back once. */
  readonly wasContinued: boolean;
}

/** The session is over. */
export interface SessionEndEvent extends EventBase {
  /** What kind of event it is. */
  readonly kind: "session-end";
  /** The agent's word for why, or `unknown`. */
  readonly reason: string;
}

/** Anything else, and anything that could not be read. */
export interface OtherEvent extends EventBase {
  /** What kind of event it is. */
  readonly kind: "other";
}

/** One call of a hook, in the words of the bus. */
export type HookEvent =
  | SessionStartEvent
  | PromptEvent
  | BeforeToolEvent
  | AfterToolEvent
  | StopEvent
  | SessionEndEvent
  | OtherEvent;

/** The kinds of events. */
export type HookKind = HookEvent["kind"];

/** Let the agent go on. */
export interface AllowDecision {
  /** The agent goes on. */
  readonly verdict: "allow";
  /** Framed text to put before the model. */
  readonly context?: string;
  /** Framed text that holds a stopping agent for one more turn. */
  readonly continueWith?: string;
}

/** Stop the tool; it has not run. Only of use before a tool. */
export interface DenyDecision {
  /** The tool does not run. */
  readonly verdict: "deny";
  /** What the model is told. */
  readonly reason: string;
  /** Framed text to put before the model as well. */
  readonly context?: string;
  /** Short sentence for the person, where the agent has a field for it. */
  readonly notice?: string;
}

/** What the decision core answers an event with. */
export type Decision = AllowDecision | DenyDecision;

/** Which parts of a decision an answer brings before the model. */
export interface Carried {
  /** The tool is stopped and the model reads why. */
  readonly reason: boolean;
  /** The model reads the context. */
  readonly context: boolean;
  /** The agent goes on with the text. */
  readonly continueWith: boolean;
}

/** An answer to an agent. */
export interface Rendered {
  /** What to print on standard output, whole; exit with 0 after it. */
  readonly output: string;
  /** What of the decision it carries. */
  readonly carried: Carried;
}

/** One coding agent's hook contract. */
export interface Agent {
  /** The agent's name, which is also its vendor string on the bus. */
  readonly name: AgentName;
  /** The answer that changes nothing, good for every event. */
  readonly neutral: string;
  /**
   * Reads what the agent wrote on standard input.
   *
   * @param input The parsed JSON, or anything else.
   * @param env Reads an environment variable, for what the input leaves out.
   * @param event The event's name if the command line told it.
   * @returns The event; of kind `other` if it could not be recognised.
   */
  parse(input: unknown, env: ReadVariable, event?: string): HookEvent;
  /**
   * Writes a decision in the agent's form.
   *
   * @param event The event that is answered.
   * @param decision What was decided.
   * @returns The answer and what it carries.
   */
  render(event: HookEvent, decision: Decision): Rendered;
}
