/**
 * `mbus help`: prints the help. `../help.ts` describes its JSON.
 *
 * @module
 */

import { UsageError } from "../arguments.ts";
import { type Command, defineCommand } from "../command.ts";
import { COMMANDS } from "../commands.ts";
import { explain, partsOf, printOverview } from "../help.ts";
import { didYouMean } from "../../text/spelling.ts";

const help: Command = defineCommand({
  name: "help",
  summary: "Show the help of mbus or of one command",
  positionals: [{
    name: "COMMAND",
    help: "Command, such as send or task post (default: list all)",
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
          `Cannot show the help of ${JSON.stringify(names.join(" "))}: the ` +
            `command is unknown. ${didYouMean(name, known)}"mbus help" lists ` +
            `the commands.`,
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
