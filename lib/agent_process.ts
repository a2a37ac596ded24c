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
 * | droid | short name `droid` |
 * | gemini, qwen | the script: `gemini`, `qwen` or of their package; of launcher and agent the agent is nearer |
 * | kimi | short name or title `kimi-code`, or a script of its package |
 * | copilot | the file it runs, `copilot`; its short name is `MainThread` |
 * | opencode | `OPENCODE_PID` |
 *
 * @module
 */

import { variable } from "./permissions.ts";
import type { ProcessEntry } from "./process_entry.ts";
import { ancestors } from "./processes.ts";

/** The agents whose processes are known. */
export type AgentVendor =
  | "claude"
  | "codex"
  | "droid"
  | "gemini"
  | "qwen"
  | "kimi"
  | "copilot"
  | "opencode";

/** The process of an agent's session. */
export interface AgentProcess {
  /** Whose agent it is. */
  readonly vendor: AgentVendor;
  /** Its pid in this host. */
  readonly pid: number;
  /** When it started, as `processStart` tells. */
  readonly startTime: string;
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
  if (command === "droid") return "droid";
  if (command === "kimi-code") return "kimi";
  if (pid === markers.opencode) return "opencode";
  // What follows is read from the system only now.
  if (fileName(entry.executable) === "copilot") return "copilot";
  return vendorOfScript(entry.arguments);
}

/** The vendor whose script an interpreter runs. */
function vendorOfScript(words: readonly string[]): AgentVendor | undefined {
  if (words[0] === "kimi-code") return "kimi";
  if (!/^(?:node|bun|deno)(?:\.exe)?$/.test(fileName(words[0] ?? ""))) {
    return undefined;
  }
  const script = words.slice(1).find((word) => !word.startsWith("-")) ?? "";
  const name = fileName(script).replace(/\.[cm]?js$/, "");
  if (name === "gemini" || script.includes("/@google/gemini-cli/")) {
    return "gemini";
  }
  if (name === "qwen" || script.includes("/@qwen-code/qwen-code/")) {
    return "qwen";
  }
  return script.includes("/@moonshot-ai/kimi-code/") ? "kimi" : undefined;
}

function fileName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
