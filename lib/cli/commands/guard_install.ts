/**
 * `mbus guard install`: puts up the hooks; where they are up, it does nothing.
 *
 * JSON: a line for each hook: `{ hook, path, done, chained?, kept? }`, `done`
 * being `installed`, `updated` or `unchanged`, `chained` the hook from before,
 * and `kept` an earlier one that git has not run any more.
 *
 * @module
 */

import { type Command, defineCommand, EXIT } from "../command.ts";
import { HOOKS, installHook } from "../guard/hook.ts";
import { hookPlace } from "../guard/place.ts";
import { printJson, printLine, printToStderr } from "../output/output.ts";
import { RefusalError } from "../refusal.ts";
import { visible } from "../output/visible_text.ts";

const install: Command = defineCommand({
  name: "guard install",
  summary: "Put the guard into this repository's hooks",
  details: [
    "The hooks are put where git looks for them, also if core.hooksPath is " +
    "set. All worktrees of a repository share them, unless that setting is a " +
    "relative path: then each worktree needs its own.",
  ],
  positionals: [],
  options: {},
  async run({ options }) {
    const { folder, shared } = await hookPlace("install the guard");
    try {
      Deno.mkdirSync(folder, { recursive: true });
      for (const hook of HOOKS) {
        const result = installHook(folder, hook);
        const chained = result.chained === undefined
          ? ""
          : ", after the hook that was there";
        if (options.json) printJson(result);
        else printLine(visible(`${result.path}: ${result.done}${chained}.`));
        if (result.kept !== undefined && !options.json) {
          printToStderr(visible(`mbus: ${keptText(result.kept)}.`));
        }
      }
    } catch (error) {
      throw refused("install", folder, error);
    }
    if (shared) {
      const text = `${folder} is outside of this repository: other ` +
        `repositories may use these hooks, too`;
      printToStderr(`mbus: ${visible(text)}.`);
    }
    return EXIT.done;
  },
});

export default install;

/** That a hook from before the guard is of no use any more. */
export function keptText(path: string): string {
  return `${path} is the hook from before the guard; another one has ` +
    `replaced it since, so git does not run it`;
}

// What the system says where files can't be made.
const OF_DISK = ["EACCES", "EPERM", "EROFS", "ENOTDIR", "EEXIST", "ENOSPC"];

/** The error of a folder that cannot be written, in words; others as they are. */
export function refused(act: string, folder: string, error: unknown): unknown {
  const { code } = error as { code?: string };
  if (code === undefined || !OF_DISK.includes(code)) return error;
  return new RefusalError(
    `Cannot ${act} the guard: hooks cannot be written in ${visible(folder)} (${
      (error as Error).message
    }); make it a folder that you may write, or set core.hooksPath to one.`,
    { cause: error },
  );
}
