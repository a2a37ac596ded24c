/**
 * The leftovers after all hooks are removed: backups, the git guard, and with
 * `--purge` the bus and `mbus` itself.
 *
 * JSON, a line each: `{ part, path, done, dryRun?, message? }`. `part` is
 * `backup`, `guard`, `bus` or `launcher`; `done` is `removed`, `kept` (a
 * `message` says why) or `failed`.
 *
 * @module
 */

import { repositoryOf } from "../path/repository.ts";
import {
  hasGuard,
  type HookName,
  HOOKS,
  removeHook,
} from "../cli/guard/hook.ts";
import { refused } from "../cli/commands/guard_install.ts";
import { hookPlace } from "../cli/guard/place.ts";
import { foldersOf } from "../cli/commands/guard_remove.ts";
import { printJson, printLine, printToStderr } from "../cli/output/output.ts";
import { RefusalError } from "../cli/refusal.ts";
import { visible, visibleJson } from "../cli/output/visible_text.ts";
import { toFailure } from "../cli/failure.ts";
import { backupsOf, removeBackups } from "./backup.ts";
import type { Part } from "./part.ts";
import { removeEmptyFolders, removeFile } from "./text_file.ts";

/** A leftover that is not part of an agent's configuration. */
export interface Leftover {
  /** The kind. */
  readonly part: "backup" | "guard" | "bus" | "launcher";
  /** The path. */
  readonly path: string;
  /** The result. */
  readonly done: "removed" | "kept" | "failed";
  /** Whether nothing was done. */
  readonly dryRun?: true;
  /** The reason. */
  readonly message?: string;
}

/** Prints the result for a leftover. */
export function printLeftover(remains: Leftover, json: boolean): Leftover {
  const { part, path, done, dryRun, message } = remains;
  const why = message === undefined ? "" : `: ${message}`;
  if (done === "failed") {
    const error = toFailure(new RefusalError(message ?? ""));
    printToStderr(
      json ? visibleJson({ error }) : `mbus: ${visible(error.message)}`,
    );
  }
  if (json) printJson(remains);
  else if (done !== "failed") {
    const verb = dryRun ? "would be removed" : done;
    printLine(visible(`${part}: ${path} ${verb}${why}.`));
  }
  return remains;
}

/**
 * Removes the backups of some parts' files: all of them, or only those that
 * contain no further information.
 */
export function removeBackupsOf(
  parts: readonly Part[],
  root: string,
  all: boolean,
): Leftover[] {
  return [...new Set(parts.map(({ path }) => path))].flatMap((path) => {
    const ours = parts.filter((part) => part.path === path).reverse();
    try {
      const { removed, kept } = all
        ? { removed: removeAll(backupsOf(path)), kept: [] }
        : removeBackups(path, (text) => bareOf(text, ours));
      if (removed.length > 0) removeEmptyFolders(path, root);
      return [
        ...removed.map((backup) => told(backup, "removed")),
        ...kept.map((backup) =>
          told(backup, "kept", "its text differs from the file")
        ),
      ];
    } catch (error) {
      if (!(error instanceof RefusalError)) throw error;
      // The part's outcome has reported why the file cannot be read.
      return backupsOf(path).map((backup) =>
        told(backup, "kept", "its file cannot be read")
      );
    }
  });
}

function told(
  path: string,
  done: "removed" | "kept",
  message?: string,
): Leftover {
  return { part: "backup", path, done, ...(message && { message }) };
}

function removeAll(paths: string[]): string[] {
  paths.forEach(removeFile);
  return paths;
}

function bareOf(text: string, parts: readonly Part[]): string | undefined {
  return parts.reduce<string | undefined>(
    (rest, part) => rest === undefined ? undefined : part.take(rest),
    text,
  );
}

/** Removes the git guard from the repository of this folder. */
export async function removeGuard(isDryRun: boolean): Promise<Leftover[]> {
  if (repositoryOf(Deno.realPathSync(Deno.cwd())) === undefined) return [];
  let folder = "its hooks";
  try {
    const folders = foldersOf(await hookPlace("remove the guard"));
    return folders.flatMap((each) => {
      folder = each;
      return HOOKS.flatMap((hook) => guardIn(each, hook, isDryRun));
    });
  } catch (error) {
    const told = refused("remove", folder, error);
    if (!(told instanceof RefusalError)) throw error;
    const { message } = told;
    return [{ part: "guard", path: folder, done: "failed", message }];
  }
}

function guardIn(
  folder: string,
  hook: HookName,
  isDryRun: boolean,
): Leftover[] {
  const path = `${folder}/${hook}`;
  if (isDryRun) {
    return hasGuard(folder, hook)
      ? [{ part: "guard", path, done: "removed", dryRun: true }]
      : [];
  }
  const { done, chained } = removeHook(folder, hook);
  if (done !== "removed") return [];
  return [{
    part: "guard",
    path,
    done,
    ...(chained !== undefined && { message: "the previous hook is restored" }),
  }];
}
