/**
 * What a tool call touches, read off its name and arguments.
 *
 * Each agent says which of its tools edit, run a shell or read. Where the
 * paths stand is much the same everywhere, under a few spellings
 * (`file_path`, `path`, `filePath`, `target_file`, …), so it is read here for
 * all: a path field, a list of paths, a list of edits with a path each, or the
 * text of a patch. File contents in the arguments are looked through for
 * nothing else and are not kept.
 *
 * Bounds: 1,000 paths, 256 KiB of command.
 *
 * @module
 */

import type { ToolCall, ToolKind } from "./agent.ts";
import { isPatch, patchPaths } from "./patch.ts";
import { isPath, type Payload, payloadOf } from "./payload.ts";

/** Which of an agent's tools do what. A tool in no list is `other`. */
export interface ToolNames {
  /** Tools that change files. */
  readonly edit: readonly string[];
  /** Tools that run a shell command. */
  readonly shell: readonly string[];
  /** Tools that read files. */
  readonly read: readonly string[];
}

const PATH_FIELDS: readonly string[] = [
  "file_path",
  "path",
  "filePath",
  "target_file",
  "notebook_path",
  "target_notebook",
  "absolute_path",
  "file",
];
const LIST_FIELDS: readonly string[] = ["paths", "file_paths", "include"];
const NESTED_FIELDS: readonly string[] = ["edits", "files"];
const PATCH_FIELDS: readonly string[] = [
  "command",
  "patchText",
  "patch",
  "input",
];
const COMMAND_FIELDS: readonly string[] = ["command", "cmd", "script"];
const FOLDER_FIELDS: readonly string[] = [
  "dir_path",
  "directory",
  "workdir",
  "working_directory",
  "workingDirectory",
  "cwd",
];
/** Verbs of tools that only look: what they name is left as it is. */
const READ_ONLY =
  /(?:^|_|-)(?:read|view|get|list|find|search|fetch|glob|grep|ls)(?:_|-|$)/;
const PATHS_MAX = 1000;
const COMMAND_CHARS_MAX = 262_144;

/**
 * Reads a tool call.
 *
 * @param name The tool's name.
 * @param args Its arguments: an object, the JSON text of one, or a patch.
 * @param callId The agent's id of the call.
 * @param tools Which tools of this agent do what.
 * @returns The call.
 */
export function readTool(
  name: string,
  args: unknown,
  callId: string | undefined,
  tools: ToolNames,
): ToolCall {
  const kind = kindOf(name, tools);
  const input = argumentsOf(args);
  const call: ToolCall = {
    name,
    ...(callId === undefined ? {} : { callId }),
    kind,
    paths: kind === "shell" || kind === "other" && isReadOnly(name)
      ? []
      : pathsOf(input),
  };
  if (kind !== "shell") return call;
  const command = commandOf(input);
  const folder = FOLDER_FIELDS.map((field) => input[field]).find(isPath);
  return {
    ...call,
    ...(command === undefined ? {} : { command }),
    ...(folder === undefined ? {} : { folder }),
  };
}

/** Whether a tool's name says that it only looks. */
function isReadOnly(name: string): boolean {
  const words = name.replaceAll(/([a-z])([A-Z])/g, "$1_$2").toLowerCase();
  return READ_ONLY.test(words);
}

function kindOf(name: string, tools: ToolNames): ToolKind {
  if (tools.edit.includes(name)) return "edit";
  if (tools.shell.includes(name)) return "shell";
  if (tools.read.includes(name)) return "read";
  return "other";
}

/** Arguments come as an object, as its JSON text, or as a bare patch. */
function argumentsOf(args: unknown): Payload {
  if (typeof args !== "string") return payloadOf(args);
  try {
    return payloadOf(JSON.parse(args));
  } catch {
    return { patch: args };
  }
}

function pathsOf(input: Payload): string[] {
  const paths = new Set<string>();
  addPaths(input, paths);
  for (const field of NESTED_FIELDS) {
    const list = input[field];
    if (!Array.isArray(list)) continue;
    for (const entry of list.slice(0, PATHS_MAX)) {
      if (isPath(entry)) paths.add(entry);
      else addPaths(payloadOf(entry), paths);
    }
  }
  return [...paths].slice(0, PATHS_MAX);
}

function addPaths(input: Payload, paths: Set<string>): void {
  for (const field of PATH_FIELDS) {
    const value = input[field];
    if (isPath(value)) paths.add(value);
  }
  for (const field of LIST_FIELDS) {
    const list = input[field];
    if (!Array.isArray(list)) continue;
    for (const value of list.slice(0, PATHS_MAX)) {
      if (isPath(value)) paths.add(value);
    }
  }
  for (const field of PATCH_FIELDS) {
    const text = input[field];
    if (typeof text !== "string" || !isPatch(text)) continue;
    for (const path of patchPaths(text)) paths.add(path);
  }
}

/** A command is a string, or an argument vector that may wrap one. */
function commandOf(input: Payload): string | undefined {
  for (const field of COMMAND_FIELDS) {
    const value = input[field];
    if (typeof value === "string") return value.slice(0, COMMAND_CHARS_MAX);
    if (!Array.isArray(value)) continue;
    const words = value.filter((word) => typeof word === "string");
    return words.map(quoteWord).join(" ").slice(0, COMMAND_CHARS_MAX);
  }
}

function quoteWord(word: string): string {
  return /^[\w./:=@%+,-]+$/.test(word)
    ? word
    : `'${word.replaceAll("'", `'\\''`)}'`;
}
