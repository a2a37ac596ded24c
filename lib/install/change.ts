/**
 * Makes one change to a file.
 *
 * ```text
 * read ─▶ edit ─▶ the same? nothing to do
 *           └──▶ show, ask ─▶ no: left as it is
 *                    └─ yes ─▶ changed meanwhile? again from the start
 *                                   └─ no: back up, replace
 * ```
 *
 * A person sees the change before it is written, a script after. This holds even
 * if another process writes in between.
 *
 * @module
 */

import type { Act, Done, Outcome } from "./outcome.ts";
import { keepBackup } from "./backup.ts";
import { unifiedDiff } from "./diff.ts";
import { type Part, statusOf } from "./part.ts";
import { RefusalError } from "../cli/refusal.ts";
import {
  isLink,
  pathOutside,
  readTextFile,
  removeEmptyFolders,
  replaceTextFile,
  type TextFile,
} from "./text_file.ts";
import type { ConfigPlace } from "./agents/config.ts";

const TRIES_MAX = 20;

/** How to make changes. */
export interface ChangeOptions {
  /** Whether to write nothing. */
  readonly isDryRun: boolean;
  /** Shows a change and asks whether to make it; absent to make it unasked. */
  readonly ask?: (outcome: Outcome) => boolean;
  /** The home directory and the project. */
  readonly place: ConfigPlace;
}

/**
 * Installs or removes a part.
 *
 * @throws {ConfigError} If the file cannot be edited.
 * @throws {RefusalError} If the file cannot be read or written.
 */
export function changePart(
  part: Part,
  act: Act,
  changeOptions: ChangeOptions,
): Outcome {
  for (let i = 0; i < TRIES_MAX; i++) {
    const before = readTextFile(part.path);
    const after = edited(part, act, before?.text);
    if (after === before?.text) {
      return outcomeOf(part, act === "put" ? "unchanged" : "absent");
    }
    assertStaysInProject(part, changeOptions.place);
    const done = doneBy(part, act, before?.text);
    const diff = unifiedDiff(part.path, before?.text, after);
    const target = before !== undefined && isLink(part.path)
      ? { target: before.path }
      : {};
    const outcome = { ...outcomeOf(part, done), ...target, diff };
    if (changeOptions.isDryRun) return { ...outcome, dryRun: true };
    if (changeOptions.ask?.(outcome) === false) {
      return outcomeOf(part, "declined");
    }
    const backup = write(part, before, after, act, changeOptions.place);
    if (backup !== undefined) {
      return backup === "" ? outcome : { ...outcome, backup };
    }
  }
  throw new RefusalError(
    `Cannot edit "${part.path}": other processes keep changing it. Try again.`,
  );
}

/** Throws if a project's path leads out of it, for example to a user's file. */
function assertStaysInProject(
  { path, scope }: Part,
  { project }: ConfigPlace,
): void {
  const real = scope === "project" ? pathOutside(project, path) : undefined;
  if (real === undefined) return;
  throw new RefusalError(
    `Cannot edit "${path}": it leads out of the project, to "${real}". ` +
      "Put a file or folder of the project in its place, then try again.",
  );
}

/** Returns the change that installing would make, and makes none. */
export function offer(part: Part): Outcome {
  const text = readTextFile(part.path)?.text;
  const after = part.put(text);
  if (after === text) return outcomeOf(part, "unchanged");
  const diff = unifiedDiff(part.path, text, after);
  return { ...outcomeOf(part, "offered"), diff };
}

/** Makes the outcome of a part. */
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
  return statusOf(part, text) === "absent" ? "installed" : "updated";
}

/** Returns the backup's path, empty for none; undefined if the file changed. */
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
    // Removed parts need no backup: installing them again gives the same text.
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
