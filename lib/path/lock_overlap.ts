/**
 * Decides whether two locks overlap, for the stores, `mbus who` and the guard.
 *
 * - Two locks overlap on disk if a path, or a named resource, is in both.
 * - Locks in two worktrees of one project never overlap on disk, even where one
 *   worktree lies inside the other (`.claude/worktrees`). They may overlap in the
 *   repository, which is a merge risk.
 * - A glob that may be a file's name (`app/[id].ts`) covers that file as well.
 *   Once a file of exactly that name exists, the lock covers only this file.
 *
 * @module
 */

import {
  fileGlob,
  folderGlob,
  foldPrefix,
  type Glob,
  GlobStepsError,
  GlobSyntaxError,
  literalPrefix,
  type Meter,
  overlaps,
  parseGlob,
} from "../glob/glob.ts";
import type { LockKind, LockTarget } from "../model/lock.ts";
import type { Hold } from "../model/lock.ts";

/** Path sets of a lock as text: the common part of targets, holds and rows. */
export interface LockPathSets {
  /** The kind of the path sets. */
  readonly kind: LockKind;
  /** The path set on disk. */
  readonly disk: string;
  /** The path set in the repository; absent outside of one. */
  readonly repository?: string;
  /** Whether a glob is case-insensitive. */
  readonly foldsCase: boolean;
  /** The root of the worktree; absent outside of a repository. */
  readonly worktree?: string;
  /** The project; absent outside of a repository. */
  readonly project?: string;
}

/** Path sets of a lock, parsed for comparison. */
export interface ParsedPathSets
  extends Pick<LockPathSets, "worktree" | "project"> {
  /** The path set on disk: the union of these. */
  readonly disk: readonly Glob[];
  /** The path set in the repository: the union of these; empty outside of one. */
  readonly repository: readonly Glob[];
}

/** Returns the kind of entry at a path; undefined if it is absent. */
export type EntryKind = (path: string) => "file" | "folder" | undefined;

/** The same file on disk, or the same file of a repository in another worktree. */
export type OverlapKind = "conflict" | "merge-risk";

/**
 * Returns the path sets of a lock, parsed for comparison.
 *
 * @throws {GlobSyntaxError} If another program wrote an invalid path.
 */
export function parsePathSets(
  lock: LockPathSets,
  entryKind: EntryKind,
): ParsedPathSets {
  const { kind, disk, repository, foldsCase, worktree, project } = lock;
  const named = kind === "glob" ? nameIn(disk) : undefined;
  const found = named === undefined ? undefined : entryKind(named);
  const globs = (text: string | undefined): readonly Glob[] => {
    if (text === undefined) return [];
    if (named === undefined) return [pathSetGlob(kind, text, foldsCase)];
    const name = unescaped(text);
    if (found !== undefined) return [pathSetGlob(found, name, foldsCase)];
    return [
      pathSetGlob(kind, text, foldsCase),
      pathSetGlob("file", name, foldsCase),
    ];
  };
  return {
    disk: globs(disk),
    repository: globs(repository),
    worktree,
    project,
  };
}

/** Returns the path sets of a target, parsed for comparison. */
export function targetPathSets(
  target: LockTarget,
  entryKind: EntryKind,
): ParsedPathSets {
  const { kind, disk, repository, foldsCase, worktree, project } = target;
  return parsePathSets({
    kind,
    disk: disk.text,
    repository: repository?.text,
    foldsCase,
    worktree,
    project,
  }, entryKind);
}

/** Returns the path sets of a hold; undefined if another program wrote an invalid path. */
export function tryHoldPathSets(
  hold: Hold,
  entryKind: EntryKind,
): ParsedPathSets | undefined {
  const { kind, pathSets, worktree, project } = hold;
  return tryParsePathSets({ kind, ...pathSets, worktree, project }, entryKind);
}

/** Returns the path sets of a lock; undefined if another program wrote an invalid path. */
export function tryParsePathSets(
  lock: LockPathSets,
  entryKind: EntryKind,
): ParsedPathSets | undefined {
  try {
    return parsePathSets(lock, entryKind);
  } catch (error) {
    if (error instanceof GlobSyntaxError) return undefined;
    throw error;
  }
}

/** Returns the kind of overlap of two locks; undefined if they do not overlap. */
export function overlapKind(
  a: ParsedPathSets,
  b: ParsedPathSets,
): OverlapKind | undefined {
  if (overlapOnDisk(a, b)) return "conflict";
  return overlapInRepository(a, b) ? "merge-risk" : undefined;
}

/** Returns whether two locks have a path on disk in common. */
export function overlapOnDisk(
  a: ParsedPathSets,
  b: ParsedPathSets,
  meter?: Meter,
): boolean {
  const isOfOtherWorktree = a.worktree !== undefined &&
    b.worktree !== undefined && a.worktree !== b.worktree &&
    a.project === b.project;
  return !isOfOtherWorktree && anyOverlap(a.disk, b.disk, meter);
}

/** Returns whether two locks have a file of a repository in common, in any worktree. */
export function overlapInRepository(
  a: ParsedPathSets,
  b: ParsedPathSets,
  meter?: Meter,
): boolean {
  return anyOverlap(a.repository, b.repository, meter);
}

function anyOverlap(
  some: readonly Glob[],
  others: readonly Glob[],
  meter?: Meter,
): boolean {
  return some.some((one) =>
    others.some((other) => overlaps(one, other, meter))
  );
}

// About a quarter of a second.
const STEPS_MAX = 40_000_000;
const PARSE_STEPS_PER_CHARACTER = 40;

/**
 * The budget of steps for one edit. Once it is spent, each lock whose literal
 * prefix meets the edit counts as overlapping, so the edit is denied.
 */
export class OverlapBudget {
  readonly #meter = { steps: 0, stepsMax: STEPS_MAX };

  /** Whether the steps are used up, so that overlaps are no longer exact. */
  get isSpent(): boolean {
    return this.#meter.steps > STEPS_MAX;
  }

  /** Charges for the parsing of a pattern of `characters`. */
  parse(characters: number): void {
    this.#meter.steps += PARSE_STEPS_PER_CHARACTER * characters;
  }

  /**
   * Returns whether two locks overlap; true once the budget is spent.
   *
   * @ignore
   */
  overlap(
    wanted: ParsedPathSets,
    covered: () => ParsedPathSets | undefined,
    compare: typeof overlapOnDisk,
  ): boolean {
    if (this.isSpent) return true;
    try {
      const pathSets = covered();
      return pathSets !== undefined && compare(wanted, pathSets, this.#meter);
    } catch (error) {
      if (error instanceof GlobStepsError) return true;
      throw error;
    }
  }
}

/** Returns the glob of a path set's text. */
export function pathSetGlob(
  kind: LockKind,
  text: string,
  foldsCase: boolean,
): Glob {
  const options = { caseInsensitive: foldsCase };
  switch (kind) {
    case "file":
    case "name":
      return fileGlob(text, options);
    case "folder":
      return folderGlob(text, options);
    case "glob":
      return parseGlob(text, options);
  }
}

/** Returns the longest literal path that every path of a set equals or lies below. */
export function pathSetPrefix(
  kind: LockKind,
  text: string,
  foldsCase: boolean,
): string {
  if (kind !== "glob") return text;
  const prefix = literalPrefix(pathSetGlob(kind, text, foldsCase));
  const name = nameIn(text);
  return name === undefined ? prefix : commonFolder(prefix, name);
}

/**
 * Returns the case-folded prefix under which a path set is indexed; undefined
 * if another program wrote an invalid path.
 */
export function tryPathSetPrefix(
  kind: LockKind,
  text: string,
  foldsCase: boolean,
): string | undefined {
  try {
    return foldPrefix(pathSetPrefix(kind, text, foldsCase));
  } catch (error) {
    if (error instanceof GlobSyntaxError) return undefined;
    throw error;
  }
}

/** Returns, for each folder, the beginning of the prefixes of all paths below it. */
export function foldersBelow(folders: readonly string[]): string[] {
  return folders.map((folder) => `${foldPrefix(folder).replace(/\/+$/, "")}/`);
}

/** Returns the longest path that both equal or lie below. */
function commonFolder(one: string, other: string): string {
  const [names, others] = [one.split("/"), other.split("/")];
  const differs = names.findIndex((name, at) => name !== others[at]);
  const common = differs === -1 ? one : names.slice(0, differs).join("/");
  return common === "" && one.startsWith("/") ? "/" : common;
}

/**
 * Writes a pattern as a choice between two equal alternatives. So it cannot be
 * the name of a file and stays a pattern.
 */
export function onlyPattern(pattern: string): string {
  return `{${pattern},${pattern}}`;
}

// A pattern with `*` or `?` matches the file of its own name anyway.
function nameIn(text: string): string | undefined {
  return /[*?]/.test(text) || text.startsWith("{")
    ? undefined
    : unescaped(text);
}

function unescaped(text: string): string {
  return text.replace(/\\(.)/gsu, "$1");
}
