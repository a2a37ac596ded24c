/**
 * Classifies an unlisted tool by the words of its name.
 *
 * Tools of MCP servers and of newer agents have any name:
 * `mcp__serena__replace_content`, `replace_string_in_file`, `searchFiles`. A word
 * for a change makes an edit, even beside a word for a search
 * (`find_and_replace`). The name of a tool's server does not count.
 *
 * @module
 */

/** The effect that the words of a tool's name tell. `look` touches no file. */
export type ToolWords = "edit" | "move" | "copy" | "shell" | "read" | "look";

const MOVES = ["move", "rename"];
const COPIES = ["copy", "duplicate"];
const EDITS = [
  ...["write", "edit", "replace", "create", "delete", "insert", "patch"],
  ...["update", "append", "remove", "overwrite", "modify", "save"],
];
const SHELLS = [
  ...["shell", "bash", "powershell", "pwsh", "terminal", "command", "process"],
  ...["run", "exec", "execute"],
];
const READS = ["read", "view", "show", "cat", "open"];
const LOOKS = [
  ...["get", "list", "ls", "find", "search", "glob", "grep", "fetch", "query"],
  ...["describe", "info", "tree", "stat", "status", "lsp", "lints"],
];
// Making a folder changes no file, as with `mkdir` in a shell.
const FOLDERS = ["directory", "folder", "dir"];

/**
 * Classifies a tool by its name.
 *
 * @param name The tool's name.
 * @returns Its effect, `undefined` if no word tells it.
 */
export function toolWords(name: string): ToolWords | undefined {
  const words = wordsOf(name);
  const has = (list: readonly string[]) =>
    words.some((word) => list.includes(word));
  if (has(MOVES)) return "move";
  if (has(COPIES)) return "copy";
  if (has(FOLDERS) && words.includes("create")) return "look";
  if (has(EDITS)) return "edit";
  if (has(SHELLS)) return "shell";
  if (has(READS)) return has(FOLDERS) ? "look" : "read";
  return has(LOOKS) ? "look" : undefined;
}

function wordsOf(name: string): string[] {
  return name.slice(name.lastIndexOf("__") + 1)
    .replaceAll(/([a-z\d])([A-Z])/g, "$1_$2")
    .toLowerCase()
    .split(/[^a-z]+/);
}
