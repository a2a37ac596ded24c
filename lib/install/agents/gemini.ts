/**
 * Gemini CLI's configuration of hooks: `settings.json`, timeouts in milliseconds.
 *
 * `GEMINI_CLI_HOME` replaces the home directory. A matcher is a regular expression
 * that may match anywhere, so it is anchored.
 *
 * @module
 */

import { gemini } from "../../hooks/agents/gemini.ts";
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

const EDITS = "write_file|replace|run_shell_command|mcp_.*";
const MATCHERS: readonly (readonly [string, string?])[] = [
  ["SessionStart"],
  ["BeforeAgent"],
  ["BeforeTool", `^(${EDITS})$`],
  ["AfterTool", `^(${EDITS}|read_file|read_many_files)$`],
  ["Notification"],
  ["AfterAgent"],
  ["SessionEnd"],
];

/** Gemini CLI's configuration. */
export const geminiConfig: AgentConfig = {
  name: "gemini",
  files(scope: ConfigScope, place: ConfigPlace): ConfigFile[] {
    const folder = scope === "project"
      ? `${place.project}/.gemini`
      : homeOf("gemini", place);
    return [jsonHooksFile({
      path: `${folder}/settings.json`,
      agent: "gemini",
      hooks: hooks(),
    })];
  },
};

function hooks(): JsonHook[] {
  const command = {
    name: "message-bus",
    command: hookCommand(gemini),
    timeout: TIMEOUT_SECONDS * 1000,
  };
  return MATCHERS.map(([event, matcher]) => ({
    event,
    entry: groupOf(command, matcher),
  }));
}
