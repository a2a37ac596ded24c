/**
 * Which agent runs us: the long-lived process that a session is registered
 * with, as a command's own process ends at once and the shell it ran in soon.
 *
 * What it keeps true, and why:
 *
 * 1. The nearest agent is the session. Agents start each other (a Claude runs
 *    `codex exec` in its shell), and variables of the outer one are inherited.
 * 2. So a variable never names an agent by itself, it only marks a process that
 *    is among our ancestors. It may come from outside a sandbox, or have gone
 *    stale in a terminal multiplexer that an agent once started.
 * 3. An agent is told by what it is, not by words that someone may have in a
 *    command line: by its short name, by the file it runs, or by the script
 *    that its interpreter runs.
 *
 * How each is told, as far as their versions of late 2026 were seen:
 *
 * | vendor | told by |
 * | --- | --- |
 * | claude | short name `claude`, or `CLAUDE_PID` |
 * | codex | short name `codex` (its npm launcher does not stay) |
 * | gemini, qwen | the script: `gemini`, `qwen` or of their package; of launcher and agent the agent is nearer |
 * | kimi | short name or title `kimi-code` or `kimi`, or a script of its package |
 * | cursor | short name, title or folder `cursor-agent`; the editor by its short name |
 * | droid | short name `droid` |
 * | copilot | the file it runs, `copilot`; its short name is `MainThread` |
 * | opencode | `OPENCODE_PID` |
 *
 * @module
 */

import type { Keeper, ProcessIdentity } from "../model/process.ts";
import { variable } from "./permissions.ts";
import type { ProcessEntry } from "./process_entry.ts";
import { ancestors } from "./processes.ts";

/** The agents whose processes are known. */
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
  /** Whose agent it is. */
  readonly vendor: AgentVendor;
  /** Its pid in this host. */
  readonly pid: number;
  /** When it started, as `processStart` tells. */
  readonly startTime: string;
  /** What its session lives by, or is known by, beside it. */
  readonly keeper?: Keeper;
}

/** The pids that agents' variables name. */
export interface AgentMarkers {
  /** `CLAUDE_PID`; not set if the variable is not. */
  readonly claude?: number;
  /** `OPENCODE_PID`; not set if the variable is not. */
  readonly opencode?: number;
}

/**
 * Finds the nearest of `entries` (by default our ancestors, the parent first)
 * that is an agent; `undefined` if none is. Never throws.
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
 * The process that lives and dies with an agent's window. It is the agent's own,
 * but for Cursor's: its editor runs agents below one process, so the outermost of
 * `entries` that is Cursor's has the window, and the agent's is what it is known
 * by.
 *
 * @param agent The nearest agent.
 * @param entries Our ancestors, the parent first.
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

/** The markers in our environment; what is no number marks nothing. */
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
  // The editor's processes: `cursor`, on macOS `Cursor` and `Cursor Helper`.
  if (/^cursor\b/i.test(command)) return "cursor";
  if (pid === markers.opencode) return "opencode";
  // What follows is read from the system only now.
  const { executable } = entry;
  if (fileName(executable) === "copilot") return "copilot";
  if (executable.includes("/cursor-agent/")) return "cursor";
  return vendorOfScript(entry.arguments);
}

/** The vendor whose script an interpreter runs. */
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

/** Shells and starters that end with the command they were started for. */
const PASSING =
  /^(sh|bash|dash|zsh|fish|ksh|busybox|env|timeout|xargs|nice|nohup|sudo|npm|npx|time|script|setsid|flock|mbus)\b/;

/** Whether a process ends with the command that it was started for. */
export function isPassing({ command }: Pick<ProcessEntry, "command">): boolean {
  return PASSING.test(command);
}

/**
 * The nearest of `entries` that is not just there to run a command: of a hook,
 * the process that called it. `undefined` if none is nearer than the shell of a
 * terminal, as what is further out runs other terminals, too.
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
