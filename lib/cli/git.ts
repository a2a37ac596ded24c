/**
 * Asking git. It is started, not imitated: what is staged, what is pushed and
 * where hooks are follows from its configuration.
 *
 * @module
 */

import { RefusalError } from "./refusal.ts";
import { visible } from "./output/visible_text.ts";

/** How to ask git. */
export interface GitOptions {
  /** The folder to ask in. */
  readonly folder?: string;
  /** What is to be found out, for the error. */
  readonly act: string;
  /** The exit code by which git says that there is nothing of the kind. */
  readonly none?: number;
}

/**
 * What git prints.
 *
 * @throws {RefusalError} If there is no git, or it refuses.
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
    `Cannot ${act}: git says ${JSON.stringify(visible(reason))}; run it in a ` +
      `git repository that git can read.`,
  );
}

/** The paths in output that git separates with NUL. */
export function pathsIn(output: string): string[] {
  // Between the commits of a log stands a line break, too.
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
      `Cannot ${act}: git is not there; install it, or put it on the PATH.`,
      { cause: error },
    );
  }
}
