/**
 * Calls of git.
 *
 * Git runs as a child process because its configuration decides which files are
 * staged or pushed, and where the hooks are.
 *
 * @module
 */

import { RefusalError } from "./refusal.ts";
import { visible } from "./output/visible_text.ts";

/** Options of a call of git. */
export interface GitOptions {
  /** Working folder (default: that of this process). */
  readonly folder?: string;
  /** Verb and object of the error, such as `find the worktree`. */
  readonly act: string;
  /** Exit code of git for an empty result. */
  readonly none?: number;
}

/**
 * Runs git and returns its output.
 *
 * @throws {RefusalError} If git is not installed, or fails.
 */
export async function git(
  args: readonly string[],
  { folder, act, none }: GitOptions,
): Promise<string> {
  const { success, code, stdout, stderr } = await start(args, folder, act);
  const text = new TextDecoder();
  if (success || code === none) return text.decode(stdout);
  const reason = text.decode(stderr).trim().split("\n")[0];
  throw new RefusalError(
    `Cannot ${act}: git failed with ${JSON.stringify(visible(reason))}. Run ` +
      `it in a git repository that git can read.`,
  );
}

/** Returns the paths in output of git that is separated by NUL. */
export function pathsIn(output: string): string[] {
  // `git log -z` separates commits by a line break.
  return output.split("\0").map((path) => path.replace(/^\n+/, ""))
    .filter((path) => path !== "");
}

async function start(
  args: readonly string[],
  folder: string | undefined,
  act: string,
): Promise<Deno.CommandOutput> {
  try {
    return await new Deno.Command("git", {
      args: [...args],
      cwd: folder,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).output();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new RefusalError(
      `Cannot ${act}: git is not found. Install git, or add it to the PATH.`,
      { cause: error },
    );
  }
}
