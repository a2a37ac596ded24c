/**
 * Finds the agent among this process's ancestors. A session is registered with
 * that long-lived process, because a command and its shell end soon.
 *
 * 1. The nearest agent is the session. Agents start each other (Claude runs
 *    `codex exec` in its shell), and the inner one inherits the outer one's
 *    environment.
 * 2. So a variable counts only if it names an ancestor. It may come from outside
 *    of a sandbox, or be stale in a terminal multiplexer that an agent started.
 * 3. An agent is recognised by its short name, its executable file, or the
 *    script of its interpreter. Other words of a command line may be a user's.
 *
 * As seen in the agents' versions of late 2026:
 *
 * | vendor | recognised by |
 * | --- | --- |
 * | claude | short name `claude`, or `CLAUDE_PID` |
 * | codex | short name `codex` (its npm launcher exits) |
 * | gemini, qwen | script `gemini` or `qwen`, or one of their packages; the agent is nearer than its launcher |
 * | kimi | short name or title `kimi-code` or `kimi`, or a script of its package |
 * | cursor | short name, title or folder `cursor-agent`; the editor by its short name |
 * | droid | short name `droid` |
 * | copilot | executable `copilot`; its short name is `MainThread` |
 * | opencode | `OPENCODE_PID` |
 *
 * @module
 */

import type { Keeper, ProcessIdentity } from "../model/process.ts";
import { variable } from "./permissions.ts";
import type { ProcessEntry } from "./process_entry.ts";
import { ancestors } from "./processes.ts";

/** The agents whose processes are recognised. */
export type AgentVendor =
  | "claude"
  | "codex"
  | "gemini"
  | "qwen"
  | "kimi"
  | "copilot"
  | "cursor"
  | "droid"
  | "opencode";

/** The process of an agent's session. */
export interface AgentProcess {
  /** The vendor of the agent. */
  readonly vendor: AgentVendor;
  /** The pid in this host. */
  readonly pid: number;
  /** The start time, as `processStart` returns it. */
  readonly startTime: string;
  /** Further processes by which its session lives or is found. */
  readonly keeper?: Keeper;
}

/** The pids in agents' variables. */
export interface AgentMarkers {
  /** `CLAUDE_PID`; absent if it is not set. */
  readonly claude?: number;
  /** `OPENCODE_PID`; absent if it is not set. */
  readonly opencode?: number;
}

/**
 * Returns the first agent of `entries`, by default the ancestors of this
 * process, the parent first. Returns undefined without one, and never throws.
 */
export function nearestAgent(
  entries: Iterable<ProcessEntry> = ancestors(),
  markers: AgentMarkers = agentMarkers(),
): AgentProcess | undefined {
  for (const entry of entries) {
    const vendor = vendorOf(entry, markers);
    if (vendor === undefined) continue;
    return { vendor, pid: entry.pid, startTime: entry.startTime };
  }
  return undefined;
}

/**
 * Returns the process that lives as long as an agent's window: the agent itself.
 * Cursor's editor runs agents below its own process. So Cursor's outermost
 * process has the window, and the agent becomes the `caller` that identifies it.
 *
 * @param agent The nearest agent.
 * @param entries The ancestors of this process, the parent first.
 */
export function windowProcess(
  agent: AgentProcess,
  entries: Iterable<ProcessEntry> = ancestors(),
): AgentProcess {
  if (agent.vendor !== "cursor") return agent;
  const own = [...entries].filter((entry) => vendorOf(entry, {}) === "cursor");
  const { pid, startTime } = own.at(-1) ?? agent;
  if (pid === agent.pid) return agent;
  const caller = { pid: agent.pid, startTime: agent.startTime };
  return { vendor: agent.vendor, pid, startTime, keeper: { caller } };
}

/** Returns the markers of the environment; `NaN` equals no pid. */
function agentMarkers(): AgentMarkers {
  return {
    claude: Number(variable("CLAUDE_PID")),
    opencode: Number(variable("OPENCODE_PID")),
  };
}

function vendorOf(
  entry: ProcessEntry,
  markers: AgentMarkers,
): AgentVendor | undefined {
  const { command, pid } = entry;
  if (command === "claude" || pid === markers.claude) return "claude";
  if (command === "codex") return "codex";
  if (/^kimi(?:-code|-cli)?$/i.test(command)) return "kimi";
  if (command === "droid") return "droid";
  // The editor is `cursor`, on macOS `Cursor` and `Cursor Helper`.
  if (/^cursor\b/i.test(command)) return "cursor";
  if (pid === markers.opencode) return "opencode";
  // The getters `executable` and `arguments` read from the system.
  const { executable } = entry;
  if (fileName(executable) === "copilot") return "copilot";
  if (executable.includes("/cursor-agent/")) return "cursor";
  return vendorOfScript(entry.arguments);
}

/** Returns the vendor of the script that an interpreter runs. */
function vendorOfScript(words: readonly string[]): AgentVendor | undefined {
  const program = fileName(words[0] ?? "");
  if (words[0] === "kimi-code") return "kimi";
  if (program === "cursor-agent") return "cursor";
  const script = words.slice(1).find((word) => !word.startsWith("-")) ?? "";
  const name = fileName(script).replace(/\.[cm]?js$/, "");
  if (/^python[\d.]*$/.test(program)) {
    return /^kimi(?:-cli)?$/.test(name) ? "kimi" : undefined;
  }
  if (!/^(?:node|bun|deno)(?:\.exe)?$/.test(program)) return undefined;
  if (name === "gemini" || script.includes("/@google/gemini-cli/")) {
    return "gemini";
  }
  if (name === "qwen" || script.includes("/@qwen-code/qwen-code/")) {
    return "qwen";
  }
  if (script.includes("/cursor-agent/")) return "cursor";
  return script.includes("/@moonshot-ai/kimi-code/") ? "kimi" : undefined;
}

// Shells and launchers that end with their command.
const PASSING =
  /^(sh|bash|dash|zsh|fish|ksh|busybox|env|timeout|xargs|nice|nohup|sudo|npm|npx|time|script|setsid|flock|mbus)\b/;

/** Returns whether a process ends with the command for which it was started. */
export function isPassing({ command }: Pick<ProcessEntry, "command">): boolean {
  return PASSING.test(command);
}

/**
 * Returns the first of `entries` that does not end with its command: the process
 * that runs a hook. The search ends at the shell of a terminal, because processes
 * further out may serve other terminals. Returns undefined if it finds none.
 */
export function callingProcess(
  entries: Iterable<ProcessEntry> = ancestors(),
): ProcessIdentity | undefined {
  for (const entry of entries) {
    const { pid, startTime, session, tty } = entry;
    if (!isPassing(entry)) return pid === 1 ? undefined : { pid, startTime };
    if (session === pid && tty !== "") return undefined;
  }
  return undefined;
}

function fileName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
