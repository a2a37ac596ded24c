/**
 * Where Cursor's hooks are configured: `hooks.json`, in seconds.
 *
 * One event name that it does not know voids the whole file, so only those that
 * every known version has are used.
 *
 * @module
 */

import { cursor } from "../cursor.ts";
import {
  type AgentConfig,
  type ConfigFile,
  type ConfigPlace,
  type ConfigScope,
  hookCommand,
  TIMEOUT_SECONDS,
} from "./config.ts";
import { type JsonHook, jsonHooksFile } from "./json_hooks.ts";

const EDITS =
  "Write|StrReplace|Edit|MultiEdit|Delete|EditNotebook|ApplyPatch|" +
  "Shell|PowerShell|MCP:.*";
const MATCHERS: readonly (readonly [string, string?])[] = [
  ["sessionStart"],
  ["beforeSubmitPrompt"],
  ["preToolUse", EDITS],
  ["postToolUse", `${EDITS}|Read`],
  ["stop"],
  ["sessionEnd"],
];

/** Cursor's configuration. */
export const cursorConfig: AgentConfig = {
  name: "cursor",
  files(scope: ConfigScope, place: ConfigPlace): ConfigFile[] {
    const root = scope === "project" ? place.project : place.home;
    return [jsonHooksFile({
      path: `${root}/.cursor/hooks.json`,
      agent: "cursor",
      hooks: hooks(),
      beside: { version: 1 },
    })];
  },
};

function hooks(): JsonHook[] {
  return MATCHERS.map(([event, matcher]) => ({
    event,
    entry: {
      command: hookCommand(cursor),
      ...(matcher === undefined ? {} : { matcher }),
      timeout: TIMEOUT_SECONDS,
    },
  }));
}
