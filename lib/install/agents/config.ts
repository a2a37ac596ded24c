/**
 * An agent's configuration, as far as our hooks are in it.
 *
 * An {@linkcode AgentConfig} knows where its agent looks for hooks and gives,
 * for each such place, a {@linkcode ConfigFile}: pure functions from text to
 * text. Nothing here reads or writes a file; whoever does shows the difference,
 * asks, keeps a backup, and removes a file whose text becomes `undefined`.
 *
 * What every file keeps true:
 * - What is not ours stays byte for byte: comments, order, indentation,
 *   trailing commas, line ends, byte order mark, a missing last line end.
 * - `uninstall(install(text)) === text`, also for `undefined`: no file.
 * - `install(install(text)) === install(text)`.
 * - What cannot be read is refused with a {@linkcode ConfigError}, unchanged.
 *
 * This half is loaded only to install; the hook path never imports it.
 *
 * @module
 */

import type {
  Agent,
  AgentName,
  ReadVariable,
} from "../../hooks/agents/agent.ts";

/** How long a hook may take, in seconds. */
export const TIMEOUT_SECONDS = 2;

/** For whom hooks are installed: this person, or everybody in a project. */
export type ConfigScope = "user" | "project";

/** The form of a configuration file. */
export type ConfigFormat = "json" | "toml" | "plugin";

/** Where to look for configuration. */
export interface ConfigPlace {
  /** The home directory, absolute. */
  readonly home: string;
  /** The project's root, absolute. */
  readonly project: string;
  /**
   * The folder in which agents are started, absolute: a relative value of theirs
   * starts there.
   * @default {project}
   */
  readonly folder?: string;
  /** Reads an environment variable. */
  readonly env: ReadVariable;
  /** Whether there is such a file; by default none is. */
  readonly exists?: (path: string) => boolean;
}

/** What of ours goes in beyond what always does. */
export interface ConfigOptions {
  /**
   * Whether messages wake an idle agent, where it has a way for that. What was put
   * in so stays until it is taken out.
   * @default {false}
   */
  readonly wake?: boolean;
}

/** One file that can hold our hooks. */
export interface ConfigFile {
  /** Its path, absolute. */
  readonly path: string;
  /** Its form. */
  readonly format: ConfigFormat;
  /** Which program reads it, if the agent's name stands for more than one. */
  readonly program?: string;
  /**
   * Whether the person has named its folder by a variable, so that it counts
   * before it is there.
   * @default {false}
   */
  readonly isNamed?: boolean;
  /**
   * Puts our hooks in, or brings them up to date.
   *
   * @param text The file's text, `undefined` if there is no file.
   * @returns The new text; the same if nothing changes.
   * @throws {ConfigError} If the text cannot be read or has no room for them.
   */
  install(text: string | undefined): string;
  /**
   * Takes our hooks out.
   *
   * @param text The file's text.
   * @returns The new text, `undefined` if the file was ours alone.
   * @throws {ConfigError} If the text cannot be read.
   */
  uninstall(text: string): string | undefined;
  /**
   * Says whether our hooks are in, as this version installs them.
   *
   * @param text The file's text, `undefined` if there is no file.
   * @returns `current`, `outdated` or `absent`.
   */
  status(text: string | undefined): "current" | "outdated" | "absent";
}

/** Where one agent's hooks are configured. */
export interface AgentConfig {
  /** The agent. */
  readonly name: AgentName;
  /** What a person has to do after installing, if anything. */
  readonly afterInstall?: string;
  /**
   * Lists the files to install into.
   *
   * @param scope For whom.
   * @param place Where home and the project are.
   * @param options What goes in beyond what always does.
   * @returns The files; none if the agent has no such scope.
   */
  files(
    scope: ConfigScope,
    place: ConfigPlace,
    options?: ConfigOptions,
  ): ConfigFile[];
}

/** A configuration file could not be edited. */
export class ConfigError extends Error {
  /** The class's name. */
  override readonly name = "ConfigError";
  /** The file. */
  readonly path: string;
  /** Its form. */
  readonly format: ConfigFormat;
  /** The line of the trouble, from 1; 0 if it has no place. */
  readonly line: number;
  /** The column of the trouble, from 1; 0 if it has no place. */
  readonly column: number;

  /**
   * Says what stood in the way and what to do.
   *
   * @param file The file's path and form.
   * @param trouble What stood in the way.
   * @param advice What to do.
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
 * Finds the line and column of an offset.
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
 * Says whether a command is one of ours for this agent.
 *
 * @param command The command, of any type.
 * @param agent The agent.
 * @returns Whether it calls `mbus hook` for it.
 */
export function isOurCommand(command: unknown, agent: AgentName): boolean {
  return typeof command === "string" &&
    new RegExp(`\\bmbus hook ${agent}\\b`).test(command);
}

/** Agents that let a tool go on whose hook cannot be started or is killed. */
const GOES_ON: readonly AgentName[] = ["claude", "codex", "kimi", "droid"];

/**
 * The file, in the folder `message-bus` of the user's data, by which
 * `deno task install` says what runs `mbus hook` without a shell of its own.
 */
export const HOOK_FRAGMENT = "hook.sh";

const ZSH_READS = '[ -z "$ZSH_VERSION" ] || setopt posixbuiltins; ';

/**
 * Makes the shell command that an agent runs at a hook.
 *
 * It runs `mbus hook`, or what {@linkcode HOOK_FRAGMENT} puts in its place: the
 * same program without the launcher's shell, a millisecond sooner. If neither is
 * there the agent gets its neutral answer and exit code 0, as a missing program
 * must not stop an edit. What the agent writes is read to its end also then, so
 * that it does not meet a closed pipe; in the background, because an agent may
 * leave the pipe open. Only what a POSIX shell has built in is used, so it works
 * with an empty PATH.
 *
 * - By `command`, as a shell that cannot read what `.` names ends otherwise, and
 *   some with exit code 2. The slash before it makes a relative folder one that
 *   is not there: a project must not bring a file to run. What is read lies in the
 *   user's own data, as does the program that it names.
 * - Where an `mbus` that fails to start would stop the tool, or leave an answer
 *   that is none, the shell stays to say the neutral one. Elsewhere `mbus` takes
 *   its place, which is half a millisecond sooner: Claude Code, Codex and kimi go
 *   on at every exit code but 2, and Droid at every one but 2 and 3.
 * - A person's shell may be zsh, whose `command` knows no builtins unless told.
 * - Codex starts hooks with the person's own shell, which may be none of POSIX: for
 *   it the command names `/bin/sh`.
 * - Gemini CLI ends only the shell when the time is up, and then waits until nobody
 *   holds its output any more: so the shell ends `mbus` in its turn.
 *
 * @param agent The agent.
 * @param event The event, for agents whose input does not tell it.
 * @returns The command, always the same for the same arguments.
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
  // Codex names a shell that is not zsh.
  const zsh = agent.name === "codex" ? "" : ZSH_READS;
  const command = `set -- ${hook}; ${zsh}command . ${FRAGMENT} 2>/dev/null; ` +
    `if command -v "$1" >/dev/null 2>&1; ` +
    `then ${run}; else ${DRAIN} ${neutral}; fi`;
  return agent.name === "codex" ? `/bin/sh -c '${command}'` : command;
}

const FRAGMENT =
  `"/${"${XDG_DATA_HOME:-$HOME/.local/share}"}/message-bus/${HOOK_FRAGMENT}"`;

// A program in the background loses its input, unless that is handed on.
const DRAIN = "exec 3<&0; " +
  "while read -r _; do :; done <&3 3<&- >/dev/null 2>&1 &";
const ENDED_WITH_SHELL =
  `exec 3<&0; trap 'kill -9 $!' TERM; "$@" <&3 3<&- & wait $!`;
