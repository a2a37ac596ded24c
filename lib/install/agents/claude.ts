/**
 * Claude Code's configuration of hooks: `settings.json`, timeouts in seconds.
 *
 * `CLAUDE_CONFIG_DIR` moves the user's folder. A matcher of names and `|` is a
 * list of whole names. A failed shell command has an event of its own, because it
 * may have written before it failed.
 *
 * A hook with `asyncRewake` runs in the background. If it exits with 2, its output
 * wakes the agent. Where a person asks for it, such a hook waits for messages. It
 * stands behind the hook at the end of a turn.
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
// Answers of the person end such a call.
const ASKS = "AskUserQuestion|ExitPlanMode";
// A permission is also a request of its own, which comes some seconds earlier.
const NOTIFICATIONS =
  "permission_prompt|worker_permission_prompt|idle_prompt|" +
  "elicitation_dialog|elicitation_url_dialog|agent_needs_input";
const MATCHERS: readonly (readonly [string, string?])[] = [
  ["SessionStart"],
  ["UserPromptSubmit"],
  ["PreToolUse", `^(${EDITS})$`],
  ["PostToolUse", `^(${EDITS}|Read|${ASKS})$`],
  ["PostToolUseFailure", `^(${SHELLS})$`],
  ["PermissionRequest"],
  ["Notification", `^(${NOTIFICATIONS})$`],
  ["Stop"],
  ["StopFailure"],
  ["SessionEnd"],
];

// Time for which an idle Claude Code can be woken after a turn.
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
