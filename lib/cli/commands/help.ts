/**
 * `mbus help`: explains the commands. Its JSON is described in `help.ts` above.
 *
 * @module
 */

import { UsageError } from "../arguments.ts";
import { type Command, defineCommand } from "../command.ts";
import { COMMANDS } from "../commands.ts";
import { explain, partsOf, printOverview } from "../help.ts";
import { didYouMean } from "../spelling.ts";

const help: Command = defineCommand({
  name: "help",
  summary: "Explain the commands, or one of them",
  positionals: [{
    name: "COMMAND",
    help: "The command to explain, such as send or task post",
    optional: true,
    repeated: true,
  }],
  options: {},
  async run({ positionals: names, options }) {
    if (names.length === 0) return await printOverview(options.json);
    let commands: Command["commands"] = COMMANDS;
    let command: Command | undefined;
    for (const name of names) {
      if (commands === undefined || !Object.hasOwn(commands, name)) {
        const known = Object.keys(commands ?? {});
        throw new UsageError(
          "command",
          `Cannot explain ${JSON.stringify(names.join(" "))}: there is no ` +
            `such command; ${didYouMean(name, known)}"mbus help" lists them.`,
        );
      }
      command = (await commands[name]()).default;
      commands = command.commands;
    }
    const parts = await partsOf(command!);
    return explain(command!, options.json, parts);
  },
});

export default help;
