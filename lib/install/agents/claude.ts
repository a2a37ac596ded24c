/**
 * Where Claude Code's hooks are configured: `settings.json`, in seconds.
 *
 * `CLAUDE_CONFIG_DIR` moves the person's folder. A matcher of names and `|` is
 * a list of whole names. A shell command that failed may have written before:
 * it has an event of its own.
 *
 * A hook with `asyncRewake` runs in the background and, if it ends with 2, wakes
 * the agent with what it said: one that waits for messages goes in behind the one
 * of a turn's end where a person asks for it.
 *
 * @module
 */

import { WAKE } from "../../hooks/agents/agent.ts";
import { claude } from "../../hooks/agents/claude.ts";
import {
  type AgentConfig,
  type ConfigFile,
  type ConfigOptions,
  type ConfigPlace,
  type ConfigScope,
  hookCommand,
  TIMEOUT_SECONDS,
} from "./config.ts";
import { homeOf } from "./homes.ts";
import { groupOf, type JsonHook, jsonHooksFile } from "./json_hooks.ts";

const SHELLS = "Bash|PowerShell|Monitor|mcp__.*";
const EDITS = `Edit|Write|MultiEdit|NotebookEdit|${SHELLS}`;
const MATCHERS: readonly (readonly [string, string?])[] = [
  ["SessionStart"],
  ["UserPromptSubmit"],
  ["PreToolUse", `^(${EDITS})$`],
  ["PostToolUse", `^(${EDITS}|Read)$`],
  ["PostToolUseFailure", `^(${SHELLS})$`],
  ["Stop"],
  ["SessionEnd"],
];

// How long an idle Claude Code can be woken after a turn.
const WAKE_SECONDS = 12 * 60 * 60;

/** Claude Code's configuration. */
export const claudeConfig: AgentConfig = {
  name: "claude",
  files(
    scope: ConfigScope,
    place: ConfigPlace,
    { wake = false }: ConfigOptions = {},
  ): ConfigFile[] {
    const folder = scope === "project"
      ? `${place.project}/.claude`
      : homeOf("claude", place);
    const path = `${folder}/settings.json`;
    const file = (wakes: boolean) =>
      jsonHooksFile({ path, agent: "claude", hooks: hooks(wakes) });
    const [plain, waking] = [file(false), file(true)];
    const fileFor = (text: string | undefined) =>
      wake || text?.includes(`mbus hook claude ${WAKE}`) ? waking : plain;
    return [{
      ...plain,
      install: (text) => fileFor(text).install(text),
      status: (text) => fileFor(text).status(text),
    }];
  },
};

function hooks(wakes: boolean): JsonHook[] {
  const command = { command: hookCommand(claude), timeout: TIMEOUT_SECONDS };
  return MATCHERS.map(([event, matcher]) => ({
    event,
    entry: wakes && event === "Stop"
      ? groupOf(command, matcher, {
        command: hookCommand(claude, WAKE),
        asyncRewake: true,
        timeout: WAKE_SECONDS,
      })
      : groupOf(command, matcher),
  }));
}
