/**
 * Help of the commands, made from their declarations and their table.
 *
 * @module
 */

import { GLOBAL_OPTIONS, type OptionDeclarations } from "./arguments.ts";
import { type Command, EXIT } from "./declaration.ts";
import { GROUPS, namesIn, rowOf } from "./command_table.ts";
import { COMMANDS } from "./commands.ts";
import { EXIT_CODES, pairLines } from "./help_topics.ts";
import { fieldsOf, type JsonLine } from "./json_fields.ts";
import { printJson, printLine } from "./output/output.ts";
import { tableLines } from "./output/table.ts";
import {
  commandLines,
  headingLines,
  overviewLines,
  wrapped,
} from "./overview.ts";
import { paint, terminalColumns } from "./output/terminal.ts";
import { wrapText } from "./output/text_width.ts";
import { helpOf, optionSpellings, usageOf } from "./usage.ts";

/**
 * Prints the help of a command; returns the exit code.
 *
 * @param parts Subcommands of a group.
 */
export function explain(
  command: Command,
  json: boolean,
  parts: readonly Command[] = [],
): number {
  if (json) [command, ...parts].map(toJson).forEach(printJson);
  else explanation(command).forEach(printLine);
  return EXIT.done;
}

/** Loads the subcommands of a group. */
export async function partsOf(group: Command): Promise<readonly Command[]> {
  const loaders = Object.values(group.commands ?? {});
  const modules = await Promise.all(loaders.map((load) => load()));
  return modules.map((module) => module.default);
}

/** Loads all commands, each group before its subcommands. */
export async function allCommands(): Promise<readonly Command[]> {
  const groups = await Promise.all(
    namesIn().map(async (name) => {
      const { default: command } = await COMMANDS
        [name as keyof typeof COMMANDS]();
      return [command, ...await partsOf(command)];
    }),
  );
  return groups.flat();
}

/** Prints the overview; returns the exit code. */
export async function printOverview(json: boolean): Promise<number> {
  if (json) (await allCommands()).map(toJson).forEach(printJson);
  else overviewLines().forEach(printLine);
  return EXIT.done;
}

/** Prints all commands and subcommands in their groups; returns the exit code. */
export function printAll(): number {
  for (const [group, title] of Object.entries(GROUPS)) {
    if (group !== "see") printLine("");
    headingLines(title).forEach(printLine);
    const names = namesIn()
      .flatMap((name) => [name, ...namesIn(name)])
      .filter((name) => rowOf(name).group === group);
    commandLines(names).forEach(printLine);
  }
  printLine("");
  headingLines("Options of every command:").forEach(printLine);
  optionLines(GLOBAL_OPTIONS).forEach(printLine);
  return EXIT.done;
}

function explanation(command: Command): string[] {
  const { name, exitCodes, json = [], examples = [] } = command;
  const { aliases = [] } = rowOf(name);
  return [
    ...wrapped(`${rowOf(name).summary}.`),
    "",
    ...usageLines(command),
    ...(aliases.length === 0 ? [] : wrapped(`Also: ${aliases.join(", ")}`)),
    ...(command.details ?? []).flatMap((text) => ["", ...wrapped(text)]),
    ...section("Commands", commandLines(namesIn(name))),
    ...section(
      "Arguments",
      // The subcommands of a group are listed above.
      command.commands !== undefined ? [] : tableLines(
        [{}, { isProse: true }],
        command.positionals.map((positional) => [
          { text: `  ${positional.name}` },
          { text: helpOf(positional) },
        ]),
      ),
    ),
    ...section("Options", optionLines(command.options)),
    ...section("Options of every command", optionLines(GLOBAL_OPTIONS)),
    ...section("Exit codes", pairLines(exitCodesOf(exitCodes))),
    ...section("JSON fields", json.flatMap(jsonLines)),
    ...section(
      "Examples",
      examples.flatMap((example) => wrapped(`  mbus ${example}`)),
    ),
  ];
}

/** Returns the codes of a command, without those of a stopped process. */
export function exitCodesOf(
  own: Readonly<Record<number, string>> = {},
): Record<string, string> {
  const { 0: done, 2: usage, 3: unusable } = EXIT_CODES;
  return { 0: done, 2: usage, 3: unusable, ...own };
}

function jsonLines(line: JsonLine): string[] {
  const { when } = line;
  const names = fieldsOf(line).join(", ");
  return wrapped(`  ${when === undefined ? names : `${when}: ${names}`}`);
}

function usageLines(command: Command): string[] {
  const label = `${paint("bold", "Usage:")} `;
  const indent = " ".repeat("Usage: ".length);
  const width = (terminalColumns() ?? Infinity) - indent.length;
  return wrapText(`mbus ${usageOf(command)}`, width)
    .map((line, i) => (i === 0 ? label : indent) + line);
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ["", ...headingLines(`${title}:`), ...lines];
}

function optionLines(options: OptionDeclarations): string[] {
  const rows = Object.entries(options).map(([name, declaration]) => [
    { text: `  ${optionSpellings(name, declaration)}` },
    { text: helpOf(declaration) },
  ]);
  return tableLines([{ minWidth: 22 }, { isProse: true }], rows);
}

function toJson(command: Command): unknown {
  const { name, positionals, options, examples, exitCodes, json } = command;
  const { group, summary, aliases = [] } = rowOf(name);
  return {
    command: name,
    group,
    summary,
    aliases,
    usage: `mbus ${usageOf(command)}`,
    positionals: positionals.map((positional) => ({
      optional: false,
      repeated: false,
      ...positional,
    })),
    options: Object.entries({ ...options, ...GLOBAL_OPTIONS }).map(
      ([name, declaration]) => ({ name, ...declaration }),
    ),
    details: command.details ?? [],
    examples: (examples ?? []).map((example) => `mbus ${example}`),
    exitCodes: exitCodesOf(exitCodes),
    json: (json ?? []).map((line) => ({
      when: line.when,
      fields: fieldsOf(line),
    })),
  };
}
