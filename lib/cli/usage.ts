/**
 * Usage of a command, as text.
 *
 * @module
 */

import {
  type OptionDeclaration,
  placeholderOf,
  positionalUsage,
} from "./arguments.ts";
import type { Command } from "./declaration.ts";

/** Returns the usage without the leading `mbus`. */
export function usageOf(command: Command): string {
  const options = Object.entries(command.options).map(([name, declaration]) =>
    `[${optionUsage(name, declaration)}]`
  );
  const positionals = command.positionals.map(positionalUsage);
  // The command line of another program is the last argument.
  const last = positionals.findIndex((text) => text.startsWith("-- "));
  const behind = last === -1 ? [] : positionals.splice(last);
  return [command.name, ...positionals, ...options, ...behind].join(" ");
}

/** Returns an option with the placeholder of its value. */
export function optionUsage(
  name: string,
  declaration: OptionDeclaration,
): string {
  return declaration.kind === "flag"
    ? `--${name}`
    : `--${name} ${placeholderOf(declaration)}`;
}

/** Returns all spellings of an option, the short one first. */
export function optionSpellings(
  name: string,
  declaration: OptionDeclaration,
): string {
  const { short, aliases = [] } = declaration;
  return [
    ...(short === undefined ? [] : [`-${short}`]),
    ...aliases.map((alias) => `--${alias}`),
    optionUsage(name, declaration),
  ].join(", ");
}

/** Returns the help of an option or an argument, with its default. */
export function helpOf(
  { help, default: value }: {
    readonly help: string;
    readonly default?: string;
  },
): string {
  return value === undefined ? help : `${help} (default: ${value})`;
}
