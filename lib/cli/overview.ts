/**
 * Overview of the commands, from their table alone.
 *
 * It has at most 79 columns and 45 lines, so that it fits a usual terminal. The
 * commands for scripts are listed by their names only.
 *
 * @module
 */

import { type CommandName, GROUPS, namesIn, rowOf } from "./command_table.ts";
import { tableLines } from "./output/table.ts";
import { paint, terminalColumns } from "./output/terminal.ts";
import { wrapText } from "./output/text_width.ts";

/** Columns of paragraphs, at most. */
export const TEXT_COLUMNS = 79;

/** Pages of `mbus help` that explain no command. */
export const TOPICS: readonly string[] = [
  ...["start", "agent", "exit-codes", "env"],
];

/** Command lines at the end of the overview, without the leading `mbus`. */
export const OVERVIEW_EXAMPLES: readonly string[] = [
  "lock src/parser --exclusive -m 'renaming Token'",
  "tell all 'main is red, do not merge'",
];

/** Returns the overview, as lines. */
export function overviewLines(): string[] {
  const byGroup = Map.groupBy(namesIn(), (name) => rowOf(name).group);
  const listed = [...byGroup].filter(([group]) => group !== "scripts");
  // All groups share the width of their first column.
  const rows = listed.flatMap(([, names]) => names);
  const minWidth = Math.max(...rows.map((name) => nameCell(name).length));
  return [
    ...wrapped("mbus: every coding agent on this machine, on one bus"),
    "",
    ...wrapped(
      "Usage: mbus COMMAND [ARGUMENTS]    mbus help COMMAND explains it",
    ),
    ...listed.flatMap(([group, names]) => [
      "",
      ...headingLines(GROUPS[group]),
      ...commandLines(names, minWidth),
    ]),
    "",
    ...headingLines(GROUPS.scripts),
    ...wrapped(`  ${byGroup.get("scripts")!.join(", ")}`),
    "",
    ...wrapped(
      "Options of every command: --json --all-projects --session --home -h -V",
    ),
    ...wrapped(`More: mbus help --all; mbus help ${TOPICS.join(", ")}`),
    "",
    ...OVERVIEW_EXAMPLES.flatMap((example) => wrapped(`  mbus ${example}`)),
  ];
}

/** Returns lines with the name, the aliases and the summary of each command. */
export function commandLines(
  names: readonly CommandName[],
  minWidth = 0,
): string[] {
  return tableLines(
    [{ minWidth }, { isProse: true }],
    names.map((name) => [
      { text: nameCell(name) },
      { text: rowOf(name).summary },
    ]),
  );
}

/** Returns a text in lines that fit the terminal, of at most 79 columns. */
export function wrapped(text: string): string[] {
  return wrapText(text, Math.min(terminalColumns() ?? TEXT_COLUMNS, 79));
}

/** Returns a heading in lines that fit the terminal. */
export function headingLines(title: string): string[] {
  return wrapped(title).map((line) => paint("bold", line));
}

function nameCell(name: CommandName): string {
  // A singular or plural needs no mention.
  const aliases = (rowOf(name).aliases ?? [])
    .filter((alias) => !alias.startsWith(name) && !name.startsWith(alias));
  const also = aliases.length === 0 ? "" : ` (${aliases.join(", ")})`;
  return `  ${name}${also}`;
}
