/**
 * Kimi's configuration of hooks: `config.toml`, timeouts in seconds. kimi-code has
 * one file (`KIMI_CODE_HOME` moves it), the older kimi-cli another
 * (`KIMI_SHARE_DIR`). Neither has hooks for a project.
 *
 * A hook has four keys: with a fifth, the configuration fails to load. A matcher
 * is a regular expression that may match anywhere, so it is anchored. It names the
 * tools of both programs.
 *
 * @module
 */

import { kimi } from "../../hooks/agents/kimi.ts";
import {
  type AgentConfig,
  type ConfigFile,
  type ConfigPlace,
  type ConfigScope,
  hookCommand,
  TIMEOUT_SECONDS,
} from "./config.ts";
import { homeOf, isHomeNamed } from "./homes.ts";
import { tomlString } from "./toml.ts";
import { type TomlHook, tomlHooksFile } from "./toml_hooks.ts";

const SHELLS = "Bash|Shell|PowerShell|mcp__.*";
const EDITS = `Edit|Write|StrReplaceFile|WriteFile|${SHELLS}`;
const MATCHERS: readonly (readonly [string, string?])[] = [
  ["SessionStart"],
  ["UserPromptSubmit"],
  ["PreToolUse", `^(${EDITS})$`],
  ["PostToolUse", `^(${EDITS}|Read|ReadFile)$`],
  ["PostToolUseFailure", `^(${SHELLS})$`],
  ["Stop"],
  ["StopFailure"],
  ["SessionEnd"],
];

// kimi-cli refuses a configuration with an event that it does not know.
const OF_KIMI_CODE: readonly (readonly [string, string?])[] = [
  ["PermissionRequest"],
  ["PermissionResult"],
  ["Interrupt"],
];

/** Kimi's configuration. */
export const kimiConfig: AgentConfig = {
  name: "kimi",
  files(scope: ConfigScope, place: ConfigPlace): ConfigFile[] {
    if (scope === "project") return [];
    return (["kimi-code", "kimi-cli"] as const)
      .map((program) => ({
        ...file(program, homeOf(program, place)),
        isNamed: isHomeNamed(program, place),
      }));
  },
};

function file(program: string, folder: string): ConfigFile {
  const matchers = program === "kimi-code"
    ? [...MATCHERS, ...OF_KIMI_CODE]
    : MATCHERS;
  return tomlHooksFile({
    path: `${folder}/config.toml`,
    agent: "kimi",
    program,
    root: ["hooks"],
    hooks: matchers.map(([event, matcher]) => hookOf(event, matcher)),
  });
}

function hookOf(event: string, matcher?: string): TomlHook {
  const pairs = [
    `event = ${tomlString(event)}`,
    ...(matcher === undefined ? [] : [`matcher = ${tomlString(matcher)}`]),
    `command = ${tomlString(hookCommand(kimi))}`,
    `timeout = ${TIMEOUT_SECONDS}`,
  ];
  return {
    list: ["hooks"],
    block: ["[[hooks]]", ...pairs],
    inline: `{ ${pairs.join(", ")} }`,
  };
}
