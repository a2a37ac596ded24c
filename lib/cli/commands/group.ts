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
  & Pick<Command, "name" | "details" | "examples" | "json">
  & Required<Pick<Command, "commands">>
  & {
    /** Subcommand that runs without a word (default: none). */
    readonly fallback?: string;
  };

/** Creates a group from its declaration. */
export function defineGroup(declaration: GroupDeclaration): Command {
  const { name, commands, fallback } = declaration;
  const names = Object.keys(commands);
  const group: Command = {
    ...declaration,
    positionals: [
      {
        name: "SUBCOMMAND",
        help: `One of ${names.join(", ")}`,
        default: fallback,
        optional: fallback !== undefined,
      },
      {
        name: "ARGUMENTS",
        help: "Arguments of the subcommand",
        optional: true,
      },
    ],
    options: {},
    async execute(args: readonly string[]): Promise<number> {
      const at = nameAt(args);
      const written = args[at];
      const word = await wordIn(commands, name, written);
      if (word !== undefined) {
        const { default: command } = await commands[word]();
        return await command.execute([
          ...args.slice(0, at),
          ...args.slice(at + 1),
        ]);
      }
      if (
        written === undefined && args.some((arg) => /^(--help|-h)$/.test(arg))
      ) {
        const { explain, partsOf } = await import("../help.ts");
        return explain(group, args.includes("--json"), await partsOf(group));
      }
      if (written === undefined && fallback !== undefined) {
        const { default: command } = await commands[fallback]();
        return await command.execute(args);
      }
      throw await unknown(name, written, names);
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

/** Returns the declared word of a subcommand that may be written by an alias. */
async function wordIn(
  commands: GroupDeclaration["commands"],
  group: string,
  written: string | undefined,
): Promise<string | undefined> {
  if (written === undefined || Object.hasOwn(commands, written)) return written;
  const { declaredWord } = await import("../command_table.ts");
  return declaredWord(written, group);
}

async function unknown(
  group: string,
  word: string | undefined,
  names: readonly string[],
): Promise<UsageError> {
  const { suggestCommand } = await import("../command_table.ts");
  const state = word === undefined
    ? "the subcommand is missing. "
    : `the subcommand ${
      JSON.stringify(word)
    } is unknown. ${await suggestCommand(word, group)}`;
  return new UsageError(
    "command",
    `Cannot run "${group}": ${state}Write "mbus ${group} ${
      names.join("|")
    }", ` +
      `or see "mbus help ${group}".`,
  );
}
