/**
 * Man pages in mdoc(7), made from the commands.
 *
 * @module
 */

import {
  GLOBAL_OPTIONS,
  type OptionDeclaration,
  type OptionDeclarations,
  placeholderOf,
} from "./arguments.ts";
import { GROUPS, namesIn, rowOf } from "./command_table.ts";
import { type Command, EXIT } from "./declaration.ts";
import { exitCodesOf } from "./help.ts";
import { fieldsOf } from "./json_fields.ts";
import { ENVIRONMENT, EXIT_CODES } from "./help_topics.ts";
import { OVERVIEW_EXAMPLES } from "./overview.ts";
import { printCode } from "./output/output.ts";
import { wrapText } from "./output/text_width.ts";
import { helpOf } from "./usage.ts";

// mandoc's style limit is 80 bytes.
const LINE_MAX = 78;

/** Prints the man page of a command, or of mbus; returns the exit code. */
export function printManPage(command: Command | undefined): number {
  manPage(command).forEach(printCode);
  return EXIT.done;
}

/** Returns the man page of a command, or of mbus, as lines. */
export function manPage(command: Command | undefined): string[] {
  return command === undefined ? mainPage() : commandPage(command);
}

function mainPage(): string[] {
  return [
    ...head("mbus", "every coding agent on this machine, on one bus"),
    ".Sh SYNOPSIS",
    ".Nm mbus",
    ".Ar COMMAND",
    ".Op Ar ARGUMENTS ...",
    ".Sh DESCRIPTION",
    ...prose(
      "Sessions of coding agents share messages, locks and tasks. Each command " +
        "has a page of its own.",
    ),
    ...Object.entries(GROUPS).flatMap(([group, title]) => [
      `.Ss ${title}`,
      ...tagList(
        namesIn().filter((name) => rowOf(name).group === group)
          .map((name) => [`.It Cm ${escaped(name)}`, rowOf(name).summary]),
      ),
    ]),
    ".Ss Options of every command",
    ...optionList(GLOBAL_OPTIONS),
    ".Sh ENVIRONMENT",
    ...tagList(
      Object.entries(ENVIRONMENT).map((
        [name, text],
      ) => [`.It Ev ${name}`, text]),
    ),
    ".Sh EXIT STATUS",
    ...codeList(EXIT_CODES),
    ".Sh EXAMPLES",
    ...exampleLines(OVERVIEW_EXAMPLES),
    ".Sh SEE ALSO",
    ...references(namesIn().map(pageOf)),
  ];
}

function commandPage(command: Command): string[] {
  const { name, details = [], positionals, options, json = [] } = command;
  const { summary, aliases = [] } = rowOf(name);
  const examples = command.examples ?? [];
  const parts = namesIn(name);
  const related = ["mbus", ...parts.map(pageOf)];
  return [
    ...head(pageOf(name), summary),
    ".Sh SYNOPSIS",
    `.Nm mbus ${name}`,
    ...positionals.map(({ name, optional, repeated }) =>
      `.${optional ? "Op Ar" : "Ar"} ${escaped(name)}${repeated ? " ..." : ""}`
    ),
    ...(Object.keys(options).length === 0 ? [] : [".Op Ar OPTIONS ..."]),
    ".Sh DESCRIPTION",
    ...prose(`${summary}.`),
    ...details.flatMap((text) => [".Pp", ...prose(text)]),
    ...(aliases.length === 0
      ? []
      : [".Pp", ...prose(`Other names: ${aliases.join(", ")}.`)]),
    ...subsection(
      "Subcommands",
      tagList(parts.map((part) => [
        `.It Cm ${escaped(part.slice(name.length + 1))}`,
        rowOf(part).summary,
      ])),
    ),
    ...subsection(
      "Arguments",
      tagList(positionals.map((each) => [
        `.It Ar ${escaped(each.name)}`,
        helpOf(each),
      ])),
    ),
    ...subsection("Options", optionList(options)),
    ...subsection("Options of every command", optionList(GLOBAL_OPTIONS)),
    ...subsection(
      "JSON fields",
      json.flatMap((line, i) => [
        ...(i === 0 ? [] : [".Pp"]),
        ...prose(
          `${line.when === undefined ? "" : `${line.when}: `}${
            fieldsOf(line).join(", ")
          }`,
        ),
      ]),
    ),
    ".Sh EXIT STATUS",
    ...codeList(exitCodesOf(command.exitCodes)),
    ...(examples.length === 0
      ? []
      : [".Sh EXAMPLES", ...exampleLines(examples)]),
    ".Sh SEE ALSO",
    ...references(related),
  ];
}

function head(page: string, summary: string): string[] {
  const date = new Date().toLocaleDateString("en-US", {
    dateStyle: "long",
    timeZone: "UTC",
  });
  return [
    `.Dd ${date}`,
    `.Dt ${page.toUpperCase()} 1`,
    ".Os",
    ".Sh NAME",
    `.Nm ${page}`,
    `.Nd ${escaped(summary)}`,
  ];
}

function pageOf(name: string): string {
  return `mbus-${name.replace(" ", "-")}`;
}

function subsection(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : [`.Ss ${title}`, ...lines];
}

function optionList(options: OptionDeclarations): string[] {
  return tagList(
    Object.entries(options).map(([name, each]) => [
      `.It ${optionTag(name, each)}`,
      helpOf(each),
    ]),
  );
}

function optionTag(name: string, declaration: OptionDeclaration): string {
  const { short, aliases = [] } = declaration;
  const value = declaration.kind === "flag"
    ? ""
    : ` Ar ${escaped(placeholderOf(declaration))}`;
  return [
    ...(short === undefined ? [] : [`Fl ${short}`]),
    ...aliases.map((alias) => `Fl ${escaped(`-${alias}`)}`),
    `Fl ${escaped(`-${name}`)}${value}`,
  ].join(" , ");
}

function codeList(codes: Readonly<Record<string, string>>): string[] {
  return tagList(
    Object.entries(codes).map(([code, text]) => [`.It ${code}`, text]),
  );
}

function tagList(
  items: readonly (readonly [tag: string, text: string])[],
): string[] {
  if (items.length === 0) return [];
  return [
    ".Bl -tag -width Ds",
    ...items.flatMap(([tag, text]) => [tag, ...prose(text)]),
    ".El",
  ];
}

function exampleLines(examples: readonly string[]): string[] {
  return examples.map((example) => `.Dl ${escaped(`mbus ${example}`)}`);
}

function references(pages: readonly string[]): string[] {
  const sorted = [...pages].sort();
  return sorted.map((page, i) =>
    `.Xr ${page} 1${i < sorted.length - 1 ? " ," : ""}`
  );
}

/** Returns a text in lines, each sentence on lines of its own. */
function prose(text: string): string[] {
  return text.split(/(?<=[.!?]) (?=\S)/)
    .flatMap((sentence) => wrapText(withoutTroff(sentence), LINE_MAX))
    .map(asText);
}

/** Returns a text as one line that troff prints as it is. */
function escaped(text: string): string {
  return asText(withoutTroff(text));
}

/** Keeps a line from being read as a macro. */
function asText(line: string): string {
  return line.replace(/^[.']/, "\\&$&");
}

function withoutTroff(text: string): string {
  return text.replaceAll("\\", "\\e")
    .replaceAll('"', "\\(dq")
    .replaceAll("'", "\\(aq")
    .replaceAll("`", "\\(ga")
    .replaceAll("~", "\\(ti")
    .replaceAll("^", "\\(ha")
    .replaceAll("-", "\\-")
    .replaceAll("…", "...")
    .replace(
      /[^\x20-\x7e]/gu,
      (character) =>
        `\\[u${
          character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, "0")
        }]`,
    );
}
