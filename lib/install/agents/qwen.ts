/**
 * Qwen Code's configuration of hooks: `settings.json`, timeouts in milliseconds.
 * `QWEN_HOME` moves the user's folder.
 *
 * It has Claude's form and events with Gemini's tools. A matcher is a regular
 * expression that may match anywhere, so it is anchored.
 *
 * @module
 */

import { qwen } from "../../hooks/agents/qwen.ts";
import {
  type AgentConfig,
  type ConfigFile,
  type ConfigPlace,
  type ConfigScope,
  hookCommand,
  TIMEOUT_SECONDS,
} from "./config.ts";
import { homeOf } from "./homes.ts";
import { groupOf, type JsonHook, jsonHooksFile } from "./json_hooks.ts";

const SHELLS = "run_shell_command|monitor|mcp__.*";
const EDITS = `write_file|edit|replace|notebook_edit|${SHELLS}`;
const MATCHERS: readonly (readonly [string, string?])[] = [
  ["SessionStart"],
  ["UserPromptSubmit"],
  ["PreToolUse", `^(${EDITS})$`],
  ["PostToolUse", `^(${EDITS}|read_file|read_many_files)$`],
  ["PostToolUseFailure", `^(${SHELLS})$`],
  ["PermissionRequest"],
  ["Notification"],
  ["Stop"],
  ["SessionEnd"],
];

/** Qwen Code's configuration. */
export const qwenConfig: AgentConfig = {
  name: "qwen",
  files(scope: ConfigScope, place: ConfigPlace): ConfigFile[] {
    const folder = scope === "project"
      ? `${place.project}/.qwen`
      : homeOf("qwen", place);
    return [jsonHooksFile({
      path: `${folder}/settings.json`,
      agent: "qwen",
      hooks: hooks(),
    })];
  },
};

function hooks(): JsonHook[] {
  const command = {
    command: hookCommand(qwen),
    timeout: TIMEOUT_SECONDS * 1000,
  };
  return MATCHERS.map(([event, matcher]) => ({
    event,
    entry: groupOf(command, matcher),
  }));
}
