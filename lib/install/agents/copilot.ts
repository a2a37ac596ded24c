/**
 * GitHub Copilot CLI's configuration of hooks: a file of our own in its hooks
 * folder, timeouts in seconds. `COPILOT_HOME` moves the user's folder.
 *
 * In this folder an invalid entry drops only itself; in the settings it would
 * drop all hooks. The input does not name the event, so the command does. A
 * matcher must match the whole name.
 *
 * @module
 */

import { copilot } from "../../hooks/agents/copilot.ts";
import {
  type AgentConfig,
  type ConfigFile,
  type ConfigPlace,
  type ConfigScope,
  hookCommand,
  TIMEOUT_SECONDS,
} from "./config.ts";
import { homeOf } from "./homes.ts";
import { type JsonHook, jsonHooksFile } from "./json_hooks.ts";

// The name of an MCP tool is `server-tool`.
const SHELLS = "bash|powershell|[^-]+-.+";
const EDITS = `edit|create|str_replace_editor|apply_patch|${SHELLS}`;
const MATCHERS: readonly (readonly [string, string?])[] = [
  ["sessionStart"],
  ["userPromptSubmitted"],
  ["preToolUse", EDITS],
  ["postToolUse", `${EDITS}|view`],
  ["postToolUseFailure", SHELLS],
  ["notification", "permission_prompt|elicitation_dialog"],
  ["agentStop"],
  ["sessionEnd"],
];

/** GitHub Copilot CLI's configuration. */
export const copilotConfig: AgentConfig = {
  name: "copilot",
  files(scope: ConfigScope, place: ConfigPlace): ConfigFile[] {
    const folder = scope === "project"
      ? `${place.project}/.github`
      : homeOf("copilot", place);
    return [jsonHooksFile({
      path: `${folder}/hooks/message-bus.json`,
      agent: "copilot",
      hooks: hooks(),
      beside: { version: 1 },
    })];
  },
};

function hooks(): JsonHook[] {
  return MATCHERS.map(([event, matcher]) => ({
    event,
    entry: {
      type: "command",
      // A POSIX shell's text; Copilot would give `command` to other shells, too.
      bash: hookCommand(copilot, event),
      ...(matcher === undefined ? {} : { matcher }),
      timeoutSec: TIMEOUT_SECONDS,
    },
  }));
}
