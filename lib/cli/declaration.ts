/**
 * Declaration of a command, and the exit codes of all commands.
 *
 * | code | meaning |
 * | --- | --- |
 * | 0 | done, or the reader of the output has closed its pipe |
 * | 1 | refused by the current state: a name in use, a timeout before `--count` |
 * | 2 | wrong usage or input: the same call fails again |
 * | 3 | unusable store, or an internal error |
 * | 130, 143 | stopped by Ctrl-C, by SIGTERM, after locks were released |
 *
 * @module
 */

import type {
  OptionDeclarations,
  ParsedArguments,
  PositionalDeclaration,
} from "./arguments.ts";
import type { CommandName } from "./command_table.ts";
import type { JsonLine } from "./json_fields.ts";

/** Exit codes of a command. */
export const EXIT: {
  readonly done: 0;
  readonly refused: 1;
  readonly usage: 2;
  readonly unusable: 3;
} = { done: 0, refused: 1, usage: 2, unusable: 3 };

/** Declaration of a command. */
export interface CommandDeclaration<O extends OptionDeclarations> {
  /** Name of the command; both words for a subcommand. */
  readonly name: CommandName;
  /** Paragraphs of the help. */
  readonly details?: readonly string[];
  /** Command lines that work, without the leading `mbus`. */
  readonly examples?: readonly string[];
  /** Meanings of the exit codes that are particular to the command. */
  readonly exitCodes?: Readonly<Record<number, string>>;
  /** Lines that it prints with `--json` (default: none). */
  readonly json?: readonly JsonLine[];
  /** Positional arguments, in their order. */
  readonly positionals: readonly PositionalDeclaration[];
  /** Options of the command, without the global ones. */
  readonly options: O;
  /** Subcommands of a group, by their names. */
  readonly commands?: Readonly<
    Record<string, () => Promise<{ readonly default: Command }>>
  >;
  /** Runs the command; returns the exit code. */
  run(args: ParsedArguments<O>): Promise<number>;
}

/** A command with any options. */
export interface Command
  extends Omit<CommandDeclaration<OptionDeclarations>, "run"> {
  /** Parses the arguments and runs the command; returns the exit code. */
  execute(args: readonly string[]): Promise<number>;
}
