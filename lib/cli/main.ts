/**
 * Main function of the command line: finds the command, runs it, and turns an
 * error into a message and an exit code.
 *
 * @module
 */

import {
  GLOBAL_OPTIONS,
  isOption,
  parseArguments,
  UsageError,
} from "./arguments.ts";
import { settleEnvironment } from "./codex_shell.ts";
import { EXIT } from "./command.ts";
import { COMMANDS } from "./commands.ts";
// Loaded at the start, because an error may be that no file can be opened.
import { asksForJson, reportFailure } from "./failure.ts";
import type { TopName } from "./command_table.ts";
import { printLine } from "./output/output.ts";

// Hidden command that the scripts of `mbus completion` run.
const COMPLETE = "__complete";

/** Runs a command line; returns the exit code. */
export async function main(args: readonly string[]): Promise<number> {
  try {
    await settleEnvironment();
    return await run(args);
  } catch (error) {
    return reportFailure(error, asksForJson(args));
  }
}

async function run(args: readonly string[]): Promise<number> {
  const at = commandAt(args);
  if (at === -1) return await runWithoutCommand(args);
  const name = args[at];
  const rest = [...args.slice(0, at), ...args.slice(at + 1)];
  if (name === COMPLETE) {
    const { complete } = await import("./bin/complete.ts");
    return await complete(rest);
  }
  const { default: command } = await COMMANDS[await commandNamed(name)]();
  return await command.execute(rest);
}

/** Returns the name of a command that may be written by an alias. */
async function commandNamed(written: string): Promise<TopName> {
  if (Object.hasOwn(COMMANDS, written)) return written as TopName;
  const { declaredWord, suggestCommand } = await import("./command_table.ts");
  const name = declaredWord(written);
  if (name !== undefined) return name as TopName;
  throw new UsageError(
    "command",
    `Cannot run ${JSON.stringify(written)}: the command is unknown. ` +
      `${await suggestCommand(written)}"mbus help" lists the commands.`,
  );
}

/** Returns the index of the command's name; global options may come first. */
function commandAt(args: readonly string[]): number {
  for (let i = 0; i < args.length; i++) {
    if (!isOption(args[i])) return i;
    const name = args[i].slice(2) as keyof typeof GLOBAL_OPTIONS;
    if (
      Object.hasOwn(GLOBAL_OPTIONS, name) &&
      GLOBAL_OPTIONS[name].kind !== "flag"
    ) i++;
  }
  return -1;
}

async function runWithoutCommand(args: readonly string[]): Promise<number> {
  const { options } = parseArguments(
    { name: "help", positionals: [], options: {} },
    args,
  );
  if (options.version) {
    const { printVersion } = await import("./version.ts");
    return printVersion(options.json);
  }
  if (options.help && options.json) {
    const { printOverview } = await import("./help.ts");
    return await printOverview(true);
  }
  if (options.json) {
    throw new UsageError(
      "command",
      'Cannot run mbus: the command is missing. "mbus help" lists the commands.',
    );
  }
  const { overviewLines } = await import("./overview.ts");
  if (!options.help) {
    const { printState } = await import("./bus_state.ts");
    await printState(options);
  }
  overviewLines().forEach(printLine);
  return EXIT.done;
}
