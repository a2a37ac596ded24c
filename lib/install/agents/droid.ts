/**
 * Droid's configuration of hooks.
 *
 * `~/.factory/settings.json`, and `.factory/settings.json` in a project, contain
 * them under `hooks`. A `hooks.json` beside it contains only events, at its top.
 * For an event in `hooks.json`, Droid ignores the settings. So if `hooks.json`
 * exists, our hooks go there and are removed from the settings.
 *
 * Timeouts are in seconds. A matcher is a regular expression that may match
 * anywhere. `FACTORY_HOME_OVERRIDE` replaces the home folder.
 *
 * @module
 */

import { droid } from "../../hooks/agents/droid.ts";
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

// The name of an MCP tool is `server___tool` or `mcp_server_tool`.
const EDITS = "Create|Edit|MultiEdit|ApplyPatch|Execute|mcp_.*|.+___.+";
const MATCHERS: readonly (readonly [string, string?])[] = [
  ["SessionStart"],
  ["UserPromptSubmit"],
  ["PreToolUse", `^(${EDITS})$`],
  ["PostToolUse", `^(${EDITS}|Read)$`],
  ["Notification"],
  ["Stop"],
  ["SessionEnd"],
];

/** Droid's configuration. */
export const droidConfig: AgentConfig = {
  name: "droid",
  files(scope: ConfigScope, place: ConfigPlace): ConfigFile[] {
    const folder = scope === "project"
      ? `${place.project}/.factory`
      : homeOf("droid", place);
    const settings = file(`${folder}/settings.json`, false);
    const own = file(`${folder}/hooks.json`, true);
    const exists = (path: string) => place.exists?.(path) === true;
    if (!exists(own.path)) return [settings];
    return exists(settings.path) ? [own, emptied(settings)] : [own];
  },
};

/** Makes a file from which our hooks are only removed: it has no effect. */
function emptied(settings: ConfigFile): ConfigFile {
  return {
    ...settings,
    install: (text) => settings.uninstall(text ?? "{}\n") ?? "{}\n",
    status: (text) =>
      settings.status(text) === "absent" ? "absent" : "outdated",
  };
}

function file(path: string, atRoot: boolean): ConfigFile {
  return jsonHooksFile({ path, agent: "droid", hooks: hooks(), atRoot });
}

function hooks(): JsonHook[] {
  const command = { command: hookCommand(droid), timeout: TIMEOUT_SECONDS };
  return MATCHERS.map(([event, matcher]) => ({
    event,
    entry: groupOf(command, matcher),
  }));
}
