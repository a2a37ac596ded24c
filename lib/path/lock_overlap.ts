/**
 * Whether two locks meet: the one rule for both stores, `who` and the guard.
 *
 * - Two locks meet on disk if a path, or a named resource, is in both.
 * - A lock in one worktree never meets one in another worktree of the same
 *   project, even where one worktree lies inside the other (`.claude/worktrees`).
 *   At most they meet in the repository, which is a merge risk.
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

/** What a lock covers, as text: what targets, holds and rows have in common. */
export interface LockPathSets {
  /** What it covers. */
  readonly kind: LockKind;
  /** Its extent on disk. */
  readonly disk: string;
  /** Its extent in its repository; absent outside of one. */
  readonly repository?: string;
  /** Whether a glob takes letters of either case for the same. */
  readonly foldsCase: boolean;
  /** The root of the worktree that it lies in; absent outside of one. */
  readonly worktree?: string;
  /** The project that it lies in. */
  readonly project?: string;
}

/** What a lock covers, ready to be compared. */
export interface ParsedPathSets
  extends Pick<LockPathSets, "worktree" | "project"> {
  /** On disk: a path in any of these. */
  readonly disk: readonly Glob[];
  /** In its repository, whatever the worktree; empty outside of one. */
  readonly repository: readonly Glob[];
}

/** Tells what exists at a path. */
export type EntryKind = (path: string) => "file" | "folder" | undefined;

/** On the same file on disk, or on the same one in another worktree. */
export type OverlapKind = "conflict" | "merge-risk";

/**
 * What a lock covers, ready to be compared.
 *
 * @throws {GlobSyntaxError} If another program wrote what is not a path.
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

/** What a target reaches. */
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

/** What a hold reaches; undefined if another program wrote what is no path. */
export function tryHoldPathSets(
  hold: Hold,
  entryKind: EntryKind,
): ParsedPathSets | undefined {
  const { kind, pathSets, worktree, project } = hold;
  return tryParsePathSets({ kind, ...pathSets, worktree, project }, entryKind);
}

/** What a lock reaches; undefined if another program wrote what is no path. */
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

/** How two meet; undefined if they do not. */
export function overlapKind(
  a: ParsedPathSets,
  b: ParsedPathSets,
): OverlapKind | undefined {
  if (overlapOnDisk(a, b)) return "conflict";
  return overlapInRepository(a, b) ? "merge-risk" : undefined;
}

/** Whether two lock the same file on disk. */
export function overlapOnDisk(
  a: ParsedPathSets,
  b: ParsedPathSets,
  meter?: Meter,
): boolean {
  const isOfOtherWorktree = a.worktree !== undefined &&
    b.worktree !== undefined && a.worktree !== b.worktree &&
    a.project === b.project;
  return !isOfOtherWorktree && meet(a.disk, b.disk, meter);
}

/** Whether two lock the same file of a repository, whatever the worktrees. */
export function overlapInRepository(
  a: ParsedPathSets,
  b: ParsedPathSets,
  meter?: Meter,
): boolean {
  return meet(a.repository, b.repository, meter);
}

function meet(
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
 * What deciding about one edit may cost. Once it is spent, each lock whose
 * literal beginning meets the edit counts as met: the edit is stopped, and told
 * of that lock.
 */
export class OverlapBudget {
  readonly #meter = { steps: 0, stepsMax: STEPS_MAX };

  /** Whether nothing more is decided exactly. */
  get isSpent(): boolean {
    return this.#meter.steps > STEPS_MAX;
  }

  /** Notes that a pattern of so many characters is parsed. */
  parse(characters: number): void {
    this.#meter.steps += PARSE_STEPS_PER_CHARACTER * characters;
  }

  /**
   * Whether two meet, or may.
   *
   * @ignore
   */
  meet(
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

/** The glob that an extent's text stands for. */
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

/** What all that an extent covers begins with: a path, cut at a name. */
export function pathSetPrefix(
  kind: LockKind,
  text: string,
  foldsCase: boolean,
): string {
  // A path is its own literal beginning.
  if (kind !== "glob") return text;
  const prefix = literalPrefix(pathSetGlob(kind, text, foldsCase));
  const name = nameIn(text);
  return name === undefined ? prefix : commonFolder(prefix, name);
}

/**
 * The prefix by which an extent is found, case folded; undefined if another
 * program wrote what is no path.
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

/** Returns that with which the prefix of all below each folder begins. */
export function foldersBelow(folders: readonly string[]): string[] {
  return folders.map((folder) => `${foldPrefix(folder).replace(/\/+$/, "")}/`);
}

/** The longest path that both are, or lie below. */
function commonFolder(one: string, other: string): string {
  const [names, others] = [one.split("/"), other.split("/")];
  const differs = names.findIndex((name, at) => name !== others[at]);
  const common = differs === -1 ? one : names.slice(0, differs).join("/");
  return common === "" && one.startsWith("/") ? "/" : common;
}

/**
 * Writes a pattern so that it cannot be the name of a file: as a choice of twice
 * the same. It stays a pattern whatever exists.
 */
export function onlyPattern(pattern: string): string {
  return `{${pattern},${pattern}}`;
}

/** The name that a pattern may be: what holds `*` or `?` already matches it. */
function nameIn(text: string): string | undefined {
  return /[*?]/.test(text) || text.startsWith("{")
    ? undefined
    : unescaped(text);
}

function unescaped(text: string): string {
  return text.replace(/\\(.)/gsu, "$1");
}
