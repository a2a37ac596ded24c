/**
 * The configuration of all agents, by name.
 *
 * @module
 */

import type { AgentName } from "../../hooks/agents/agent.ts";
import { claudeConfig } from "./claude.ts";
import { codexConfig } from "./codex.ts";
import type { AgentConfig } from "./config.ts";
import { copilotConfig } from "./copilot.ts";
import { cursorConfig } from "./cursor.ts";
import { droidConfig } from "./droid.ts";
import { geminiConfig } from "./gemini.ts";
import { kimiConfig } from "./kimi.ts";
import { opencodeConfig } from "./opencode.ts";
import { qwenConfig } from "./qwen.ts";

/** All agents' configuration. */
export const AGENT_CONFIGS: Readonly<Record<AgentName, AgentConfig>> = {
  claude: claudeConfig,
  codex: codexConfig,
  gemini: geminiConfig,
  kimi: kimiConfig,
  qwen: qwenConfig,
  copilot: copilotConfig,
  cursor: cursorConfig,
  opencode: opencodeConfig,
  droid: droidConfig,
};
