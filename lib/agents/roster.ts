/**
 * The agents by name, each loaded only when it is asked for.
 *
 * A hook serves one agent and must start fast: the import of the others would
 * be paid on every tool call. The specifiers are literals, so that a bundler
 * and `deno compile` see them.
 *
 * @module
 */

import { type Agent, AGENT_NAMES, type AgentName } from "./agent.ts";

/**
 * Says whether a text names an agent.
 *
 * @param name Any text.
 * @returns Whether it is one of {@linkcode AGENT_NAMES}.
 */
export function isAgentName(name: string): name is AgentName {
  return (AGENT_NAMES as readonly string[]).includes(name);
}

/**
 * Loads an agent.
 *
 * @param name The agent's name.
 * @returns Its hook contract.
 */
export async function loadAgent(name: AgentName): Promise<Agent> {
  switch (name) {
    case "claude":
      return (await import("./claude.ts")).claude;
    case "codex":
      return (await import("./codex.ts")).codex;
    case "gemini":
      return (await import("./gemini.ts")).gemini;
    case "kimi":
      return (await import("./kimi.ts")).kimi;
    case "qwen":
      return (await import("./qwen.ts")).qwen;
    case "copilot":
      return (await import("./copilot.ts")).copilot;
    case "cursor":
      return (await import("./cursor.ts")).cursor;
    case "opencode":
      return (await import("./opencode.ts")).opencode;
  }
}
