/**
 * Options that set how a path is read: as a glob, or literally.
 *
 * @module
 */

import type { PatternMode } from "../path/lock_target.ts";
import { type OptionDeclarations, UsageError } from "./arguments.ts";

/** Options of each command that takes the PATH of a lock. */
export const PATTERN_OPTIONS = {
  glob: {
    kind: "flag",
    help: "Read each PATH as a glob, even if such a file exists",
  },
  literal: {
    kind: "flag",
    help: "Read each PATH as a plain path, even with [id] or @x",
  },
} as const satisfies OptionDeclarations;

/**
 * Returns how the options tell to read a path.
 *
 * @throws {UsageError} If both options are given.
 */
export function patternOf(
  { glob, literal }: { readonly glob: boolean; readonly literal: boolean },
): PatternMode {
  if (glob && literal) {
    throw new UsageError(
      "glob",
      "Cannot read the paths: --glob and --literal exclude each other. Leave " +
        "out one of them.",
    );
  }
  return glob ? "glob" : literal ? "literal" : "auto";
}
