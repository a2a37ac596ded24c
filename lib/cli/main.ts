/**
 * From the command line to the exit code.
 *
 * Finds the command, runs it, and turns whatever it throws into one sentence
 * and the right code: nobody sees a stack trace.
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
import { printToStderr } from "./output/output.ts";

/** Runs a command line; returns the exit code. */
export async function main(args: readonly string[]): Promise<number> {
  try {
    await settleEnvironment();
    return await run(args);
  } catch (error) {
    const { asksForJson, reportFailure } = await import("./failure.ts");
    return reportFailure(error, asksForJson(args));
  }
}

async function run(args: readonly string[]): Promise<number> {
  const at = commandAt(args);
  if (at === -1) return await runWithoutCommand(args);
  const name = args[at];
  const rest = [...args.slice(0, at), ...args.slice(at + 1)];
  if (!Object.hasOwn(COMMANDS, name)) {
    const { didYouMean } = await import("./spelling.ts");
    throw new UsageError(
      "command",
      `Cannot run ${JSON.stringify(name)}: there is no such command; ` +
        `${didYouMean(name, Object.keys(COMMANDS))}"mbus help" lists them.`,
    );
  }
  const { default: command } = await COMMANDS[name]();
  return await command.execute(rest);
}

/** Where the command's name stands: global options may stand before it. */
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
      'Cannot run: no command was given; "mbus help" lists them.',
    );
  }
  (await overviewLines()).forEach(printToStderr);
  return EXIT.usage;
}
