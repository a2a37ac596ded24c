/**
 * Reads the paths of an `apply_patch` text, the patch form of Codex and opencode.
 *
 * Header lines name the files: `*** Add File: `, `*** Update File: `,
 * `*** Delete File: `, and `*** Move to: ` below an update. Codex trims each line
 * before it looks for a header, in a hunk too, so a header may be indented. Added
 * and removed lines start with `+` and `-`, so only context lines of a patch can
 * look like headers by mistake. Paths are returned as given, absolute or
 * relative, each once, in order. A header outside `*** Begin Patch` counts, too:
 * an extra path only costs a check, a missing one loses an edit.
 *
 * {@linkcode diffPaths} reads unified diffs, as `git apply` and `patch` do.
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
 * Whether a text is, or contains, a patch of this form.
 *
 * @param text Any text.
 * @returns Whether it has a header of such a patch.
 */
export function isPatch(text: string): boolean {
  return text.includes("*** Begin Patch") ||
    HEADERS.some((header) => text.includes(header));
}

/**
 * Lists the files that a patch touches.
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
 * @param pathsMax Maximum number of paths.
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
    // A line past the limit has no valid path.
    const [given] = text.slice(from, from + LINE_CHARS_MAX).split(/[\r\n]/, 1);
    const path = given.trim();
    if (isPath(path)) paths.add(path);
    // Codex trims one blank of the path, opencode all.
    const blank = given.slice(1).trimEnd();
    if (given.startsWith("  ") && isPath(blank)) paths.add(blank);
  }
  return [...paths].slice(0, pathsMax);
}

/** Whether only blanks stand before `at` in its line. */
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
 * Lists the files that a unified diff touches. The whole diff may be indented,
 * as `patch` allows.
 *
 * @param text The diff.
 * @param strip Number of leading folders to remove from each path.
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
