/**
 * `mbus guard install`: puts up the hooks; where they are up, it does nothing.
 *
 * JSON: a line for each hook: `{ hook, path, done, chained? }`, `done` being
 * `installed`, `updated` or `unchanged` and `chained` the hook from before.
 *
 * @module
 */

import { type Command, defineCommand, EXIT } from "./command.ts";
import { hookFolder, HOOKS, installHook } from "./guard_hook.ts";
import { printAside, printJson, printLine } from "./output.ts";
import { RefusalError } from "./refusal.ts";
import { visible } from "./visible_text.ts";

const install: Command = defineCommand({
  name: "guard install",
  summary: "Put the guard into this repository's hooks",
  details: [
    "The hooks are put where git looks for them: core.hooksPath is honoured, " +
    "and all worktrees of a repository share them.",
  ],
  positionals: [],
  options: {},
  async run({ options }) {
    const folder = await hookFolder("install the guard");
    try {
      Deno.mkdirSync(folder.path, { recursive: true });
      for (const hook of HOOKS) {
        const result = installHook(folder.path, hook);
        const chained = result.chained === undefined
          ? ""
          : ", after the hook that was there";
        if (options.json) printJson(result);
        else printLine(visible(`${result.path}: ${result.done}${chained}.`));
      }
    } catch (error) {
      throw refused("install", folder.path, error);
    }
    if (folder.shared) {
      const text = `${folder.path} is outside of this repository: other ` +
        `repositories may use these hooks, too`;
      printAside(`mbus: ${visible(text)}.`);
    }
    return EXIT.done;
  },
});

export default install;

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
