/**
 * Help of the commands, made from their declarations.
 *
 * JSON, one line per command: `{ command, summary, usage, positionals:
 * [{ name, help, optional, repeated }], options: [{ name, kind, help }] }`.
 *
 * @module
 */

import {
  GLOBAL_OPTIONS,
  type OptionDeclaration,
  type OptionDeclarations,
  placeholderOf,
  positionalUsage,
} from "./arguments.ts";
import { type Command, EXIT } from "./declaration.ts";
import { COMMANDS } from "./commands.ts";
import { printJson, printLine } from "./output/output.ts";
import { tableLines } from "./output/table.ts";
import { paint, terminalColumns } from "./output/terminal.ts";
import { wrapText } from "./output/text_width.ts";

// Width of paragraphs, also in a pipe.
const TEXT_COLUMNS = 78;

/**
 * Prints the help of a command.
 *
 * @param parts Subcommands of a group.
 */
export function explain(
  command: Command,
  json: boolean,
  parts: readonly Command[] = [],
): number {
  if (json) [command, ...parts].map(toJson).forEach(printJson);
  else explanation(command, parts).forEach(printLine);
  return EXIT.done;
}

/** Loads the subcommands of a group. */
export async function partsOf(group: Command): Promise<readonly Command[]> {
  const loaders = Object.values(group.commands ?? {});
  const modules = await Promise.all(loaders.map((load) => load()));
  return modules.map((module) => module.default);
}

/** Prints the list of commands; returns the exit code. */
export async function printOverview(json: boolean): Promise<number> {
  if (json) (await allCommands()).map(toJson).forEach(printJson);
  else (await overviewLines()).forEach(printLine);
  return EXIT.done;
}

/** Returns the list of commands, as lines. */
export async function overviewLines(): Promise<string[]> {
  return [
    "Messages, locks and tasks for the coding agents of one machine.",
    "",
    heading("Commands"),
    ...commandLines(await allCommands()),
    "",
    heading("Options of every command"),
    ...optionLines(GLOBAL_OPTIONS),
    "",
    'Run "mbus help COMMAND" for the help of one command.',
  ];
}

/** Prints the version; returns the exit code. */
export async function printVersion(json: boolean): Promise<number> {
  const { default: config } = await import("../../deno.json", {
    with: { type: "json" },
  });
  const { name, version } = config;
  if (json) printJson({ name, version, deno: Deno.version.deno });
  else printLine(`mbus ${version} (Deno ${Deno.version.deno})`);
  return EXIT.done;
}

function commandLines(commands: readonly Command[]): string[] {
  return tableLines(
    [{}, { isProse: true }],
    commands.map((command) => [
      { text: `  ${usageOf(command)}` },
      { text: command.summary },
    ]),
  );
}

function explanation(command: Command, parts: readonly Command[]): string[] {
  const own = optionLines(command.options);
  return [
    `${command.summary}.`,
    "",
    ...usageLines(command),
    ...section("Commands", commandLines(parts)),
    ...section(
      "Arguments",
      tableLines(
        [{}, { isProse: true }],
        command.positionals.map((positional) => [
          { text: `  ${positional.name}` },
          { text: positional.help },
        ]),
      ),
    ),
    ...section("Options", own),
    ...section("Options of every command", optionLines(GLOBAL_OPTIONS)),
    ...(command.details ?? []).flatMap((
      text,
    ) => ["", ...wrapText(text, TEXT_COLUMNS)]),
    ...section(
      "Examples",
      (command.examples ?? []).map((example) => `  mbus ${example}`),
    ),
  ];
}

function usageLines(command: Command): string[] {
  const label = `${heading("Usage")} `;
  const indent = " ".repeat("Usage: ".length);
  const width = (terminalColumns() ?? Infinity) - indent.length;
  return wrapText(`mbus ${usageOf(command)}`, width)
    .map((line, i) => (i === 0 ? label : indent) + line);
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ["", heading(title), ...lines];
}

function heading(title: string): string {
  return paint("bold", `${title}:`);
}

function usageOf(command: Command): string {
  const options = Object.entries(command.options).map(([name, declaration]) =>
    `[${optionUsage(name, declaration)}]`
  );
  const positionals = command.positionals.map(positionalUsage);
  // The command line of another program is the last argument.
  const last = positionals.findIndex((text) => text.startsWith("-- "));
  const behind = last === -1 ? [] : positionals.splice(last);
  return [command.name, ...positionals, ...options, ...behind].join(" ");
}

function optionUsage(name: string, declaration: OptionDeclaration): string {
  return declaration.kind === "flag"
    ? `--${name}`
    : `--${name} ${placeholderOf(declaration)}`;
}

function optionLines(options: OptionDeclarations): string[] {
  const rows = Object.entries(options).map(([name, declaration]) => {
    const short = declaration.short === undefined
      ? ""
      : `-${declaration.short}, `;
    return [
      { text: `  ${short}${optionUsage(name, declaration)}` },
      { text: declaration.help },
    ];
  });
  return tableLines([{ minWidth: 22 }, { isProse: true }], rows);
}

async function allCommands(): Promise<Command[]> {
  const modules = await Promise.all(
    Object.values(COMMANDS).map((load) => load()),
  );
  return modules.map((module) => module.default);
}

function toJson(command: Command): unknown {
  return {
    command: command.name,
    summary: command.summary,
    usage: `mbus ${usageOf(command)}`,
    positionals: command.positionals.map((positional) => ({
      name: positional.name,
      help: positional.help,
      optional: positional.optional ?? false,
      repeated: positional.repeated ?? false,
    })),
    options: Object.entries({ ...command.options, ...GLOBAL_OPTIONS }).map(
      ([name, { kind, help }]) => ({ name, kind, help }),
    ),
  };
}
