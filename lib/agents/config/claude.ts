/**
 * Where Claude Code's hooks are configured: `settings.json`, in seconds.
 *
 * `CLAUDE_CONFIG_DIR` moves the person's folder. A matcher of names and `|` is
 * a list of whole names. A shell command that failed may have written before:
 * it has an event of its own.
 *
 * @module
 */

import { claude } from "../claude.ts";
import {
  type AgentConfig,
  type ConfigFile,
  type ConfigPlace,
  type ConfigScope,
  hookCommand,
  TIMEOUT_SECONDS,
} from "./config.ts";
import { groupOf, type JsonHook, jsonHooksFile } from "./json_hooks.ts";

const EDITS = "Edit|Write|MultiEdit|NotebookEdit|Bash";
const MATCHERS: readonly (readonly [string, string?])[] = [
  ["SessionStart"],
  ["UserPromptSubmit"],
  ["PreToolUse", EDITS],
  ["PostToolUse", `${EDITS}|Read`],
  ["PostToolUseFailure", "Bash"],
  ["Stop"],
  ["SessionEnd"],
];

/** Claude Code's configuration. */
export const claudeConfig: AgentConfig = {
  name: "claude",
  files(scope: ConfigScope, place: ConfigPlace): ConfigFile[] {
    const folder = scope === "project"
      ? `${place.project}/.claude`
      : place.env("CLAUDE_CONFIG_DIR") || `${place.home}/.claude`;
    return [jsonHooksFile({
      path: `${folder}/settings.json`,
      agent: "claude",
      hooks: hooks(),
    })];
  },
};

function hooks(): JsonHook[] {
  const command = { command: hookCommand(claude), timeout: TIMEOUT_SECONDS };
  return MATCHERS.map(([event, matcher]) => ({
    event,
    entry: groupOf(command, matcher),
  }));
}
