/**
 * What a command is: its grammar, its help, and what it does.
 *
 * A command lives in a file of its own and is listed by one line in
 * `commands.ts`, which loads it only when it is called.
 *
 * @module
 */

import { type OptionDeclarations, parseArguments } from "./arguments.ts";
import type { Command, CommandDeclaration } from "./declaration.ts";

export { type Command, type CommandDeclaration, EXIT } from "./declaration.ts";

/** Makes a command of its declaration. */
export function defineCommand<const O extends OptionDeclarations>(
  declaration: CommandDeclaration<O>,
): Command {
  const command: Command = {
    ...declaration,
    async execute(args: readonly string[]): Promise<number> {
      const parsed = parseArguments(declaration, args);
      if (parsed.options.help || parsed.options.version) {
        const { explain, printVersion } = await import("./help.ts");
        return parsed.options.help
          ? explain(command, parsed.options.json)
          : await printVersion(parsed.options.json);
      }
      return await declaration.run(parsed);
    },
  };
  return command;
}
