/**
 * The command line's grammar: each command declares its options and what
 * follows them once, and parsing, usage, help and suggestions come from that.
 *
 * ```text
 * mbus [GLOBAL…] COMMAND [POSITIONAL | --option VALUE | --option=VALUE]… [--] …
 * ```
 *
 * - Options may stand anywhere; after `--` everything is positional.
 * - `-5` and `-` are values, not options: JSON may be a negative number.
 * - An option given twice has its last value, so that an alias can be overruled.
 * - What does not fit is refused with the name that was probably meant.
 *
 * It is our own because it runs at the start of every command: the runtime's
 * parser costs a quarter of the whole start of the process.
 *
 * @module
 */

import { InvalidInputError } from "../model/errors.ts";
import { parseDuration } from "./duration.ts";
import { didYouMean } from "./spelling.ts";

/** An option of a command. */
export interface OptionDeclaration {
  /**
   * What its value is: none for a `flag`; a `duration` is in milliseconds; a
   * `list` may be given several times, and each time hold several, by commas.
   */
  readonly kind:
    | "flag"
    | "string"
    | "integer"
    | "duration"
    | "choice"
    | "list";
  /** Stands for the value in the help, such as `DIR`. */
  readonly placeholder?: string;
  /** One line of help. */
  readonly help: string;
  /** One letter that stands for it. */
  readonly short?: string;
  /** The least integer that is taken. */
  readonly least?: number;
  /** What a `choice` may be. */
  readonly choices?: readonly string[];
}

/** Options by their long names. */
export type OptionDeclarations = Readonly<Record<string, OptionDeclaration>>;

/** What stands on a command line without a name. */
export interface PositionalDeclaration {
  /** Its name in the help, such as `CHANNEL`. */
  readonly name: string;
  /** One line of help. */
  readonly help: string;
  /** Whether it may be left out. */
  readonly optional?: boolean;
  /** Whether there may be more of them; only the last one's can. */
  readonly repeated?: boolean;
}

/** The value that an option of a kind has. */
export type OptionValue<O extends OptionDeclaration> = O["kind"] extends "flag"
  ? boolean
  : O["kind"] extends "integer" | "duration" ? number | undefined
  : O["kind"] extends "list" ? readonly string[]
  : string | undefined;

/** The values of a command's options. */
export type OptionValues<O extends OptionDeclarations> = {
  readonly [name in keyof O]: OptionValue<O[name]>;
};

/** What every command understands. */
export const GLOBAL_OPTIONS = {
  json: { kind: "flag", help: "Print one JSON object a line" },
  home: {
    kind: "string",
    placeholder: "DIR",
    help: "The bus folder (else $MBUS_HOME, or the platform's own)",
  },
  session: {
    kind: "string",
    placeholder: "ID",
    help: "Act as this session (else $MBUS_SESSION, or found by process)",
  },
  "all-projects": {
    kind: "flag",
    help: "Do not keep to the project of this folder",
  },
  help: { kind: "flag", short: "h", help: "Explain the command" },
  version: { kind: "flag", short: "V", help: "Print the version" },
} as const satisfies OptionDeclarations;

/** The values of the options that every command understands. */
export type GlobalValues = OptionValues<typeof GLOBAL_OPTIONS>;

/** A command line, parsed. */
export interface ParsedArguments<O extends OptionDeclarations> {
  /** What stands without a name. */
  readonly positionals: readonly string[];
  /** The options' values. */
  readonly options: OptionValues<O> & GlobalValues;
}

/** A command line that does not fit the command's grammar. */
export class UsageError extends InvalidInputError {
  override name = "UsageError";
}

/** What a command line is parsed by. */
export interface Grammar<O extends OptionDeclarations> {
  /** The command's name. */
  readonly name: string;
  /** What stands without a name, in order. */
  readonly positionals: readonly PositionalDeclaration[];
  /** The command's own options. */
  readonly options: O;
}

/**
 * Parses what follows a command.
 *
 * @throws {UsageError} If it does not fit.
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
  for (let i = 0; i < args.length; i++) {
    const arg = args[i];
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
          `Cannot run "${grammar.name}": --${name} takes no value; leave "=${inline}" out.`,
        );
      }
      values[name] = true;
      continue;
    }
    const text = inline ?? args[++i];
    if (text === undefined || (inline === undefined && isOption(text))) {
      throw new UsageError(
        name,
        `Cannot run "${grammar.name}": --${name} needs a value; write ` +
          `--${name} ${placeholderOf(declaration)}.`,
      );
    }
    const value = valueOf(grammar.name, name, declaration, text);
    values[name] = declaration.kind === "list"
      ? [...values[name] as string[], ...String(value).split(",")]
      : value;
  }
  // Who asks for help need not know what to pass.
  if (!values.help && !values.version) checkCount(grammar, positionals);
  return {
    positionals,
    options: values as unknown as OptionValues<O> & GlobalValues,
  };
}

/** What an option has that is not given. */
const WITHOUT: Partial<
  Record<OptionDeclaration["kind"], false | readonly string[]>
> = { flag: false, list: [] };

/** Whether a word is an option, not a value. */
export function isOption(word: string): boolean {
  return word.length > 1 && word[0] === "-" && !/^-\.?\d/.test(word);
}

/** What stands for an option's value in the help. */
export function placeholderOf(declaration: OptionDeclaration): string {
  return declaration.placeholder ?? declaration.choices?.join("|") ?? "VALUE";
}

function split(arg: string): [string, string | undefined] {
  const at = arg.indexOf("=");
  return at === -1 ? [arg, undefined] : [arg.slice(0, at), arg.slice(at + 1)];
}

function nameOf(
  written: string,
  declared: OptionDeclarations,
  command: string,
): string {
  if (written.startsWith("--")) {
    const name = written.slice(2);
    if (Object.hasOwn(declared, name)) return name;
  } else {
    for (const name in declared) {
      if (`-${declared[name].short}` === written) return name;
    }
  }
  const meant = didYouMean(
    written,
    Object.keys(declared).map((name) => `--${name}`),
  );
  throw new UsageError(
    "option",
    `Cannot run "${command}": there is no option ${JSON.stringify(written)}; ` +
      `${meant}"mbus help ${command}" lists them.`,
  );
}

function valueOf(
  command: string,
  name: string,
  declaration: OptionDeclaration,
  text: string,
): string | number {
  const refuse = (expected: string): never => {
    throw new UsageError(
      name,
      `Cannot run "${command}": --${name} ${
        JSON.stringify(text)
      } is not ${expected}.`,
    );
  };
  switch (declaration.kind) {
    case "integer": {
      const value = Number(text);
      const least = declaration.least ?? 0;
      const fits = /^-?\d+$/.test(text) && Number.isSafeInteger(value) &&
        value >= least;
      return fits ? value : refuse(`a whole number from ${least} on`);
    }
    case "duration":
      return parseDuration(text) ??
        refuse(`a duration above 0; write 500ms, 60s, 5m, 1h or 2d`);
    case "choice":
      return declaration.choices!.includes(text)
        ? text
        : refuse(`one of ${declaration.choices!.join(", ")}`);
    default:
      return text === "" ? refuse("a value: it is empty") : text;
  }
}

function checkCount(
  grammar: Grammar<OptionDeclarations>,
  positionals: readonly string[],
): void {
  const { name, positionals: declared } = grammar;
  const missing = declared[positionals.length];
  if (missing !== undefined && !missing.optional) {
    throw new UsageError(
      missing.name,
      `Cannot run "${name}": ${missing.name} is missing; write ` +
        `"mbus ${name} ${declared.map(positionalUsage).join(" ")}".`,
    );
  }
  if (
    positionals.length > declared.length && !declared.at(-1)?.repeated
  ) {
    const extra = positionals[declared.length];
    throw new UsageError(
      "arguments",
      `Cannot run "${name}": ${JSON.stringify(extra)} is one argument too ` +
        `many; put what holds spaces into single quotes, or see ` +
        `"mbus help ${name}".`,
    );
  }
}

/** How a positional is written in a line of usage. */
export function positionalUsage(positional: PositionalDeclaration): string {
  const name = positional.repeated ? `${positional.name}…` : positional.name;
  return positional.optional ? `[${name}]` : name;
}
