/**
 * `mbus guard remove`: removes the hooks and restores the previous ones.
 *
 * It searches all current and earlier folders of git's hooks, and keeps hooks with
 * which other programs have replaced the guard.
 *
 * JSON, one line per hook: `{ hook, path, done, chained?, kept? }`. `done` is
 * `removed` or `absent`. `chained` is the restored hook, and `kept` a previous one
 * that another hook has replaced.
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
  details: ["Hooks that have replaced the guard stay."],
  exitCodes: { 1: "The hooks cannot be written" },
  json: [{ object: "guardHook" }],
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
            : ", and the previous hook restored";
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

/** Returns all folders that may have the guard, git's current one first. */
export function foldersOf({ folder, others }: HookPlace): readonly string[] {
  return [folder, ...others];
}
