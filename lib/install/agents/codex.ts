/**
 * Codex's configuration of hooks: `config.toml`, timeouts in seconds.
 * `CODEX_HOME` moves the user's folder.
 *
 * Codex asks the person to approve each hook, and forgets the approval when the
 * hook changes. So a hook's text is constant, and no hook is approved here. A
 * matcher is a regular expression that may match anywhere, so it is anchored.
 *
 * Codex's sandbox lets the model's shell write only below the working folder. The
 * bus folder can be added to the sandbox's `writable_roots`, so that `mbus` works
 * there. An added entry has a comment, or is recognised by its value.
 *
 * The daemon unloads a thread a minute after its window closed, and tells no
 * program before. With a delay of 0, all programs see the end of a session at
 * once, even those that cannot ask the daemon.
 *
 * @module
 */

import { codex } from "../../hooks/agents/codex.ts";
import {
  type AgentConfig,
  type ConfigFile,
  type ConfigPlace,
  type ConfigScope,
  hookCommand,
  TIMEOUT_SECONDS,
} from "./config.ts";
import { homeOf } from "./homes.ts";
import { type Edit, insertItems, removeItems, type Span } from "./sequence.ts";
import { type TomlStatement, tomlString, TomlText, tomlValue } from "./toml.ts";
import { type TomlHook, tomlHooksFile } from "./toml_hooks.ts";

const MATCHER = "^(apply_patch|Bash|mcp__.*)$";
const MATCHERS: readonly (readonly [string, string?])[] = [
  ["SessionStart"],
  ["UserPromptSubmit"],
  ["PreToolUse", MATCHER],
  ["PostToolUse", MATCHER],
  ["PermissionRequest"],
  ["Stop"],
  ["SessionEnd"],
];
const SANDBOX = "sandbox_workspace_write";
const ROOTS = "writable_roots";
const ROOTS_MARK = "# message-bus: so that `mbus` works in the sandbox";

const UNLOAD_DELAY = "thread_unload_delay_secs";
const UNLOAD_MARK =
  "# message-bus: so that a closed window's locks are free at once";

/** Codex's configuration. */
export const codexConfig: AgentConfig = {
  name: "codex",
  afterInstall: "Start codex, type /hooks and approve the hooks of `mbus`: " +
    "until then Codex skips them silently.",
  files(scope: ConfigScope, place: ConfigPlace): ConfigFile[] {
    const folder = scope === "project"
      ? `${place.project}/.codex`
      : homeOf("codex", place);
    return [tomlHooksFile({
      path: `${folder}/config.toml`,
      agent: "codex",
      root: ["hooks"],
      hooks: MATCHERS.map(([event, matcher]) => hookOf(event, matcher)),
    })];
  },
};

function hookOf(event: string, matcher?: string): TomlHook {
  const pairs = [
    'type = "command"',
    `command = ${tomlString(hookCommand(codex))}`,
    `timeout = ${TIMEOUT_SECONDS}`,
  ];
  const match = matcher === undefined
    ? []
    : [`matcher = ${tomlString(matcher)}`];
  const inline = [...match, `hooks = [{ ${pairs.join(", ")} }]`];
  return {
    list: ["hooks", event],
    block: [
      `[[hooks.${event}]]`,
      ...match,
      `[[hooks.${event}.hooks]]`,
      ...pairs,
    ],
    inline: `{ ${inline.join(", ")} }`,
  };
}

/**
 * Lets Codex's sandbox write to a folder.
 *
 * @param text The text of `config.toml`, `undefined` if there is no file.
 * @param folder The folder, absolute.
 * @param path The file's path, for messages.
 * @returns The new text; the same if the folder is present.
 * @throws {ConfigError} If the text cannot be read or edited.
 */
export function addWritableRoot(
  text: string | undefined,
  folder: string,
  path: string,
): string {
  const item = tomlString(folder);
  const pair = `${ROOTS} = [${item}]`;
  const header = `[${SANDBOX}] ${ROOTS_MARK}`;
  if (text === undefined) return `${header}\n${pair}\n`;
  const toml = read(text, path);
  const roots = rootsOf(toml);
  if (roots?.value !== undefined) {
    const array = toml.array(roots.value);
    if (array === undefined) return throwNoTable(toml, roots);
    const isIn = array.items.some((each) => isFolder(toml, each, folder));
    if (isIn) return text;
    return toml.edited(
      insertItems(toml.text, array, [item], toml.gapOf(array)),
    );
  }
  const table = toml.statements.find(({ kind, path: at }) =>
    kind === "table" && at.length === 1 && at[0] === SANDBOX
  );
  if (table !== undefined) {
    const isLine = toml.text[table.end - 1] === "\n";
    const own = `${pair} ${ROOTS_MARK}`;
    const line = isLine ? `${own}${toml.eol}` : `${toml.eol}${own}`;
    return toml.edited([{ start: table.end, end: table.end, text: line }]);
  }
  const other = toml.statements.find(({ path: at }) => at[0] === SANDBOX);
  if (other !== undefined) return throwNoTable(toml, other);
  return toml.appended(`${header}${toml.eol}${pair}${toml.eol}`);
}

/**
 * Reverts {@linkcode addWritableRoot}. If hooks were installed too, revert in
 * reverse order.
 *
 * @param text The text of `config.toml`.
 * @param folder The folder, absolute.
 * @param path The file's path, for messages.
 * @returns The new text, `undefined` if the file had no other content.
 * @throws {ConfigError} If the text cannot be read.
 */
export function removeWritableRoot(
  text: string,
  folder: string,
  path: string,
): string | undefined {
  const toml = read(text, path);
  const roots = rootsOf(toml);
  const array = roots?.value && toml.array(roots.value);
  if (roots === undefined || array === undefined) return text;
  const at = array.items.findIndex((each) => isFolder(toml, each, folder));
  if (at < 0) return text;
  const index = toml.statements.indexOf(roots);
  const isAlone = array.items.length === 1;
  if (isAlone && isMadeTable(toml, index)) {
    const { start } = toml.statements[index - 1];
    const result = toml.edited([toml.removal({ start, end: roots.end })]);
    return result === "" && start === 0 ? undefined : result;
  }
  if (isAlone && isMarked(toml, roots)) return toml.edited([line(toml, roots)]);
  return toml.edited(removeItems(array, new Set([at])));
}

/**
 * Makes Codex unload a thread as soon as its window closes. Keeps a delay that
 * the person chose.
 *
 * @param text The text of `config.toml`, `undefined` if there is no file.
 * @param path The file's path, for messages.
 * @returns The new text; the same if there is a delay.
 * @throws {ConfigError} If the text cannot be read.
 */
export function addUnloadDelay(text: string | undefined, path: string): string {
  const pair = `${UNLOAD_DELAY} = 0 ${UNLOAD_MARK}`;
  if (text === undefined) return `${pair}\n`;
  const toml = read(text, path);
  if (delayOf(toml) !== undefined) return text;
  // At the top, because behind a table's header it would belong to that table.
  return toml.edited([{ start: 0, end: 0, text: `${pair}${toml.eol}` }]);
}

/**
 * Reverts {@linkcode addUnloadDelay}.
 *
 * @param text The text of `config.toml`.
 * @param path The file's path, for messages.
 * @returns The new text, `undefined` if the file had no other content.
 * @throws {ConfigError} If the text cannot be read.
 */
export function removeUnloadDelay(
  text: string,
  path: string,
): string | undefined {
  const toml = read(text, path);
  const pair = delayOf(toml);
  if (pair === undefined || !isMarked(toml, pair, UNLOAD_MARK)) return text;
  const result = toml.edited([line(toml, pair)]);
  return result === "" ? undefined : result;
}

function delayOf(toml: TomlText): TomlStatement | undefined {
  return toml.statements.find(({ kind, path }) =>
    kind === "pair" && path.length === 1 && path[0] === UNLOAD_DELAY
  );
}

/**
 * Whether Codex uses permission profiles, with which it ignores
 * `writable_roots`.
 *
 * @param text The text of `config.toml`.
 * @param path The file's path, for messages.
 * @returns Whether a profile is chosen and no `sandbox_mode` overrides it.
 * @throws {ConfigError} If the text cannot be read.
 */
export function usesPermissionProfiles(text: string, path: string): boolean {
  const { statements } = read(text, path);
  const has = (key: string): boolean =>
    statements.some(({ kind, path: at }) =>
      kind === "pair" && at.length === 1 && at[0] === key
    );
  return has("default_permissions") && !has("sandbox_mode");
}

/** Whether we made the table: its header has our mark. It may have grown. */
function isMadeTable(toml: TomlText, index: number): boolean {
  const header = toml.statements[index - 1];
  const next = toml.statements.slice(index + 1).find(({ kind }) =>
    kind !== "blank" && kind !== "comment"
  );
  return header?.kind === "table" && isMarked(toml, header) &&
    next?.kind !== "pair";
}

function isMarked(
  toml: TomlText,
  statement: TomlStatement,
  mark: string = ROOTS_MARK,
): boolean {
  return toml.slice(statement).trimEnd().endsWith(mark);
}

/** Removes a line of ours, with the line end that it added to a header. */
function line(toml: TomlText, pair: TomlStatement): Edit {
  return toml.slice(pair).endsWith("\n")
    ? { start: pair.start, end: pair.end, text: "" }
    : toml.removal(pair);
}

function rootsOf(toml: TomlText): TomlStatement | undefined {
  return toml.statements.find(({ kind, path }) =>
    kind === "pair" && path.length === 2 && path[0] === SANDBOX &&
    path[1] === ROOTS
  );
}

function read(text: string, path: string): TomlText {
  return new TomlText(text, { path, format: "toml" });
}

function isFolder(
  toml: TomlText,
  span: Span,
  folder: string,
): boolean {
  return tomlValue(toml.slice(span)) === folder;
}

function throwNoTable(toml: TomlText, statement: TomlStatement): never {
  return toml.fail(
    `"${SANDBOX}" is not a table`,
    `Write it as a table [${SANDBOX}], then try again.`,
    statement.start,
  );
}
