/**
 * Definition of a command. Each command has its own file, a row in
 * `command_table.ts` and a loader in `commands.ts`.
 *
 * @module
 */

import { type OptionDeclarations, parseArguments } from "./arguments.ts";
import type { Command, CommandDeclaration } from "./declaration.ts";

export { type Command, type CommandDeclaration, EXIT } from "./declaration.ts";

/** Creates a command from its declaration. */
export function defineCommand<const O extends OptionDeclarations>(
  declaration: CommandDeclaration<O>,
): Command {
  const command: Command = {
    ...declaration,
    async execute(args: readonly string[]): Promise<number> {
      const parsed = parseArguments(declaration, args);
      if (parsed.options.help) {
        const { explain } = await import("./help.ts");
        return explain(command, parsed.options.json);
      }
      if (parsed.options.version) {
        const { printVersion } = await import("./version.ts");
        return printVersion(parsed.options.json);
      }
      return await declaration.run(parsed);
    },
  };
  return command;
}
