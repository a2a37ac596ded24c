/**
 * The agents by name.
 *
 * A hook serves one agent, but all are loaded: finding a further file costs more
 * than loading nine short contracts.
 *
 * @module
 */

import { type Agent, AGENT_NAMES, type AgentName } from "./agent.ts";
import { claude } from "./claude.ts";
import { codex } from "./codex.ts";
import { copilot } from "./copilot.ts";
import { cursor } from "./cursor.ts";
import { droid } from "./droid.ts";
import { gemini } from "./gemini.ts";
import { kimi } from "./kimi.ts";
import { opencode } from "./opencode.ts";
import { qwen } from "./qwen.ts";

/** Each agent's hook contract. */
export const AGENTS: Readonly<Record<AgentName, Agent>> = {
  claude,
  codex,
  gemini,
  kimi,
  qwen,
  copilot,
  cursor,
  opencode,
  droid,
};

/**
 * Whether a text names an agent.
 *
 * @param name Any text.
 * @returns Whether it is one of {@linkcode AGENT_NAMES}.
 */
export function isAgentName(name: string): name is AgentName {
  return (AGENT_NAMES as readonly string[]).includes(name);
}
