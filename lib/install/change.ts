/**
 * Carrying one change through to the file.
 *
 * ```text
 * read ─▶ edit ─▶ the same? nothing to do
 *           └──▶ show, ask ─▶ no: left as it is
 *                    └─ yes ─▶ changed meanwhile? again from the start
 *                                   └─ no: back up, replace
 * ```
 *
 * Whoever is asked sees what will be written before, a script what was written
 * after, also if another wrote in between.
 *
 * @module
 */

import type { Act, Done, Outcome } from "./outcome.ts";
import { keepBackup } from "./backup.ts";
import { unifiedDiff } from "./diff.ts";
import { type Part, standingOf } from "./part.ts";
import { RefusalError } from "../cli/refusal.ts";
import {
  isLink,
  outOf,
  readTextFile,
  removeEmptyFolders,
  replaceTextFile,
  type TextFile,
} from "./text_file.ts";
import type { ConfigPlace } from "./agents/config.ts";

const TRIES_MAX = 20;

/** How changes are carried through. */
export interface Manner {
  /** Whether nothing is written. */
  readonly isDryRun: boolean;
  /** Shows a change and asks whether to make it; without, none is asked. */
  readonly ask?: (outcome: Outcome) => boolean;
  /** Where home and the project are. */
  readonly place: ConfigPlace;
}

/**
 * Puts a part in or takes it out.
 *
 * @throws {ConfigError} If the file cannot be edited.
 * @throws {RefusalError} If it cannot be read or written.
 */
export function carryOut(part: Part, act: Act, manner: Manner): Outcome {
  for (let i = 0; i < TRIES_MAX; i++) {
    const before = readTextFile(part.path);
    const after = edited(part, act, before?.text);
    if (after === before?.text) {
      return outcomeOf(part, act === "put" ? "unchanged" : "absent");
    }
    assertStaysInProject(part, manner.place);
    const done = doneBy(part, act, before?.text);
    const diff = unifiedDiff(part.path, before?.text, after);
    const target = before !== undefined && isLink(part.path)
      ? { target: before.path }
      : {};
    const outcome = { ...outcomeOf(part, done), ...target, diff };
    if (manner.isDryRun) return { ...outcome, dryRun: true };
    if (manner.ask?.(outcome) === false) {
      return outcomeOf(part, "declined");
    }
    const backup = write(part, before, after, act, manner.place);
    if (backup !== undefined) {
      return backup === "" ? outcome : { ...outcome, backup };
    }
  }
  throw new RefusalError(
    `Cannot edit "${part.path}": others keep changing it; try again.`,
  );
}

/** What others put into a project must not lead us to a person's own files. */
function assertStaysInProject(
  { path, scope }: Part,
  { project }: ConfigPlace,
): void {
  const real = scope === "project" ? outOf(project, path) : undefined;
  if (real === undefined) return;
  throw new RefusalError(
    `Cannot edit "${path}": it leads out of the project, to "${real}"; ` +
      "put a file or folder of the project in its place, then try again.",
  );
}

/** What would be done, of which nothing is done. */
export function offer(part: Part): Outcome {
  const text = readTextFile(part.path)?.text;
  const after = part.put(text);
  if (after === text) return outcomeOf(part, "unchanged");
  const diff = unifiedDiff(part.path, text, after);
  return { ...outcomeOf(part, "offered"), diff };
}

/** What became of a part. */
export function outcomeOf(part: Part, done: Done): Outcome {
  const { agent, scope, kind, program, path } = part;
  return {
    agent,
    scope,
    part: kind,
    ...(program !== undefined && { program }),
    path,
    done,
  };
}

function edited(
  part: Part,
  act: Act,
  text: string | undefined,
): string | undefined {
  if (act === "put") return part.put(text);
  return text === undefined ? undefined : part.take(text);
}

function doneBy(part: Part, act: Act, text: string | undefined): Done {
  if (act === "take") return "removed";
  return standingOf(part, text) === "absent" ? "installed" : "updated";
}

/** The backup's path, empty for none; undefined if the file has changed. */
function write(
  part: Part,
  before: TextFile | undefined,
  after: string | undefined,
  act: Act,
  { home, project }: ConfigPlace,
): string | undefined {
  const { path, scope } = part;
  let backup = "";
  if (act === "put") part.prepare?.();
  const isPrivate = scope === "user";
  const isWritten = replaceTextFile(path, before, after, { isPrivate }, () => {
    // What is taken out can be put in again, which gives the same.
    if (act === "put" && before !== undefined) {
      backup = keepBackup(path, before);
    }
  });
  if (!isWritten) return undefined;
  if (after === undefined) {
    removeEmptyFolders(path, scope === "user" ? home : project);
  }
  return backup;
}
