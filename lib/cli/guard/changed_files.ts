/**
 * Which files of a worktree git is about to commit or to push.
 *
 * @module
 */

import { git, pathsIn } from "../git.ts";

/** What git is about to do. */
export type GitAct = "commit" | "merge" | "apply" | "push";

/**
 * The files that are staged, relative to the root of the worktree; of one that
 * was renamed both names.
 */
export async function stagedFiles(): Promise<readonly string[]> {
  const output = await git(
    ["diff", "--cached", "--name-only", "--no-renames", "-z"],
    { act: "see what is staged" },
  );
  return pathsIn(output);
}

/**
 * The files that commits to be pushed change: those that no remote has yet.
 *
 * @param refs What git tells a pre-push hook: a line `‹local ref› ‹commit›
 * ‹remote ref› ‹commit there›` for each ref.
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
      // Of a merge only what it decided itself.
      "-c",
      "-z",
      // What the remote has may not have been fetched.
      "--ignore-missing",
      local,
      ...(isNone(remote) ? [] : [`^${remote}`]),
      "--not",
      "--remotes",
    ], { act: "see what is pushed" });
    pathsIn(output).forEach((path) => files.add(path));
  }
  return [...files];
}

/** The root of the worktree; undefined where there is none. */
export async function worktreeRoot(): Promise<string | undefined> {
  const act = "find the worktree";
  const inside = await git(["rev-parse", "--is-inside-work-tree"], { act });
  if (inside.trim() !== "true") return undefined;
  const top = await git(["rev-parse", "--show-toplevel"], { act });
  return Deno.realPathSync(top.replace(/\n$/, ""));
}

/** The commit of a ref that is not there. */
function isNone(commit: string): boolean {
  return /^0+$/.test(commit);
}
