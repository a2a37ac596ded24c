/**
 * `mbus guard remove`: takes the hooks away, and puts back what was there.
 *
 * JSON: a line for each hook: `{ hook, path, done, chained? }`, `done` being
 * `removed` or `absent` and `chained` the hook that was put back.
 *
 * @module
 */

import { type Command, defineCommand, EXIT } from "./command.ts";
import { hookFolder, HOOKS, removeHook } from "./guard_hook.ts";
import { refused } from "./guard_install.ts";
import { printJson, printLine } from "./output.ts";
import { visible } from "./visible_text.ts";

const remove: Command = defineCommand({
  name: "guard remove",
  summary: "Take the guard out of this repository's hooks",
  positionals: [],
  options: {},
  async run({ options }) {
    const folder = await hookFolder("remove the guard");
    try {
      for (const hook of HOOKS) {
        const result = removeHook(folder.path, hook);
        const chained = result.chained === undefined
          ? ""
          : ", and the hook from before put back";
        if (options.json) printJson(result);
        else printLine(visible(`${result.path}: ${result.done}${chained}.`));
      }
    } catch (error) {
      throw refused("remove", folder.path, error);
    }
    return EXIT.done;
  },
});

export default remove;
