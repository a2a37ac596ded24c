/**
 * The commands that open a bus, and the files of a bus before and after.
 *
 * @module
 */

import { createHash } from "node:crypto";

/** Returns the names, links, permissions and contents below a folder. */
export function contents(folder: string): string[] {
  const found: string[] = [];
  for (const { name, isDirectory, isSymlink } of Deno.readDirSync(folder)) {
    // The log of hooks may grow.
    if (name === "hooks.log" && !isSymlink) continue;
    const path = `${folder}/${name}`;
    const { mode, uid } = Deno.lstatSync(path);
    const what = isSymlink
      ? Deno.readLinkSync(path)
      : isDirectory
      ? contents(path).join("; ")
      : createHash("sha256").update(Deno.readFileSync(path)).digest("hex");
    found.push(`${name} ${mode?.toString(8)} ${uid} ${what}`);
  }
  return found.sort();
}

/** Claude Code's input of a hook before an edit. */
const EDIT = JSON.stringify({
  session_id: "11111111-2222-3333-4444-555555555555",
  transcript_path: "/nowhere",
  cwd: "/tmp",
  hook_event_name: "PreToolUse",
  tool_name: "Write",
  tool_input: { file_path: "/tmp/nowhere.txt", content: "x" },
});

/** Each command: its name, arguments and stdin. */
export const COMMANDS:
  readonly (readonly [string, readonly string[], string?])[] = [
    ["send", ["send", "state", "1"]],
    ["poll", ["poll", "state"]],
    ["tail", ["tail", "state", "--count", "1"]],
    ["lock", ["lock", "/tmp/x"]],
    ["lock --wait", ["lock", "/tmp/x", "--wait", "1s"]],
    ["with-lock", ["with-lock", "/tmp/x", "--", "true"]],
    ["task", ["task", "post", "title"]],
    ["inbox", ["inbox"]],
    ["sessions", ["sessions"]],
    ["register", ["register", "--vendor", "x"]],
    ["stats", ["stats"]],
    ["purge", ["purge"]],
    ["doctor", ["doctor"]],
    ["hook", ["hook", "claude"], EDIT],
  ];
