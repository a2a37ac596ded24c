/**
 * Where Codex's hooks are configured: `config.toml`, in seconds.
 * `CODEX_HOME` moves the person's folder.
 *
 * Codex asks the person to approve each hook and forgets the approval when the
 * hook changes: so its text is always the same, and nothing is approved here.
 * A matcher is a regular expression that may match anywhere, so it is anchored.
 *
 * Its sandbox lets the model's shell write only below the working folder. So
 * that `mbus` works there, the bus's folder can be added to the sandbox's
 * `writable_roots`; what is added carries a comment, or is found by its value.
 *
 * Its daemon unloads a thread a minute after the thread's window closed, and tells
 * no program before. With a delay of 0 all programs see the end of a session at
 * once, also those that cannot ask the daemon.
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
import { type Edit, putIn, type Span, takeOut } from "./sequence.ts";
import { type TomlStatement, tomlString, TomlText, tomlValue } from "./toml.ts";
import { type TomlHook, tomlHooksFile } from "./toml_hooks.ts";

const MATCHER = "^(apply_patch|Bash|mcp__.*)$";
const MATCHERS: readonly (readonly [string, string?])[] = [
  ["SessionStart"],
  ["UserPromptSubmit"],
  ["PreToolUse", MATCHER],
  ["PostToolUse", MATCHER],
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
    "until then Codex skips them without a word.",
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
 * @returns The new text; the same if the folder is in already.
 * @throws {ConfigError} If the text cannot be read or has no room for it.
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
    if (array === undefined) return refuse(toml, roots);
    const isIn = array.items.some((each) => isFolder(toml, each, folder));
    if (isIn) return text;
    return toml.edited(putIn(toml.text, array, [item], toml.gapOf(array)));
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
  if (other !== undefined) return refuse(toml, other);
  return toml.appended(`${header}${toml.eol}${pair}${toml.eol}`);
}

/**
 * Takes back what {@linkcode addWritableRoot} added. If hooks were installed
 * too, take back in the reverse order.
 *
 * @param text The text of `config.toml`.
 * @param folder The folder, absolute.
 * @param path The file's path, for messages.
 * @returns The new text, `undefined` if nothing else was in the file.
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
  return toml.edited(takeOut(array, new Set([at])));
}

/**
 * Has Codex unload a thread as soon as its window closed. A delay that the person
 * chose stays as it is.
 *
 * @param text The text of `config.toml`, `undefined` if there is no file.
 * @param path The file's path, for messages.
 * @returns The new text; the same if there is a delay already.
 * @throws {ConfigError} If the text cannot be read.
 */
export function unloadAtOnce(text: string | undefined, path: string): string {
  const pair = `${UNLOAD_DELAY} = 0 ${UNLOAD_MARK}`;
  if (text === undefined) return `${pair}\n`;
  const toml = read(text, path);
  if (delayOf(toml) !== undefined) return text;
  // Behind a table's header it would belong to that table.
  return toml.edited([{ start: 0, end: 0, text: `${pair}${toml.eol}` }]);
}

/**
 * Takes back what {@linkcode unloadAtOnce} added.
 *
 * @param text The text of `config.toml`.
 * @param path The file's path, for messages.
 * @returns The new text, `undefined` if nothing else was in the file.
 * @throws {ConfigError} If the text cannot be read.
 */
export function unloadLater(text: string, path: string): string | undefined {
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
 * Says whether Codex goes by permission profiles, beside which it does not
 * heed `writable_roots`.
 *
 * @param text The text of `config.toml`.
 * @param path The file's path, for messages.
 * @returns Whether a profile is chosen and no `sandbox_mode` overrules it.
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

/** We made the table if its header carries our mark; it may have grown. */
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

/** A line of ours: behind a header without a line end it brought one. */
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

function refuse(toml: TomlText, statement: TomlStatement): never {
  return toml.fail(
    `no room in "${SANDBOX}"`,
    `Write it as a table [${SANDBOX}], then try again.`,
    statement.start,
  );
}
