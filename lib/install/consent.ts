/**
 * Decides whether to ask a person before a file is changed.
 *
 * At a terminal, a person sees each change and says yes or no. A script cannot
 * answer, so its changes are made and printed. `--yes` treats a terminal like a
 * script. `--dry-run` changes nothing in either case.
 *
 * @module
 */

import type { ConfigPlace } from "./agents/config.ts";
import { printLine } from "../cli/output/output.ts";
import { visible } from "../cli/output/visible_text.ts";
import type { ChangeOptions } from "./change.ts";
import { printDiff } from "./diff.ts";
import type { Outcome } from "./outcome.ts";

/** The options that concern consent. */
export interface ConsentOptions {
  readonly "dry-run": boolean;
  readonly json: boolean;
  readonly yes: boolean;
}

/** Whether there is a person to ask. */
export function canAsk(options: Omit<ConsentOptions, "dry-run">): boolean {
  return !options.yes && !options.json && Deno.stdin.isTerminal() &&
    Deno.stdout.isTerminal();
}

/** Returns how to make changes under these options. */
export function consent(
  options: ConsentOptions,
  place: ConfigPlace,
): ChangeOptions {
  const isDryRun = options["dry-run"];
  return !isDryRun && canAsk(options)
    ? { isDryRun, place, ask }
    : { isDryRun, place };
}

function ask({ diff, message, path, target }: Outcome): boolean {
  if (diff !== undefined) printDiff(diff);
  if (message !== undefined) printLine(visible(`${message}.`));
  return confirm(`Change ${visible(target ?? path ?? "")}?`);
}
