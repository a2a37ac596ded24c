/**
 * Cursor's configuration of hooks: `hooks.json`, timeouts in seconds. The editor
 * reads it in `~/.cursor`; `CURSOR_CONFIG_DIR` moves the command line's folder.
 *
 * One unknown event name voids the whole file. So only events of every known
 * version are used.
 *
 * @module
 */

import { cursor } from "../../hooks/agents/cursor.ts";
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
    if (scope === "project") return [file(`${place.project}/.cursor`)];
    const [editor, cli] = [
      homeOf("cursor", place),
      homeOf("cursor-agent", place),
    ];
    return editor === cli ? [file(editor)] : [
      { ...file(editor), program: "cursor" },
      { ...file(cli), program: "cursor-agent", isNamed: true },
    ];
  },
};

function file(folder: string): ConfigFile {
  return jsonHooksFile({
    path: `${folder}/hooks.json`,
    agent: "cursor",
    hooks: hooks(),
    beside: { version: 1 },
  });
}

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
