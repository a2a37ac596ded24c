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
import { printToStderr } from "./output/output.ts";

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
  if (!Object.hasOwn(COMMANDS, name)) {
    const { didYouMean } = await import("../text/spelling.ts");
    throw new UsageError(
      "command",
      `Cannot run ${JSON.stringify(name)}: the command is unknown. ` +
        `${
          didYouMean(name, Object.keys(COMMANDS))
        }"mbus help" lists the commands.`,
    );
  }
  const { default: command } = await COMMANDS[name]();
  return await command.execute(rest);
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
  const { overviewLines, printOverview, printVersion } = await import(
    "./help.ts"
  );
  const { options } = parseArguments(
    { name: "help", positionals: [], options: {} },
    args,
  );
  if (options.version) return await printVersion(options.json);
  if (options.help) return await printOverview(options.json);
  if (options.json) {
    throw new UsageError(
      "command",
      'Cannot run mbus: the command is missing. "mbus help" lists the commands.',
    );
  }
  (await overviewLines()).forEach(printToStderr);
  return EXIT.usage;
}
