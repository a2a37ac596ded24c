/**
 * A command with subcommands, such as `mbus task post`.
 *
 * Each subcommand has its own file, which is loaded when it is called. Its
 * declared name has both words.
 *
 * @module
 */

import { GLOBAL_OPTIONS, isOption, UsageError } from "../arguments.ts";
import type { Command } from "../command.ts";

/** Declaration of a group. */
export type GroupDeclaration =
  & Pick<Command, "name" | "summary" | "details" | "examples">
  & Required<Pick<Command, "commands">>;

/** Creates a group from its declaration. */
export function defineGroup(declaration: GroupDeclaration): Command {
  const { name, commands } = declaration;
  const names = Object.keys(commands);
  const group: Command = {
    ...declaration,
    positionals: [
      { name: "SUBCOMMAND", help: `One of ${names.join(", ")}` },
      {
        name: "ARGUMENTS",
        help: "Arguments of the subcommand",
        optional: true,
      },
    ],
    options: {},
    async execute(args: readonly string[]): Promise<number> {
      const at = nameAt(args);
      const word = args[at];
      if (word !== undefined && Object.hasOwn(commands, word)) {
        const { default: command } = await commands[word]();
        return await command.execute([
          ...args.slice(0, at),
          ...args.slice(at + 1),
        ]);
      }
      if (word === undefined && args.some((arg) => /^(--help|-h)$/.test(arg))) {
        const { explain, partsOf } = await import("../help.ts");
        return explain(group, args.includes("--json"), await partsOf(group));
      }
      throw await unknown(name, word, names);
    },
  };
  return group;
}

/** Returns the index of the subcommand; global options may come first. */
function nameAt(args: readonly string[]): number {
  for (let i = 0; i < args.length; i++) {
    if (!isOption(args[i])) return i;
    const option = args[i].slice(2) as keyof typeof GLOBAL_OPTIONS;
    if (
      Object.hasOwn(GLOBAL_OPTIONS, option) &&
      GLOBAL_OPTIONS[option].kind !== "flag"
    ) i++;
  }
  return args.length;
}

async function unknown(
  group: string,
  word: string | undefined,
  names: readonly string[],
): Promise<UsageError> {
  const { didYouMean } = await import("../../text/spelling.ts");
  const state = word === undefined
    ? "the subcommand is missing. "
    : `the subcommand ${JSON.stringify(word)} is unknown. ${
      didYouMean(word, names)
    }`;
  return new UsageError(
    "command",
    `Cannot run "${group}": ${state}Write "mbus ${group} ${
      names.join("|")
    }", ` +
      `or see "mbus help ${group}".`,
  );
}
