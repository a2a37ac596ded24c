/**
 * The options that say how a path is read.
 *
 * @module
 */

import type { PatternMode } from "../path/lock_target.ts";
import { type OptionDeclarations, UsageError } from "./arguments.ts";

/** The options of each command that takes a PATH of a lock. */
export const PATTERN_OPTIONS = {
  glob: {
    kind: "flag",
    help: "Read each PATH as a glob, whatever exists",
  },
  literal: {
    kind: "flag",
    help: "Read each PATH as a path: [id] and @x are names",
  },
} as const satisfies OptionDeclarations;

/**
 * How the options say that a path is read.
 *
 * @throws {UsageError} If they say both.
 */
export function patternOf(
  { glob, literal }: { readonly glob: boolean; readonly literal: boolean },
): PatternMode {
  if (glob && literal) {
    throw new UsageError(
      "glob",
      "Cannot read the paths: --glob and --literal exclude each other. Write " +
        "one of them.",
    );
  }
  return glob ? "glob" : literal ? "literal" : "auto";
}
