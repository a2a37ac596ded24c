/**
 * Our hooks in a TOML configuration.
 *
 * They are appended as blocks of `[[…]]` tables, the first one under a comment
 * that names us. A header cannot add to a list that is written as an array
 * (`hooks = [ … ]`), so there the hooks go into the array. A block or an item is
 * ours if its command calls `mbus hook` for this agent.
 *
 * Agents write into their configuration too, and put new tables before or between
 * ours. So there is no closing mark: each block is found by itself and ends with
 * its last pair.
 *
 * @module
 */

import type { AgentName } from "../../hooks/agents/agent.ts";
import { type ConfigFile, isOurCommand } from "./config.ts";
import { type Edit, insertItems, removeItems } from "./sequence.ts";
import { type TomlStatement, TomlText, tomlValue } from "./toml.ts";

/** One of our hooks. */
export interface TomlHook {
  /** Path of the list that contains it. */
  readonly list: readonly string[];
  /** The hook as lines of tables, without the last line end. */
  readonly block: readonly string[];
  /** The hook as an inline table. */
  readonly inline: string;
}

/** Our hooks in an agent's TOML configuration. */
export interface TomlHooks {
  /** The file's path. */
  readonly path: string;
  /** The agent. */
  readonly agent: AgentName;
  /** The program that reads it, if the agent has several. */
  readonly program?: string;
  /** Path of the lists: hooks are below it. */
  readonly root: readonly string[];
  /** The hooks. */
  readonly hooks: readonly TomlHook[];
}

/** A run of tables that make one hook, from header to last pair. */
interface Block {
  readonly start: number;
  readonly end: number;
  readonly text: string;
  /** Set for a command of ours in a user's group: lines between its lines. */
  readonly isPart?: true;
}

const ADVICE = "Write the hooks in it as [[…]] tables, then try again.";

/**
 * Makes the file of an agent with a TOML configuration.
 *
 * @param spec The path and the hooks.
 * @returns The file.
 */
export function tomlHooksFile(spec: TomlHooks): ConfigFile {
  return {
    path: spec.path,
    format: "toml",
    ...(spec.program === undefined ? {} : { program: spec.program }),
    install: (text) => install(spec, text),
    uninstall: (text) => uninstall(spec, text),
    status: (text) => {
      if (text === undefined) return "absent";
      const toml = read(spec, text);
      if (isCurrent(spec, toml)) return "current";
      const isAny = blocksOf(spec, toml).length > 0 ||
        arraysOf(spec, toml).some(({ gone }) => gone.size > 0);
      return isAny ? "outdated" : "absent";
    },
  };
}

function read(spec: TomlHooks, text: string): TomlText {
  return new TomlText(text, { path: spec.path, format: "toml" });
}

function markOf(spec: TomlHooks): string {
  return `# message-bus: put here by \`mbus install ${spec.agent}\``;
}

function install(spec: TomlHooks, text: string | undefined): string {
  if (text === undefined) return blocks(spec, spec.hooks, "\n");
  const before = read(spec, text);
  if (isCurrent(spec, before)) return text;
  const bare = uninstall(spec, text);
  if (bare === undefined) return blocks(spec, spec.hooks, "\n");
  const toml = read(spec, bare);
  assertNoInlineRoot(spec, toml);
  const edits: Edit[] = [];
  const listed = new Set<TomlHook>();
  for (const statement of arrayStatements(spec, toml)) {
    const own = spec.hooks.filter(({ list }) => isSame(list, statement.path));
    const array = statement.value && toml.array(statement.value);
    if (array === undefined || own.length === 0) continue;
    const gap = toml.gapOf(array);
    edits.push(
      ...insertItems(toml.text, array, own.map(({ inline }) => inline), gap),
    );
    for (const hook of own) listed.add(hook);
  }
  const rest = spec.hooks.filter((hook) => !listed.has(hook));
  const edited = read(spec, toml.edited(edits));
  const result = rest.length === 0
    ? toml.edited(edits)
    : edited.appended(blocks(spec, rest, toml.eol));
  read(spec, result);
  return result;
}

function blocks(
  spec: TomlHooks,
  hooks: readonly TomlHook[],
  eol: string,
): string {
  const texts = hooks.map(({ block }) => block.join(eol));
  return `${markOf(spec)}${eol}${texts.join(eol + eol)}${eol}`;
}

function uninstall(spec: TomlHooks, text: string): string | undefined {
  const toml = read(spec, text);
  const found = blocksOf(spec, toml);
  const arrays = arraysOf(spec, toml);
  const edits = [
    ...found.map((block) =>
      block.isPart ? { ...block, text: "" } : toml.removal(block)
    ),
    ...arrays.flatMap(({ array, gone }) => removeItems(array, gone)),
  ];
  if (edits.length === 0) return text;
  const result = toml.edited(edits);
  // A file that we made starts with our block. To an empty file of the user, a
  // line end was added first.
  return result === "" && found.at(0)?.start === 0 ? undefined : result;
}

/** Returns our hooks that are written as tables. */
function blocksOf(spec: TomlHooks, toml: TomlText): Block[] {
  const found: Block[] = [];
  const { statements } = toml;
  for (let first = 0; first < statements.length; first++) {
    if (!isList(spec, statements[first])) continue;
    const header = statements[first];
    let next = first + 1;
    while (next < statements.length && belongs(statements[next], header)) {
      next++;
    }
    found.push(...ownBlocks(spec, toml, statements.slice(first, next), first));
    first = next - 1;
  }
  return found;
}

/** Returns our part of a group: all of it, or only our commands in it. */
function ownBlocks(
  spec: TomlHooks,
  toml: TomlText,
  group: readonly TomlStatement[],
  index: number,
): Block[] {
  const parts = splitAt(group);
  const isOwn = parts.map((part) =>
    part.some((each) => isOurPair(spec, toml, each))
  );
  if (!isOwn.includes(true)) return [];
  const commands = parts.map((part) => part.some(isCommandPair));
  const isWhole = parts.every((_part, at) => !commands[at] || isOwn[at]);
  if (!isWhole) {
    return parts.filter((_part, at) => isOwn[at])
      .map((part) => ({ ...blockOf(toml, part), isPart: true }));
  }
  const block = blockOf(toml, group);
  const above = toml.statements[index - 1];
  const isMarked = above?.kind === "comment" &&
    toml.slice(above).trimEnd() === markOf(spec);
  return [isMarked ? { ...block, start: above.start } : block];
}

/** Makes a block that ends with its last pair: further lines are the user's. */
function blockOf(toml: TomlText, part: readonly TomlStatement[]): Block {
  const last = part.findLast(({ kind }) =>
    kind !== "blank" && kind !== "comment"
  );
  const start = part[0].start;
  const end = last?.end ?? start;
  return { start, end, text: toml.slice({ start, end }) };
}

/** Splits a group before each header in it. */
function splitAt(group: readonly TomlStatement[]): TomlStatement[][] {
  const parts: TomlStatement[][] = [];
  for (const statement of group) {
    if (statement.kind.endsWith("table")) parts.push([]);
    parts.at(-1)?.push(statement);
  }
  return parts;
}

function isList(spec: TomlHooks, statement: TomlStatement): boolean {
  return statement.kind === "array-table" &&
    spec.hooks.some(({ list }) => isSame(list, statement.path));
}

/** Whether a statement is below a header, in its nested tables, too. */
function belongs(statement: TomlStatement, header: TomlStatement): boolean {
  if (!statement.kind.endsWith("table")) return true;
  return statement.path.length > header.path.length &&
    isSame(statement.path.slice(0, header.path.length), header.path);
}

function isCommandPair(statement: TomlStatement): boolean {
  return statement.kind === "pair" && statement.path.at(-1) === "command";
}

function isOurPair(
  spec: TomlHooks,
  toml: TomlText,
  statement: TomlStatement,
): boolean {
  return isCommandPair(statement) && statement.value !== undefined &&
    isOurCommand(tomlValue(toml.slice(statement.value)), spec.agent);
}

/** Returns lists below the root that are written as arrays. */
function arrayStatements(spec: TomlHooks, toml: TomlText): TomlStatement[] {
  return toml.statements.filter((statement) =>
    statement.kind === "pair" &&
    isSame(statement.path.slice(0, spec.root.length), spec.root) &&
    statement.value !== undefined && toml.array(statement.value) !== undefined
  );
}

function arraysOf(
  spec: TomlHooks,
  toml: TomlText,
): { array: NonNullable<ReturnType<TomlText["array"]>>; gone: Set<number> }[] {
  return arrayStatements(spec, toml).flatMap(({ value }) => {
    const array = value && toml.array(value);
    if (array === undefined) return [];
    const gone = new Set(
      array.items.keys().filter((at) =>
        isOurItem(spec, tomlValue(toml.slice(array.items[at])))
      ),
    );
    return [{ array, gone }];
  });
}

function isOurItem(spec: TomlHooks, item: unknown): boolean {
  if (typeof item !== "object" || item === null) return false;
  if ("command" in item) return isOurCommand(item.command, spec.agent);
  return "hooks" in item && Array.isArray(item.hooks) &&
    item.hooks.length > 0 &&
    item.hooks.every((each) => isOurItem(spec, each));
}

/** Throws for `hooks = { … }`: no header and no array can add to it. */
function assertNoInlineRoot(spec: TomlHooks, toml: TomlText): void {
  const inline = toml.statements.find(({ kind, path, value }) =>
    kind === "pair" && isSame(path, spec.root) && value !== undefined &&
    toml.text[value.start] === "{"
  );
  if (inline === undefined) return;
  toml.fail("its hooks are an inline table", ADVICE, inline.start);
}

function isCurrent(spec: TomlHooks, toml: TomlText): boolean {
  const texts = blocksOf(spec, toml).map(({ text }) =>
    text.replaceAll("\r\n", "\n").trim()
  );
  const items = arraysOf(spec, toml).flatMap(({ array, gone }) =>
    [...gone].map((at) => toml.slice(array.items[at]))
  );
  const wanted = spec.hooks.map(({ block }) => block.join("\n"));
  return texts.length + items.length === spec.hooks.length &&
    spec.hooks.every(({ inline }, at) =>
      items.includes(inline) ||
      texts.some((text) => withoutMark(spec, text) === wanted[at])
    );
}

function withoutMark(spec: TomlHooks, text: string): string {
  const mark = `${markOf(spec)}\n`;
  return text.startsWith(mark) ? text.slice(mark.length) : text;
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((part, at) => part === b[at]);
}
