/**
 * The folder of a user's files of an agent, as the agent finds it.
 *
 * | program | variable | without it |
 * | --- | --- | --- |
 * | Claude Code | `CLAUDE_CONFIG_DIR` | `~/.claude` |
 * | Codex | `CODEX_HOME` | `~/.codex` |
 * | Gemini CLI | `GEMINI_CLI_HOME`, with `/.gemini` below it | `~/.gemini` |
 * | kimi-code | `KIMI_CODE_HOME` | `~/.kimi-code` |
 * | kimi-cli | `KIMI_SHARE_DIR` | `~/.kimi` |
 * | Qwen Code | `QWEN_HOME`, also in `~/.qwen/.env` and `~/.env` | `~/.qwen` |
 * | Copilot CLI | `COPILOT_HOME` | `~/.copilot` |
 * | Cursor's editor | | `~/.cursor` |
 * | Cursor's CLI | `CURSOR_CONFIG_DIR` | `~/.cursor` |
 * | opencode | `OPENCODE_CONFIG_DIR`, `XDG_CONFIG_HOME` with `/opencode` | `~/.config/opencode` |
 * | Droid | `FACTORY_HOME_OVERRIDE`, with `/.factory` below it | `~/.factory` |
 *
 * A relative value starts in the folder in which the agent is started. Only Qwen
 * Code expands `~`; for the others it is an ordinary name. (Read in claude-code
 * 2.1.330, codex 0.169.0, gemini-cli 0.61.0, kimi-code 2.1.0, qwen-code 0.24.4,
 * opencode 1.18.33 and droid 0.215.0. Copilot's and Cursor's variables come from
 * their documentation.)
 *
 * @module
 */

import type { ConfigPlace } from "./config.ts";

/** A program with a folder of a user's files. */
export type HomeOwner =
  | "claude"
  | "codex"
  | "gemini"
  | "kimi-code"
  | "kimi-cli"
  | "qwen"
  | "copilot"
  | "cursor"
  | "cursor-agent"
  | "opencode"
  | "droid";

/** Returns the folder of a program's files of a user. */
export function homeOf(owner: HomeOwner, place: ConfigPlace): string {
  const { home } = place;
  const at = (variable: string) => folderIn(place, variable);
  switch (owner) {
    case "claude":
      return at("CLAUDE_CONFIG_DIR") ?? `${home}/.claude`;
    case "codex":
      return at("CODEX_HOME") ?? `${home}/.codex`;
    case "gemini":
      return `${at("GEMINI_CLI_HOME") ?? home}/.gemini`;
    case "kimi-code":
      return at("KIMI_CODE_HOME") ?? `${home}/.kimi-code`;
    case "kimi-cli":
      return at("KIMI_SHARE_DIR") ?? `${home}/.kimi`;
    case "qwen":
      return folderIn(place, "QWEN_HOME", true) ?? `${home}/.qwen`;
    case "copilot":
      return at("COPILOT_HOME") ?? `${home}/.copilot`;
    case "cursor":
      return `${home}/.cursor`;
    case "cursor-agent":
      return at("CURSOR_CONFIG_DIR") ?? `${home}/.cursor`;
    case "opencode":
      return at("OPENCODE_CONFIG_DIR") ??
        `${at("XDG_CONFIG_HOME") ?? `${home}/.config`}/opencode`;
    case "droid":
      return `${at("FACTORY_HOME_OVERRIDE") ?? home}/.factory`;
  }
}

/** Whether a variable names the folder of a program's files. */
export function isHomeNamed(owner: HomeOwner, place: ConfigPlace): boolean {
  const usual = { ...place, env: () => undefined };
  return homeOf(owner, place) !== homeOf(owner, usual);
}

/** Returns the folder that a variable names; undefined if it names none. */
function folderIn(
  { home, project, folder = project, env }: ConfigPlace,
  variable: string,
  expandsHome = false,
): string | undefined {
  const named = env(variable);
  if (!named) return undefined;
  const rest = expandsHome ? /^~(?:[/\\](.*))?$/s.exec(named) : null;
  if (rest !== null) return tidied(`${home}/${rest[1] ?? ""}`);
  const isAbsolute = named.startsWith("/") ||
    Deno.build.os === "windows" && /^(?:[A-Za-z]:)?[\\/]/.test(named);
  return tidied(isAbsolute ? named : `${folder}/${named}`);
}

/** Removes `.`, `..` and a final slash from a path. */
function tidied(path: string): string {
  const names: string[] = [];
  for (const name of path.split("/")) {
    if (name === "..") names.pop();
    else if (name !== "" && name !== ".") names.push(name);
  }
  return path.startsWith("/") ? `/${names.join("/")}` : names.join("/");
}
