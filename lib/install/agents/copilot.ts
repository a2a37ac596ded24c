/**
 * Where GitHub Copilot CLI's hooks are configured: a file of our own in its
 * folder of hooks, in seconds. `COPILOT_HOME` moves the person's folder.
 *
 * In such a folder a bad entry drops only itself; inside its settings it would
 * take all hooks with it. The input does not name the event, so the command
 * does. A matcher has to match the whole name.
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

// A tool of a server is called after it: `server-tool`.
const SHELLS = "bash|powershell|[^-]+-.+";
const EDITS = `edit|create|str_replace_editor|apply_patch|${SHELLS}`;
const MATCHERS: readonly (readonly [string, string?])[] = [
  ["sessionStart"],
  ["userPromptSubmitted"],
  ["preToolUse", EDITS],
  ["postToolUse", `${EDITS}|view`],
  ["postToolUseFailure", SHELLS],
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
      // The text is for a POSIX shell: `command` would hand it to others too.
      bash: hookCommand(copilot, event),
      ...(matcher === undefined ? {} : { matcher }),
      timeoutSec: TIMEOUT_SECONDS,
    },
  }));
}
