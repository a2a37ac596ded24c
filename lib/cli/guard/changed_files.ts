/**
 * Files of a worktree that git is about to commit or push.
 *
 * @module
 */

import { git, pathsIn } from "../git.ts";

/** Operation of git that the guard checks. */
export type GitAct = "commit" | "merge" | "apply" | "push";

/**
 * Returns the staged files, relative to the root of the worktree. A renamed file
 * has both names.
 */
export async function stagedFiles(): Promise<readonly string[]> {
  const output = await git(
    ["diff", "--cached", "--name-only", "--no-renames", "-z"],
    { act: "list the staged files" },
  );
  return pathsIn(output);
}

/**
 * Returns the files of the commits to push, without those of any remote.
 *
 * @param refs Input of a pre-push hook: a line `‹local ref› ‹commit›
 * ‹remote ref› ‹remote commit›` for each ref.
 */
export async function pushedFiles(refs: string): Promise<readonly string[]> {
  const files = new Set<string>();
  for (const line of refs.split("\n")) {
    const [, local, , remote] = line.split(" ");
    if (local === undefined || remote === undefined || isNone(local)) continue;
    const output = await git([
      "log",
      "--format=",
      "--name-only",
      "--no-renames",
      // A merge counts with the files that differ from each parent.
      "-c",
      "-z",
      // The remote commit may not have been fetched.
      "--ignore-missing",
      local,
      ...(isNone(remote) ? [] : [`^${remote}`]),
      "--not",
      "--remotes",
    ], { act: "list the files to push" });
    pathsIn(output).forEach((path) => files.add(path));
  }
  return [...files];
}

/** Returns the root of the worktree; undefined outside of a worktree. */
export async function worktreeRoot(): Promise<string | undefined> {
  const act = "find the worktree";
  const inside = await git(["rev-parse", "--is-inside-work-tree"], { act });
  if (inside.trim() !== "true") return undefined;
  const top = await git(["rev-parse", "--show-toplevel"], { act });
  return Deno.realPathSync(top.replace(/\n$/, ""));
}

/** Returns whether a commit is git's placeholder for a missing ref. */
function isNone(commit: string): boolean {
  return /^0+$/.test(commit);
}
