/**
 * Reads the effect of a tool call off its name and arguments.
 *
 * Each agent lists its tools that edit, run a shell or read. The words of the
 * name classify any other tool (`tool_words.ts`). All agents spell paths alike,
 * under a few names (`file_path`, `path`, `filePath`, `uri`, …). So one reader
 * serves all: a path field, a list of paths, objects with a path each, or the
 * text of a patch. File contents in the arguments are not kept.
 *
 * A tool of unknown effect keeps the paths that it names, so that these files are
 * compared after it ran. A tool that works on a remote repository names no file
 * of this machine.
 *
 * Bounds: 10,000 paths, 256 KiB of command. A call beyond them has `isCut`.
 *
 * @module
 */

import type { ToolCall, ToolKind } from "./agent.ts";
import { isPatch, patchPaths } from "./patch.ts";
import { isPath, type Payload, payloadOf } from "./payload.ts";
import { type ToolWords, toolWords } from "./tool_words.ts";

/** An agent's tools by effect. The words of the name classify other tools. */
export interface ToolNames {
  /** Tools that change files. */
  readonly edit: readonly string[];
  /** Tools that run a shell command. */
  readonly shell: readonly string[];
  /** Tools that read files. */
  readonly read: readonly string[];
  /** Tools of `shell` whose command always goes on after the call. */
  readonly background?: readonly string[];
}

const PATH_FIELDS: readonly string[] = [
  ...["file_path", "filePath", "filepath", "path", "file"],
  ...["filename", "fileName", "file_name"],
  ...["relative_path", "relativePath", "absolute_path", "absolutePath"],
  ...["target_file", "targetFile", "target_path", "targetPath"],
  ...["notebook_path", "notebookPath", "target_notebook"],
  ...["old_path", "oldPath", "new_path", "newPath"],
  ...["output_path", "outputPath", "uri", "file_uri", "fileUri"],
];
const TARGET_FIELDS: readonly string[] = [
  ...["destination", "destination_path", "destinationPath", "dest", "dst"],
  "to",
];
const SOURCE_FIELDS: readonly string[] = [
  ...["source", "source_path", "sourcePath", "src", "from"],
];
const LIST_FIELDS: readonly string[] = [
  ...["paths", "file_paths", "filePaths", "files", "uris", "include"],
];
const PATCH_FIELDS: readonly string[] = [
  "command",
  "patchText",
  "patch",
  "input",
];
const COMMAND_FIELDS: readonly string[] = ["command", "cmd", "script"];
const FOLDER_FIELDS: readonly string[] = [
  ...["dir_path", "directory", "workdir"],
  ...["working_directory", "workingDirectory", "cwd"],
];
const BACKGROUND_FIELDS: readonly string[] = [
  ...["run_in_background", "runInBackground", "is_background", "isBackground"],
  ...["background", "detach", "fireAndForget"],
];
/** Fields that name a remote repository, in the tools of GitHub and GitLab. */
const REMOTE_FIELDS: readonly string[] = ["repo", "project_id", "projectId"];
/** All fields of arguments that are read. */
export const READ_FIELDS: readonly string[] = [
  ...PATH_FIELDS,
  ...TARGET_FIELDS,
  ...SOURCE_FIELDS,
  ...LIST_FIELDS,
  ...PATCH_FIELDS,
  ...COMMAND_FIELDS,
  ...FOLDER_FIELDS,
  ...BACKGROUND_FIELDS,
  ...REMOTE_FIELDS,
  "mode",
];
const PATHS_MAX = 10_000;
const COMMAND_CHARS_MAX = 262_144;

/**
 * Reads a tool call.
 *
 * @param name The tool's name.
 * @param args Its arguments: an object, the JSON text of one, or a patch.
 * @param callId The agent's id of the call.
 * @param tools The agent's tools by effect.
 * @returns The call.
 */
export function readTool(
  name: string,
  args: unknown,
  callId: string | undefined,
  tools: ToolNames,
): ToolCall {
  const input = argumentsOf(args);
  const known = knownKind(name, tools);
  const words = known === undefined ? toolWords(name) : undefined;
  const call = {
    name,
    ...(callId === undefined ? {} : { callId }),
  };
  const command = (known ?? words) === "shell" ? commandOf(input) : undefined;
  if (known === "shell" || command !== undefined) {
    return {
      ...call,
      kind: "shell",
      paths: [],
      ...shellOf(input, command, tools.background?.includes(name) === true),
    };
  }
  const touched = new Touched();
  const isElsewhere = known === undefined &&
    REMOTE_FIELDS.some((field) => input[field] !== undefined);
  if (words !== "look" && !isElsewhere) touched.addAll(input, words);
  const paths = touched.paths;
  return {
    ...call,
    kind: kindOf(known, paths.length > 0 ? words : undefined, input),
    paths,
    ...(touched.isCut ? { isCut: true } : {}),
  };
}

function knownKind(
  name: string,
  tools: ToolNames,
): Exclude<ToolKind, "other"> | undefined {
  if (tools.edit.includes(name)) return "edit";
  if (tools.shell.includes(name)) return "shell";
  if (tools.read.includes(name)) return "read";
}

/** Returns a call's effect; `words` are those of an unknown tool with paths. */
function kindOf(
  known: ToolKind | undefined,
  words: ToolWords | undefined,
  input: Payload,
): ToolKind {
  const edits = known === "edit" || words === "edit" || words === "move" ||
    words === "copy";
  // One editor tool for all effects names the effect in its command.
  if (edits) return input.command === "view" ? "read" : "edit";
  return known === "read" || words === "read" ? "read" : "other";
}

/** Reads arguments: an object, the JSON text of one, or a bare patch. */
function argumentsOf(args: unknown): Payload {
  if (typeof args !== "string") return payloadOf(args);
  try {
    return payloadOf(JSON.parse(args));
  } catch {
    return { patch: args };
  }
}

/** The paths that a call names, each once, up to the bound. */
class Touched {
  readonly #paths = new Set<string>();
  /** Whether the call names more paths than the bound. */
  isCut = false;

  /** The paths, in order. */
  get paths(): string[] {
    return [...this.#paths];
  }

  /** Adds all paths in the arguments, at the top or one level below. */
  addAll(input: Payload, words: ToolWords | undefined): void {
    this.#addFields(input, words);
    for (const value of Object.values(input)) {
      if (typeof value !== "object" || value === null) continue;
      if (!Array.isArray(value)) this.#addFields(payloadOf(value), words);
      else {
        for (const each of this.#some(value)) {
          if (typeof each === "object") {
            this.#addFields(payloadOf(each), words);
          }
        }
      }
    }
  }

  #addFields(input: Payload, words: ToolWords | undefined): void {
    for (const field of PATH_FIELDS) this.#add(input[field]);
    if (words === "move") {
      for (const field of SOURCE_FIELDS) this.#add(input[field]);
    }
    if (words === "move" || words === "copy") {
      for (const field of TARGET_FIELDS) this.#add(input[field]);
    }
    for (const field of LIST_FIELDS) {
      const list = input[field];
      if (!Array.isArray(list)) continue;
      for (const each of this.#some(list)) this.#add(each);
    }
    for (const field of PATCH_FIELDS) {
      const text = input[field];
      if (typeof text !== "string" || !isPatch(text)) continue;
      for (const path of patchPaths(text, PATHS_MAX + 1)) this.#add(path);
    }
  }

  #some(list: readonly unknown[]): readonly unknown[] {
    if (list.length <= PATHS_MAX) return list;
    this.isCut = true;
    return list.slice(0, PATHS_MAX);
  }

  #add(value: unknown): void {
    const path = typeof value === "string" ? fileOf(value) : undefined;
    if (!isPath(path) || this.#paths.has(path)) return;
    if (this.#paths.size < PATHS_MAX) this.#paths.add(path);
    else this.isCut = true;
  }
}

/** Returns the path of a `file:` URI, undefined for other URIs. */
function fileOf(text: string): string | undefined {
  if (!text.includes("://")) return text;
  if (!/^[a-z][a-z\d+.-]+:\/\//i.test(text)) return text;
  const at = text.indexOf("/", "file://".length);
  if (!/^file:/i.test(text) || at < 0) return undefined;
  try {
    return decodeURIComponent(text.slice(at));
  } catch {
    return text.slice(at);
  }
}

/** Reads a shell tool's arguments besides the command. */
function shellOf(
  input: Payload,
  command: string | undefined,
  isMonitor: boolean,
): Partial<ToolCall> {
  const folder = FOLDER_FIELDS.map((field) => input[field]).find(isPath);
  const isBackground = isMonitor || input.mode === "async" ||
    BACKGROUND_FIELDS.some((field) =>
      input[field] === true || input[field] === "true"
    );
  return {
    ...(command === undefined
      ? {}
      : { command: command.slice(0, COMMAND_CHARS_MAX) }),
    ...(folder === undefined ? {} : { folder }),
    ...(isBackground ? { isBackground } : {}),
    ...((command?.length ?? 0) > COMMAND_CHARS_MAX ? { isCut: true } : {}),
  };
}

/** Returns the command: a string, or the words of an argument vector. */
function commandOf(input: Payload): string | undefined {
  for (const field of COMMAND_FIELDS) {
    const value = input[field];
    if (typeof value === "string") return value;
    if (!Array.isArray(value)) continue;
    const words = value.filter((word) => typeof word === "string");
    return words.map(quoteWord).join(" ");
  }
}

function quoteWord(word: string): string {
  return /^[\w./:=@%+,-]+$/.test(word)
    ? word
    : `'${word.replaceAll("'", `'\\''`)}'`;
}
