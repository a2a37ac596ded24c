/**
 * The paths in an `apply_patch` text, the patch form of Codex and opencode.
 *
 * Such a text names its files on header lines (`*** Add File: `,
 * `*** Update File: `, `*** Delete File: `, and `*** Move to: ` below an
 * update). Codex takes off the blanks around a line before it looks for a
 * header, within a hunk too, so a header may be indented. Added and removed
 * lines start with `+` and `-`: a patch of a file that itself holds such lines
 * names no path too many but for its context. Paths come as given, absolute or
 * relative, each once, in order. A header outside `*** Begin Patch` is read as
 * well: too many paths only ask too often, too few lose an edit.
 *
 * Unified diffs, as `git apply` and `patch` take them, are read by
 * {@linkcode diffPaths}.
 *
 * @module
 */

import { isPath } from "./payload.ts";

const STARS = "*** ";
const HEADERS: readonly string[] = [
  "*** Add File:",
  "*** Update File:",
  "*** Delete File:",
  "*** Move to:",
];
const PATHS_MAX = 10_000;
const LINE_CHARS_MAX = 8192;

/**
 * Says whether a text is, or holds, a patch of this form.
 *
 * @param text Any text.
 * @returns Whether a header of such a patch is in it.
 */
export function isPatch(text: string): boolean {
  return text.includes("*** Begin Patch") ||
    HEADERS.some((header) => text.includes(header));
}

/**
 * Lists the files a patch touches.
 *
 * @example
 * ```ts
 * import { patchPaths } from "./patch.ts";
 * import assert from "node:assert/strict";
 *
 * const patch = "*** Begin Patch\n*** Delete File: a.ts\n*** End Patch";
 * assert.deepEqual(patchPaths(patch), ["a.ts"]);
 * ```
 *
 * @param text The patch, with any line ends.
 * @param pathsMax How many paths to list at most.
 * @returns The paths as given, each once.
 */
export function patchPaths(text: string, pathsMax = PATHS_MAX): string[] {
  const paths = new Set<string>();
  for (
    let at = text.indexOf(STARS);
    at >= 0 && paths.size < pathsMax;
    at = text.indexOf(STARS, at + 1)
  ) {
    const header = HEADERS.find((each) => text.startsWith(each, at));
    if (header === undefined || !isIndent(text, at)) continue;
    const from = at + header.length;
    // A longer line holds no path.
    const [given] = text.slice(from, from + LINE_CHARS_MAX).split(/[\r\n]/, 1);
    const path = given.trim();
    if (isPath(path)) paths.add(path);
    // Codex takes one blank off the path, opencode all.
    const blank = given.slice(1).trimEnd();
    if (given.startsWith("  ") && isPath(blank)) paths.add(blank);
  }
  return [...paths].slice(0, pathsMax);
}

/** Whether nothing but blanks is before `at` in its line. */
function isIndent(text: string, at: number): boolean {
  for (let before = at - 1; before >= 0; before--) {
    const char = text[before];
    if (char === "\n" || char === "\r") return true;
    // U+0085 is a blank for Codex, but not for JavaScript.
    if (char.trim() !== "" && char !== "\u0085") return false;
  }
  return true;
}

/**
 * Lists the files a unified diff touches. It may be indented as a whole, as
 * `patch` takes it.
 *
 * @param text The diff.
 * @param strip How many leading folders to take off each path.
 * @returns At most 10,000 paths, each once.
 */
export function diffPaths(text: string, strip: number): string[] {
  const paths = new Set<string>();
  for (const each of text.split(/\r?\n/)) {
    const line = each.trimStart();
    if (!line.startsWith("+++ ") && !line.startsWith("--- ")) continue;
    const name = line.slice(4).split("\t")[0].trim();
    if (name === "/dev/null") continue;
    const path = name.split("/").slice(strip).join("/");
    if (isPath(path)) paths.add(path);
    if (paths.size === PATHS_MAX) break;
  }
  return [...paths];
}
