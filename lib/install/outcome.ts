/**
 * The outcome of one part, for people and for programs.
 *
 * JSON, a line each: `{ agent, scope, part, program?, path?, target?, done,
 * dryRun?, diff?, backup?, message?, line?, column? }`. `part` is `hooks`,
 * `sandbox`, `unload` or `guide`. `target` is the target of `path` if that is a
 * link. `done` is
 *
 * | done | meaning |
 * | --- | --- |
 * | `installed`, `updated`, `removed` | `diff` was written; with `dryRun` it would be |
 * | `unchanged`, `absent` | there was nothing to do |
 * | `offered` | `diff` was not written: that needs a person's yes or an option |
 * | `declined` | the person said no |
 * | `skipped` | the part has no effect, or others need it; `message` says why |
 * | `failed` | `message` says why, with `line` and `column` if it has a position |
 *
 * @module
 */

import type { AgentName } from "../hooks/agents/agent.ts";
import { ConfigError, type ConfigScope } from "./agents/config.ts";
import { MessageBusError } from "../model/errors.ts";
import { toFailure } from "../cli/failure.ts";
import { printJson, printLine, printToStderr } from "../cli/output/output.ts";
import { RefusalError } from "../cli/refusal.ts";
import { visible, visibleJson } from "../cli/output/visible_text.ts";
import { printDiff } from "./diff.ts";
import type { PartKind } from "./part.ts";

/** Installing or removing. */
export type Act = "put" | "take";

/** The result. */
export type Done =
  | "installed"
  | "updated"
  | "removed"
  | "unchanged"
  | "absent"
  | "offered"
  | "declined"
  | "skipped"
  | "failed";

/** The outcome of one part. */
export interface Outcome {
  /** The agent. */
  readonly agent: AgentName;
  /** The scope. */
  readonly scope: ConfigScope;
  /** The kind of part. */
  readonly part: PartKind;
  /** The program that reads it, if the agent has several. */
  readonly program?: string;
  /** The file's path; absent if the agent has none. */
  readonly path?: string;
  /** The file's target, if it is a link. */
  readonly target?: string;
  /** The result. */
  readonly done: Done;
  /** Whether nothing was written. */
  readonly dryRun?: true;
  /** The change, as a unified diff. */
  readonly diff?: string;
  /** Path of the backup of the old text. */
  readonly backup?: string;
  /** The reason, or the next step. */
  readonly message?: string;
  /** The line of a fault, from 1. */
  readonly line?: number;
  /** The column of a fault, from 1. */
  readonly column?: number;
}

const NOUNS: Readonly<Record<PartKind, string>> = {
  hooks: "the hooks",
  sandbox: "the bus folder as a writable root",
  unload: "the setting that unloads threads with their windows",
  guide: "the guide",
};

/** Whether a file was changed, or would be. */
export function isChange({ done }: Outcome): boolean {
  return done === "installed" || done === "updated" || done === "removed";
}

/** Prints an outcome; `wasShown` if its diff was printed before. */
export function printOutcome(
  outcome: Outcome,
  json: boolean,
  wasShown = false,
): void {
  if (json) return printJson(outcome);
  if (outcome.diff !== undefined && !wasShown) printDiff(outcome.diff);
  // Failures go to standard error.
  if (outcome.done !== "failed") printLine(visible(sentence(outcome)));
}

/** Words the outcome of a part. */
function sentence(outcome: Outcome): string {
  const { agent, program, part, target, done, dryRun, message } = outcome;
  const path = target === undefined
    ? outcome.path
    : `${outcome.path}, a link to ${target},`;
  const noun = NOUNS[part];
  const state = {
    installed: `${dryRun ? "would put" : "put"} ${noun} into ${path}`,
    updated: `${
      dryRun ? "would bring" : "brought"
    } ${noun} in ${path} up to date`,
    removed: `${dryRun ? "would take" : "took"} ${noun} out of ${path}`,
    unchanged: `nothing to do: ${path} has ${noun}`,
    absent: `nothing to do: ${path} does not have ${noun}`,
    offered: `did not put ${noun} into ${path}`,
    declined: `left ${path} as it is`,
    skipped: path === undefined ? `no place for ${noun}` : `left ${path}`,
    failed: `left ${path} as it is`,
  }[done];
  const kept = outcome.backup === undefined
    ? ""
    : `; its old text is in ${outcome.backup}`;
  const why = message === undefined
    ? ""
    : `${isChange(outcome) ? ". " : ": "}${message}`;
  return `${program ?? agent}: ${state}${kept}${why}.`;
}

/** Makes the outcome of an expected error; rethrows any other error. */
export function failed(outcome: Outcome, error: unknown): Outcome {
  const told = error instanceof ConfigError
    ? new RefusalError(error.message, { cause: error })
    : error;
  if (!(told instanceof MessageBusError)) throw error;
  const at = error instanceof ConfigError && error.line > 0
    ? { line: error.line, column: error.column }
    : {};
  return { ...outcome, done: "failed", message: told.message, ...at };
}

/** Prints a remark on standard error. */
export function printRemark(text: string, json: boolean): void {
  printToStderr(
    json ? visibleJson({ warning: text }) : `mbus: ${visible(text)}`,
  );
}

/** Prints the reason of a failure on standard error. */
export function printFailure(outcome: Outcome, json: boolean): void {
  const failure = toFailure(new RefusalError(outcome.message ?? ""));
  printToStderr(
    json
      ? visibleJson({ error: failure })
      : `mbus: ${visible(failure.message)}`,
  );
}
