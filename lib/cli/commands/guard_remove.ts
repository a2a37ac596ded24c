/**
 * `mbus guard remove`: takes the hooks away, and puts back what was there.
 *
 * It looks in all folders in which git has looked for hooks, and leaves the
 * hooks that other programs have put over the guard.
 *
 * JSON: a line for each hook: `{ hook, path, done, chained?, kept? }`, `done`
 * being `removed` or `absent`, `chained` the hook that was put back, and `kept`
 * one from before the guard that another one has replaced.
 *
 * @module
 */

import { type Command, defineCommand, EXIT } from "../command.ts";
import { hasGuard, HOOKS, removeHook } from "../guard/hook.ts";
import { keptText, refused } from "./guard_install.ts";
import { type HookPlace, hookPlace } from "../guard/place.ts";
import { printJson, printLine, printToStderr } from "../output/output.ts";
import { visible } from "../output/visible_text.ts";

const remove: Command = defineCommand({
  name: "guard remove",
  summary: "Take the guard out of this repository's hooks",
  details: ["Hooks that were put over the guard stay."],
  positionals: [],
  options: {},
  async run({ options }) {
    const place = await hookPlace("remove the guard");
    for (const folder of foldersOf(place)) {
      try {
        for (const hook of HOOKS) {
          if (folder !== place.folder && !hasGuard(folder, hook)) continue;
          const result = removeHook(folder, hook);
          const chained = result.chained === undefined
            ? ""
            : ", and the hook from before put back";
          if (options.json) printJson(result);
          else printLine(visible(`${result.path}: ${result.done}${chained}.`));
          if (result.kept !== undefined && !options.json) {
            printToStderr(visible(`mbus: ${keptText(result.kept)}.`));
          }
        }
      } catch (error) {
        throw refused("remove", folder, error);
      }
    }
    return EXIT.done;
  },
});

export default remove;

/** All folders that may have the guard, that of git first. */
export function foldersOf({ folder, others }: HookPlace): readonly string[] {
  return [folder, ...others];
}
