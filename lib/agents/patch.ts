/**
 * The paths in an `apply_patch` text, the patch form of Codex and opencode.
 *
 * Such a text names its files on header lines (`*** Add File: `,
 * `*** Update File: `, `*** Delete File: `, and `*** Move to: ` below an
 * update). A header starts in the first column: added and context lines of a
 * hunk start with `+`, `-` or a space, so that a patch of a file that itself
 * holds such lines names no path too many. Paths come as given, absolute or
 * relative, each once, in order. A header outside `*** Begin Patch` is read as
 * well: too many paths only ask too often, too few lose an edit.
 *
 * Unified diffs, as `git apply` and `patch` take them, are read by
 * {@linkcode diffPaths}.
 *
 * @module
 */

import { isPath } from "./payload.ts";

const HEADERS: readonly string[] = [
  "*** Add File:",
  "*** Update File:",
  "*** Delete File:",
  "*** Move to:",
];
const PATHS_MAX = 1000;

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
 * @returns At most 1,000 paths as given, each once.
 */
export function patchPaths(text: string): string[] {
  const paths = new Set<string>();
  for (const line of text.split(/\r?\n|\r/)) {
    const header = HEADERS.find((candidate) => line.startsWith(candidate));
    if (header === undefined) continue;
    const path = line.slice(header.length).trim();
    if (isPath(path)) paths.add(path);
    if (paths.size === PATHS_MAX) break;
  }
  return [...paths];
}

/**
 * Lists the files a unified diff touches.
 *
 * @param text The diff.
 * @param strip How many leading folders to take off each path.
 * @returns At most 1,000 paths, each once.
 */
export function diffPaths(text: string, strip: number): string[] {
  const paths = new Set<string>();
  for (const line of text.split(/\r?\n/)) {
    if (!line.startsWith("+++ ") && !line.startsWith("--- ")) continue;
    const name = line.slice(4).split("\t")[0].trim();
    if (name === "/dev/null") continue;
    const path = name.split("/").slice(strip).join("/");
    if (isPath(path)) paths.add(path);
    if (paths.size === PATHS_MAX) break;
  }
  return [...paths];
}
