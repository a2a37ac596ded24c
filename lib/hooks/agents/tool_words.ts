/**
 * What a tool does whose name is in no list: read off the words of its name.
 *
 * Tools of MCP servers and of newer versions of an agent are called anything:
 * `mcp__serena__replace_content`, `replace_string_in_file`, `searchFiles`. A
 * word that changes something makes an edit, even beside one that only looks
 * (`find_and_replace`). Of a server's tool the server's name does not count.
 *
 * @module
 */

/** What the words of a tool's name say. */
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
// A folder that is made changes no file, as with `mkdir` in a shell.
const FOLDERS = ["directory", "folder", "dir"];

/**
 * Reads what a tool does off its name.
 *
 * @param name The tool's name.
 * @returns What it does, `undefined` if no word tells. `look` touches no file.
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
