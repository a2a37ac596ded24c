/**
 * What a command declares, and with which code it exits.
 *
 * **Exit codes**, the same for all commands:
 *
 * | code | meaning |
 * | --- | --- |
 * | 0 | done; also when the reader of a pipe has gone |
 * | 1 | refused by the state of things: a name in use, a timeout before `--count` |
 * | 2 | wrong usage or input: the same call fails again |
 * | 3 | the store cannot be used, or the program itself fails |
 * | 130, 143 | ended by Ctrl-C, by SIGTERM, after everything was given back |
 *
 * @module
 */

import type {
  OptionDeclarations,
  ParsedArguments,
  PositionalDeclaration,
} from "./arguments.ts";

/** What a process ends with. */
export const EXIT: {
  readonly done: 0;
  readonly refused: 1;
  readonly usage: 2;
  readonly unusable: 3;
} = { done: 0, refused: 1, usage: 2, unusable: 3 };

/** How a command is declared. */
export interface CommandDeclaration<O extends OptionDeclarations> {
  /** Its name. */
  readonly name: string;
  /** One line that says what it does. */
  readonly summary: string;
  /** What else there is to say, by paragraphs. */
  readonly details?: readonly string[];
  /** Command lines that work, without the leading `mbus`. */
  readonly examples?: readonly string[];
  /** What stands without a name, in order. */
  readonly positionals: readonly PositionalDeclaration[];
  /** Its own options. */
  readonly options: O;
  /** The commands that it consists of, if it is a group. */
  readonly commands?: Readonly<
    Record<string, () => Promise<{ readonly default: Command }>>
  >;
  /** Does it; returns the exit code. */
  run(args: ParsedArguments<O>): Promise<number>;
}

/** A command, whatever its options are. */
export interface Command
  extends Omit<CommandDeclaration<OptionDeclarations>, "run"> {
  /** Parses what follows the command's name, and does it. */
  execute(args: readonly string[]): Promise<number>;
}
