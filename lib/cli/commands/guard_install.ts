/**
 * `mbus guard install`: installs the hooks, or leaves installed ones unchanged.
 *
 * JSON, one line per hook: `{ hook, path, done, chained?, kept? }`. `done` is
 * `installed`, `updated` or `unchanged`. `chained` is the previous hook, and
 * `kept` an earlier one that git no longer runs.
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
  details: [
    "The hooks are installed where git looks for them, also with " +
    "core.hooksPath. All worktrees of a repository share them, unless that " +
    "setting is a relative path: then install the guard in each worktree.",
  ],
  exitCodes: { 1: "The hooks cannot be written" },
  json: [{ object: "guardHook" }],
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
          : ", after the previous hook";
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

/** Returns the warning about a previous hook that git no longer runs. */
export function keptText(path: string): string {
  return `${path} is the hook from before the guard. Another hook has ` +
    `replaced it, so git does not run it`;
}

// Codes of errors of the file system.
const OF_DISK = ["EACCES", "EPERM", "EROFS", "ENOTDIR", "EEXIST", "ENOSPC"];

/** Returns a refusal for an error of the file system, and other errors as they are. */
export function refused(act: string, folder: string, error: unknown): unknown {
  const { code } = error as { code?: string };
  if (code === undefined || !OF_DISK.includes(code)) return error;
  return new RefusalError(
    `Cannot ${act} the guard: ${visible(folder)} is not writable (${
      (error as Error).message
    }). Make it writable, or set core.hooksPath to another folder.`,
    { cause: error },
  );
}
