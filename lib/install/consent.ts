/**
 * Whether a person is asked before a file is changed.
 *
 * Who sits at a terminal sees each change and says yes or no. A script cannot
 * answer: what it calls is done, and shown. `--yes` makes a terminal a script,
 * `--dry-run` makes both look only.
 *
 * @module
 */

import type { ConfigPlace } from "./agents/config.ts";
import { printLine } from "../cli/output/output.ts";
import { visible } from "../cli/output/visible_text.ts";
import type { Manner } from "./change.ts";
import { printDiff } from "./diff.ts";
import type { Outcome } from "./outcome.ts";

/** What the options say about asking. */
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

/** How changes are carried through by what the options say. */
export function consent(options: ConsentOptions, place: ConfigPlace): Manner {
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
