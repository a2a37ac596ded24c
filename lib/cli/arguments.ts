/**
 * The command line's grammar. Each command declares its options and positionals
 * once; parsing, usage and help derive from the declaration.
 *
 * ```text
 * mbus [GLOBAL…] COMMAND [POSITIONAL | --option VALUE | --option=VALUE]… [--] …
 * ```
 *
 * - Options may stand anywhere; after `--` everything is positional.
 * - `-5` and `-` are values, not options: JSON may be a negative number.
 * - The last of several values of an option counts, so an alias can be overruled.
 *
 * The parser is our own because the runtime's parser slows down each start.
 *
 * @module
 */

import { InvalidInputError } from "../model/errors.ts";
import { parseDuration } from "./duration.ts";
import { didYouMean } from "../text/spelling.ts";

/** Values that a shell completes. */
export type ValueKind =
  | "agents"
  | "channels"
  | "commands"
  | "files"
  | "folders"
  | "locks"
  | "sessions"
  | "tasks";

/** An option of a command. */
export interface OptionDeclaration {
  /**
   * Type of the value. A `flag` has none. A `duration` is in milliseconds. A
   * `list` may be given several times, and be separated by commas.
   */
  readonly kind:
    | "flag"
    | "string"
    | "integer"
    | "duration"
    | "choice"
    | "list";
  /** Name of the value in the help, such as `DIR`. */
  readonly placeholder?: string;
  /** One line of help. */
  readonly help: string;
  /** Value that counts if none is given, for the help (default: none). */
  readonly default?: string;
  /** One-letter alias, without the hyphen. */
  readonly short?: string;
  /** Further long names, without the hyphens. */
  readonly aliases?: readonly string[];
  /** Values that a shell completes (default: by its placeholder). */
  readonly values?: ValueKind;
  /** Minimum of an `integer` (default: 0). */
  readonly min?: number;
  /** Values of a `choice`. */
  readonly choices?: readonly string[];
}

/** Options by their long names. */
export type OptionDeclarations = Readonly<Record<string, OptionDeclaration>>;

/** A positional argument of a command. */
export interface PositionalDeclaration {
  /** Name in the help, such as `CHANNEL`. */
  readonly name: string;
  /** One line of help. */
  readonly help: string;
  /** Value that counts if none is given, for the help (default: none). */
  readonly default?: string;
  /** Values that it can have (default: any). */
  readonly choices?: readonly string[];
  /** Values that a shell completes (default: by its name). */
  readonly values?: ValueKind;
  /** Whether it may be left out. */
  readonly optional?: boolean;
  /** Whether it may be given several times; only the last positional can be. */
  readonly repeated?: boolean;
  /**
   * Whether it is text: from its second word on, all words belong to it. Options
   * may follow text of one word, such as text in quotes.
   */
  readonly isText?: boolean;
}

/** Value of an option, by its kind. */
export type OptionValue<O extends OptionDeclaration> = O["kind"] extends "flag"
  ? boolean
  : O["kind"] extends "integer" | "duration" ? number | undefined
  : O["kind"] extends "list" ? readonly string[]
  : string | undefined;

/** Values of a command's options. */
export type OptionValues<O extends OptionDeclarations> = {
  readonly [name in keyof O]: OptionValue<O[name]>;
};

/** Options of every command. */
export const GLOBAL_OPTIONS = {
  json: { kind: "flag", help: "Print JSON, one object per line" },
  home: {
    kind: "string",
    placeholder: "DIR",
    help: "Bus folder",
    default: "$MBUS_HOME, or the user's folder",
  },
  session: {
    kind: "string",
    placeholder: "NAME",
    values: "sessions",
    help: "Session to act as",
    default: "$MBUS_SESSION, or detected",
  },
  "all-projects": {
    kind: "flag",
    help: "All projects",
    default: "the project of this folder",
  },
  long: {
    kind: "flag",
    short: "l",
    help: "Print ids of sessions",
    default: "names",
  },
  help: { kind: "flag", short: "h", help: "Show the help of the command" },
  version: { kind: "flag", short: "V", help: "Print the version" },
} as const satisfies OptionDeclarations;

/** Values of the options of every command. */
export type GlobalValues = OptionValues<typeof GLOBAL_OPTIONS>;

/** A parsed command line. */
export interface ParsedArguments<O extends OptionDeclarations> {
  /** Positional arguments, in their order. */
  readonly positionals: readonly string[];
  /** Values of the options. */
  readonly options: OptionValues<O> & GlobalValues;
}

/** A command line that does not fit the command's grammar. */
export class UsageError extends InvalidInputError {
  override name = "UsageError";
}

/** Grammar of a command's arguments. */
export interface Grammar<O extends OptionDeclarations> {
  /** Name of the command. */
  readonly name: string;
  /** Positional arguments, in their order. */
  readonly positionals: readonly PositionalDeclaration[];
  /** Options of the command, without the global ones. */
  readonly options: O;
}

/**
 * Parses the arguments of a command.
 *
 * @throws {UsageError} If they do not fit the grammar.
 */
export function parseArguments<O extends OptionDeclarations>(
  grammar: Grammar<O>,
  args: readonly string[],
): ParsedArguments<O> {
  const declared: OptionDeclarations = {
    ...grammar.options,
    ...GLOBAL_OPTIONS,
  };
  const values: Record<
    string,
    string | number | boolean | readonly string[] | undefined
  > = {};
  for (const name in declared) values[name] = WITHOUT[declared[name].kind];
  const positionals: string[] = [];
  const textAt = grammar.positionals.findIndex(({ isText }) => isText);
  let hasOptionAfterText = false;
  for (let i = 0; i < args.length; i++) {
    const arg = args[i];
    const textWords = textAt === -1 ? 0 : positionals.length - textAt;
    if (textWords > 1 || textWords === 1 && !isDeclared(arg, declared)) {
      if (textWords === 1 && hasOptionAfterText) {
        throw new UsageError(
          "text",
          `Cannot run "${grammar.name}": the text goes on with ` +
            `${
              JSON.stringify(arg)
            } after an option. Put the text in quotes, or ` +
            `the options before it.`,
        );
      }
      positionals.push(arg);
      continue;
    }
    hasOptionAfterText = textWords === 1;
    if (arg === "--") {
      positionals.push(...args.slice(i + 1));
      break;
    }
    if (!isOption(arg)) {
      positionals.push(arg);
      continue;
    }
    const [written, inline] = split(arg);
    const name = nameOf(written, declared, grammar.name);
    const declaration = declared[name];
    if (declaration.kind === "flag") {
      if (inline !== undefined) {
        throw new UsageError(
          name,
          `Cannot run "${grammar.name}": --${name} takes no value. Leave out "=${inline}".`,
        );
      }
      values[name] = true;
      continue;
    }
    const text = inline ?? args[++i];
    if (text === undefined || (inline === undefined && isOption(text))) {
      throw new UsageError(
        name,
        `Cannot run "${grammar.name}": --${name} needs a value. Write ` +
          `--${name} ${placeholderOf(declaration)}.`,
      );
    }
    const value = valueOf(grammar.name, name, declaration, text);
    values[name] = declaration.kind === "list"
      ? [...values[name] as string[], ...String(value).split(",")]
      : value;
  }
  // A call for help need not be complete.
  if (!values.help && !values.version) assertCount(grammar, positionals);
  return {
    positionals,
    options: values as unknown as OptionValues<O> & GlobalValues,
  };
}

/** Value of an option that is not given, by its kind. */
const WITHOUT: Partial<
  Record<OptionDeclaration["kind"], false | readonly string[]>
> = { flag: false, list: [] };

/** Returns whether a word is an option, not a value. */
export function isOption(word: string): boolean {
  return word.length > 1 && word[0] === "-" && !/^-\.?\d/.test(word);
}

/** Returns the name of an option's value in the help. */
export function placeholderOf(declaration: OptionDeclaration): string {
  return declaration.placeholder ?? declaration.choices?.join("|") ?? "VALUE";
}

function split(arg: string): [string, string | undefined] {
  const at = arg.indexOf("=");
  return at === -1 ? [arg, undefined] : [arg.slice(0, at), arg.slice(at + 1)];
}

/** Returns the name of the option that a word is; undefined if none is declared. */
function declaredName(
  written: string,
  declared: OptionDeclarations,
): string | undefined {
  return Object.keys(declared).find((name) => {
    const { aliases = [], short } = declared[name];
    return written === `--${name}` || written === `-${short}` ||
      aliases.some((alias) => written === `--${alias}`);
  });
}

function isDeclared(arg: string, declared: OptionDeclarations): boolean {
  return isOption(arg) && declaredName(split(arg)[0], declared) !== undefined;
}

function nameOf(
  written: string,
  declared: OptionDeclarations,
  command: string,
): string {
  const name = declaredName(written, declared);
  if (name !== undefined) return name;
  const meant = didYouMean(
    written,
    Object.entries(declared)
      .flatMap(([name, { aliases = [] }]) => [name, ...aliases])
      .map((name) => `--${name}`),
  );
  throw new UsageError(
    "option",
    `Cannot run "${command}": the option ${JSON.stringify(written)} is ` +
      `unknown. ${meant}"mbus help ${command}" lists the options.`,
  );
}

function valueOf(
  command: string,
  name: string,
  declaration: OptionDeclaration,
  text: string,
): string | number {
  const fail = (state: string, remedy: string): never => {
    throw new UsageError(
      name,
      `Cannot run "${command}": --${name} ${
        JSON.stringify(text)
      } is ${state}. ${remedy}.`,
    );
  };
  switch (declaration.kind) {
    case "integer": {
      const value = Number(text);
      const min = declaration.min ?? 0;
      if (!/^-?\d+$/.test(text) || !Number.isSafeInteger(value)) {
        return fail("not an integer", `Write an integer of at least ${min}`);
      }
      return value >= min
        ? value
        : fail("too small", `Write an integer of at least ${min}`);
    }
    case "duration":
      if (/^[1-9]\d*$/.test(text)) {
        return fail(
          "without a unit",
          `Write ${text}s, ${text}m, ${text}h or ${text}d`,
        );
      }
      return parseDuration(text) ??
        fail(
          "not a duration above 0",
          "Write a number and a unit, such as 500ms, 60s, 5m, 1h or 2d",
        );
    case "choice":
      return declaration.choices!.includes(text) ? text : fail(
        "not one of its values",
        `Write one of ${declaration.choices!.join(", ")}`,
      );
    default:
      return text === ""
        ? fail("empty", `Write --${name} ${placeholderOf(declaration)}`)
        : text;
  }
}

function assertCount(
  grammar: Grammar<OptionDeclarations>,
  positionals: readonly string[],
): void {
  const { name, positionals: declared } = grammar;
  const missing = declared[positionals.length];
  if (missing !== undefined && !missing.optional) {
    throw new UsageError(
      missing.name,
      `Cannot run "${name}": ${missing.name} is missing. Write ` +
        `"mbus ${name} ${declared.map(positionalUsage).join(" ")}".`,
    );
  }
  positionals.forEach((text, i) => {
    const { choices } = declared[i] ?? {};
    if (choices === undefined || choices.includes(text)) return;
    throw new UsageError(
      declared[i].name,
      `Cannot run "${name}": ${JSON.stringify(text)} is not a ` +
        `${declared[i].name}. ${didYouMean(text, choices)}Write one of ${
          choices.join(", ")
        }.`,
    );
  });
  if (
    positionals.length > declared.length && !declared.at(-1)?.repeated
  ) {
    const extra = positionals[declared.length];
    throw new UsageError(
      "arguments",
      `Cannot run "${name}": ${JSON.stringify(extra)} is one argument too ` +
        `many. Put text with spaces in single quotes, or see ` +
        `"mbus help ${name}".`,
    );
  }
}

/** Returns a positional as a line of usage shows it. */
export function positionalUsage(positional: PositionalDeclaration): string {
  const name = positional.repeated ? `${positional.name}…` : positional.name;
  return positional.optional ? `[${name}]` : name;
}
