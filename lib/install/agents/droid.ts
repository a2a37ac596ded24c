/**
 * Where Droid reads its hooks.
 *
 * `~/.factory/settings.json` and `.factory/settings.json` in a project hold them
 * under `hooks`. A `hooks.json` beside it holds nothing else, with the events at
 * its top, and for an event that is in it the settings are not read: where there
 * is one, ours go there, and out of the settings.
 *
 * The timeout is in seconds; a matcher is a regular expression that may match
 * anywhere. `FACTORY_HOME_OVERRIDE` stands in for the home folder.
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

// A server's tool is called after it, as `server___tool` or `mcp_server_tool`.
const EDITS = "Create|Edit|MultiEdit|ApplyPatch|Execute|mcp_.*|.+___.+";
const MATCHERS: readonly (readonly [string, string?])[] = [
  ["SessionStart"],
  ["UserPromptSubmit"],
  ["PreToolUse", `^(${EDITS})$`],
  ["PostToolUse", `^(${EDITS}|Read)$`],
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

/** A file in which our hooks have no effect any more: they only go out. */
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
