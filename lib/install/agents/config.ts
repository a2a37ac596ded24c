/**
 * An agent's configuration files that contain our hooks.
 *
 * An {@linkcode AgentConfig} knows where its agent looks for hooks. It makes a
 * {@linkcode ConfigFile} for each such place: pure functions from text to text,
 * without I/O. The caller shows the difference, asks, keeps a backup, and removes
 * a file whose text becomes `undefined`.
 *
 * Invariants of every file:
 * - Text that is not ours stays byte for byte: comments, order, indentation,
 *   trailing commas, line ends, byte order mark, a missing last line end.
 * - `uninstall(install(text)) === text`, also for `undefined`: no file.
 * - `install(install(text)) === install(text)`.
 * - An unreadable text causes a {@linkcode ConfigError} and stays unchanged.
 *
 * Hooks never import this folder.
 *
 * @module
 */

import type {
  Agent,
  AgentName,
  ReadVariable,
} from "../../hooks/agents/agent.ts";

/** Maximum duration of a hook, in seconds. */
export const TIMEOUT_SECONDS = 2;

/** Scope of an installation: this user, or all users of a project. */
export type ConfigScope = "user" | "project";

/** The form of a configuration file. */
export type ConfigFormat = "json" | "toml" | "plugin";

/** The folders and variables that locate configuration files. */
export interface ConfigPlace {
  /** The home directory, absolute. */
  readonly home: string;
  /** The project's root, absolute. */
  readonly project: string;
  /**
   * The folder in which agents are started, absolute. Relative values of their
   * variables start there.
   * @default {project}
   */
  readonly folder?: string;
  /** Reads an environment variable. */
  readonly env: ReadVariable;
  /** Whether a file exists; by default none does. */
  readonly exists?: (path: string) => boolean;
}

/** Optional parts of the hooks. */
export interface ConfigOptions {
  /**
   * Whether messages wake an idle agent, if the agent can be woken. Once
   * installed, this stays until it is uninstalled.
   * @default {false}
   */
  readonly wake?: boolean;
}

/** One file that can contain our hooks. */
export interface ConfigFile {
  /** The path, absolute. */
  readonly path: string;
  /** The form. */
  readonly format: ConfigFormat;
  /** The program that reads it, if the agent has several. */
  readonly program?: string;
  /**
   * Whether a variable of the person names its folder, so that it counts before it
   * exists.
   * @default {false}
   */
  readonly isNamed?: boolean;
  /**
   * Adds our hooks, or updates them.
   *
   * @param text The file's text, `undefined` if there is no file.
   * @returns The new text; the same if nothing changes.
   * @throws {ConfigError} If the text cannot be read or edited.
   */
  install(text: string | undefined): string;
  /**
   * Removes our hooks.
   *
   * @param text The file's text.
   * @returns The new text, `undefined` if the file had no other content.
   * @throws {ConfigError} If the text cannot be read.
   */
  uninstall(text: string): string | undefined;
  /**
   * Compares the text with the hooks of this version.
   *
   * @param text The file's text, `undefined` if there is no file.
   * @returns `current`, `outdated` or `absent`.
   */
  status(text: string | undefined): "current" | "outdated" | "absent";
}

/** The configuration of one agent's hooks. */
export interface AgentConfig {
  /** The agent. */
  readonly name: AgentName;
  /** The person's next step after installing, if there is one. */
  readonly afterInstall?: string;
  /**
   * Lists the files to install into.
   *
   * @param scope The scope.
   * @param place The home directory and the project.
   * @param options Optional parts of the hooks.
   * @returns The files; none if the agent does not have the scope.
   */
  files(
    scope: ConfigScope,
    place: ConfigPlace,
    options?: ConfigOptions,
  ): ConfigFile[];
}

/** Thrown if a configuration file cannot be edited. */
export class ConfigError extends Error {
  /** The class's name. */
  override readonly name = "ConfigError";
  /** The file's path. */
  readonly path: string;
  /** The file's form. */
  readonly format: ConfigFormat;
  /** The line of the fault, from 1; 0 if it has no position. */
  readonly line: number;
  /** The column of the fault, from 1; 0 if it has no position. */
  readonly column: number;

  /**
   * Makes the message from the fault and its remedy.
   *
   * @param file The file's path and form.
   * @param trouble The fault.
   * @param advice The remedy.
   * @param at Line and column, from 1.
   */
  constructor(
    file: Pick<ConfigFile, "path" | "format">,
    trouble: string,
    advice: string,
    at?: { readonly line: number; readonly column: number },
  ) {
    const where = at === undefined
      ? ""
      : ` at line ${at.line}, column ${at.column}`;
    super(`Cannot edit "${file.path}": ${trouble}${where}. ${advice}`);
    this.path = file.path;
    this.format = file.format;
    this.line = at?.line ?? 0;
    this.column = at?.column ?? 0;
  }
}

/**
 * Returns the line and column of an offset.
 *
 * @param text The text.
 * @param offset The offset in it.
 * @returns Line and column, from 1.
 */
export function positionOf(
  text: string,
  offset: number,
): { line: number; column: number } {
  const before = text.slice(0, offset).split("\n");
  return { line: before.length, column: (before.at(-1)?.length ?? 0) + 1 };
}

/**
 * Whether a command is one of ours for this agent.
 *
 * @param command The command, of any type.
 * @param agent The agent.
 * @returns Whether it calls `mbus hook` for it.
 */
export function isOurCommand(command: unknown, agent: AgentName): boolean {
  return typeof command === "string" &&
    new RegExp(`\\bmbus hook ${agent}\\b`).test(command);
}

/** Agents whose tools proceed if a hook cannot be started or is killed. */
const GOES_ON: readonly AgentName[] = ["claude", "codex", "kimi", "droid"];

/**
 * Name of a file in the folder `message-bus` of the user's data. With it,
 * `deno task install` says how to run `mbus hook` without the launcher's shell.
 */
export const HOOK_FRAGMENT = "hook.sh";

const ZSH_READS = '[ -z "$ZSH_VERSION" ] || setopt posixbuiltins; ';

/**
 * Makes the shell command that an agent runs at a hook.
 *
 * The command runs `mbus hook`, or the program that {@linkcode HOOK_FRAGMENT}
 * puts in its place without the launcher's shell. If neither exists, the agent
 * gets its neutral response and exit code 0, because a missing program must not
 * stop an edit. The agent's input is then read to its end, so that the agent does
 * not write to a closed pipe. This happens in the background, because an agent
 * may leave the pipe open. The command uses only builtins of a POSIX shell, so it
 * works with an empty PATH.
 *
 * - The fragment is read by `command .`: a shell that cannot read a file named by
 *   `.` exits otherwise, some with exit code 2. The slash before the path makes a
 *   relative folder a missing one, because a project must not provide a file to
 *   run. The fragment lies in the user's own data, as does its program.
 * - In some agents a failing `mbus` would stop the tool, or leave an invalid
 *   response. There the shell stays and prints the neutral response. Otherwise
 *   `exec` saves a process: Claude Code, Codex and kimi proceed at every exit code
 *   but 2, Droid at every one but 2 and 3.
 * - The user's shell may be zsh, whose `command` finds no builtins by default.
 * - Codex starts hooks with the user's own shell, which may not be a POSIX one. So
 *   its command names `/bin/sh`.
 * - Gemini CLI kills only the shell at the timeout, and then waits until no process
 *   has its output open. So the shell kills `mbus` itself.
 *
 * @param agent The agent.
 * @param event The event, for agents whose input does not contain it.
 * @returns The command, constant for the same arguments.
 */
export function hookCommand(
  agent: Pick<Agent, "name" | "neutral">,
  event?: string,
): string {
  const hook = event === undefined
    ? `mbus hook ${agent.name}`
    : `mbus hook ${agent.name} ${event}`;
  const neutral = agent.neutral === "" ? ":" : `echo "${agent.neutral}"`;
  const run = GOES_ON.includes(agent.name)
    ? 'exec "$@"'
    : agent.name === "gemini"
    ? `${ENDED_WITH_SHELL} || ${neutral}`
    : `"$@" || ${neutral}`;
  // Codex's command names a shell that is not zsh.
  const zsh = agent.name === "codex" ? "" : ZSH_READS;
  const command = `set -- ${hook}; ${zsh}command . ${FRAGMENT} 2>/dev/null; ` +
    `if command -v "$1" >/dev/null 2>&1; ` +
    `then ${run}; else ${DRAIN} ${neutral}; fi`;
  return agent.name === "codex" ? `/bin/sh -c '${command}'` : command;
}

const FRAGMENT =
  `"/${"${XDG_DATA_HOME:-$HOME/.local/share}"}/message-bus/${HOOK_FRAGMENT}"`;

// A background program loses its standard input, so descriptor 3 passes it on.
const DRAIN = "exec 3<&0; " +
  "while read -r _; do :; done <&3 3<&- >/dev/null 2>&1 &";
const ENDED_WITH_SHELL =
  `exec 3<&0; trap 'kill -9 $!' TERM; "$@" <&3 3<&- & wait $!`;
