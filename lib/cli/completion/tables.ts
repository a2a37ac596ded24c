/**
 * Tables of the words that a shell completes, made from the commands.
 *
 * Each table maps a key to a text. The scripts of all shells look up the same
 * tables, and ask `mbus __complete` for the values that change.
 *
 * @module
 */

import {
  GLOBAL_OPTIONS,
  type OptionDeclaration,
  type OptionDeclarations,
  placeholderOf,
  type PositionalDeclaration,
  type ValueKind,
} from "../arguments.ts";
import { namesIn, rowOf, wordOf } from "../command_table.ts";
import type { Command } from "../declaration.ts";
import { TOPICS } from "../overview.ts";
import { helpOf } from "../usage.ts";

/** A table: keys and their texts. */
export type Table = ReadonlyMap<string, string>;

/** Tables of one script. */
export interface CompletionTables {
  /** Full name of a command, by the group before it, a space and its word. */
  readonly command: Table;
  /** Kind of an option's value, by the command, a space and the spelling. */
  readonly value: Table;
  /** Kinds of a command's arguments; `…` ends a list whose last one repeats. */
  readonly argument: Table;
  /** Lines of a command's options: the spelling, a tab, the help. */
  readonly options: Table;
  /** Lines of a group's commands: the word, a tab, the summary. */
  readonly names: Table;
}

// Kinds by the names that the help uses.
const KINDS: Readonly<Record<string, ValueKind>> = {
  AGENT: "agents",
  CHANNEL: "channels",
  COMMAND: "commands",
  DIR: "folders",
  PATH: "files",
  SESSION: "sessions",
  WHO: "sessions",
};

/** Returns the tables of all commands. */
export function completionTables(
  commands: readonly Command[],
): CompletionTables {
  const command = new Map<string, string>();
  const value = valuesOf("", GLOBAL_OPTIONS);
  const argument = new Map<string, string>();
  const options = new Map([["", optionText(GLOBAL_OPTIONS)]]);
  const names = new Map([["", nameText()]]);
  for (const each of commands) {
    const { name } = each;
    const [group, isPart] = [name.split(" ")[0], name.includes(" ")];
    for (const word of [wordOf(name), ...rowOf(name).aliases ?? []]) {
      command.set(`${isPart ? group : ""} ${word}`, name);
    }
    valuesOf(name, each.options).forEach((kind, key) => value.set(key, kind));
    if (each.commands !== undefined) names.set(name, nameText(name));
    else if (each.positionals.length > 0) {
      argument.set(name, argumentText(each.positionals));
    }
    const text = optionText(each.options);
    if (text !== "") options.set(name, text);
  }
  names.set("help", `${nameText()}\n${TOPICS.join("\n")}`);
  return { command, value, argument, options, names };
}

function valuesOf(
  command: string,
  options: OptionDeclarations,
): Map<string, string> {
  const found = new Map<string, string>();
  for (const [name, declaration] of Object.entries(options)) {
    if (declaration.kind === "flag") continue;
    for (const spelling of spellingsOf(name, declaration)) {
      found.set(
        `${command} ${spelling}`,
        kindOf(placeholderOf(declaration), declaration),
      );
    }
  }
  return found;
}

function kindOf(
  name: string,
  { choices, values }: {
    readonly choices?: readonly string[];
    readonly values?: ValueKind;
  },
): string {
  if (choices !== undefined) return `choices:${choices.join(",")}`;
  return values ?? KINDS[name] ?? "none";
}

function argumentText(positionals: readonly PositionalDeclaration[]): string {
  const kinds = positionals.map((each) => kindOf(each.name, each));
  return [...kinds, ...(positionals.at(-1)?.repeated ? ["…"] : [])].join(" ");
}

function optionText(options: OptionDeclarations): string {
  return Object.entries(options).flatMap(([name, declaration]) =>
    spellingsOf(name, declaration).map((spelling) =>
      `${spelling}\t${helpOf(declaration)}`
    )
  ).join("\n");
}

function nameText(group?: string): string {
  return namesIn(group)
    .map((name) => `${wordOf(name)}\t${rowOf(name).summary}`).join("\n");
}

function spellingsOf(
  name: string,
  { short, aliases = [] }: OptionDeclaration,
): string[] {
  return [
    ...[name, ...aliases].map((each) => `--${each}`),
    ...(short === undefined ? [] : [`-${short}`]),
  ];
}
