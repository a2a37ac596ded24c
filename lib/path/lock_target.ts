/**
 * What a lock is put on: a path as a person writes it, made comparable.
 *
 * A target has two *extents*, each a set of paths. The one on disk tells
 * whether two sessions touch the same file; the one in the repository tells
 * whether they touch the same file of it in two worktrees, which is no conflict
 * yet but will be one at the merge. Both are kept as text that is a path or a
 * glob, so that any store can keep and compare them.
 *
 * **Paths and patterns.** A tool's path is always a path. What a person writes
 * is a pattern only if nothing of exactly that name exists, and
 *
 * | written | is |
 * | --- | --- |
 * | `*` or `?` in it | a pattern; existing folders before it are names |
 * | brackets or braces in a folder that exists (`app/[id]/page.tsx`) | a path |
 * | pairs of brackets or braces that parse as no pattern (`{x}.ts`) | a path |
 * | other brackets or braces (`[ab].ts`) | a pattern, and the file of that name |
 *
 * **Names.** `@git/head`, `@port/3000` and any other `@name` is a resource and
 * never meets a path. What begins with `@git/` belongs to the worktree, which
 * has a HEAD and an index of its own; what begins with `@port/` to the machine;
 * any other to the project. A file whose path begins so is written `./@x`.
 *
 * @module
 */

import {
  isName,
  type LockKind,
  type LockTarget,
  type PathSet,
} from "../model/lock.ts";
import { InvalidInputError } from "../model/errors.ts";
import {
  escapeGlob,
  foldPrefix,
  GlobSyntaxError,
  isGlob,
  parseGlob,
} from "../glob/glob.ts";
import { onlyPattern, pathSetPrefix } from "./lock_overlap.ts";
import { joined, PathError, rootOf, slashed } from "./path_text.ts";
import {
  entryAt,
  type KnownFolders,
  realPathAmong,
  realPathOf,
} from "./paths.ts";
import { canonicalOf, canonicalPattern, projectOf } from "./project.ts";
import { repositoryOf } from "./repository.ts";

/** How a path is read: as a path, as a glob, or as what it most likely is. */
export type PatternMode = "auto" | "glob" | "literal";

/** The ways to read a path. */
export const PATTERN_MODES: readonly PatternMode[] = [
  "auto",
  "glob",
  "literal",
];

/** How to read what a lock is to be put on. */
export interface TargetOptions {
  /**
   * Whether it is a path, a glob, or what a person most likely means.
   * @default {"auto"}
   */
  readonly pattern?: PatternMode;
  /** The project of a name where `base` is in no repository. */
  readonly project?: string | null;
  /** Folders that were found before, where many paths are read at one time. */
  readonly known?: KnownFolders;
}

/** The longest name of a resource, in characters. */
const NAME_CHARS_MAX = 128;

/**
 * What `path` means, relative ones against the absolute folder `base`. `~` is
 * the home folder.
 *
 * @throws {InvalidInputError} If it can be no path or does not parse as a glob.
 */
export function lockTarget(
  path: string,
  base: string,
  { pattern = "auto", project, known }: TargetOptions = {},
): LockTarget {
  if (pattern === "auto" && isName(path)) {
    return nameTarget(path, base, project);
  }
  const whole = homeExpanded(path);
  try {
    switch (pattern) {
      case "literal":
        return pathTarget(whole, base, known);
      case "glob":
        return patternTarget(whole, base, true);
      case "auto":
        return meantTarget(whole, base);
    }
  } catch (error) {
    if (error instanceof PathError) {
      throw new InvalidInputError("path", error.message, { cause: error });
    }
    if (error instanceof GlobSyntaxError) {
      const remedy = pattern === "auto"
        ? ` If it is a file's name, say so (--literal, pattern: "literal").`
        : "";
      throw new InvalidInputError("path", error.message + remedy, {
        cause: error,
      });
    }
    throw error;
  }
}

/**
 * The target of a named resource, such as `@git/head`, as it is meant in the
 * absolute folder `base`.
 *
 * @throws {InvalidInputError} If it can be no name, or git's outside of a
 * repository.
 */
export function resourceTarget(
  name: string,
  base: string,
  otherwise?: string | null,
): LockTarget {
  const isValid = name.length <= NAME_CHARS_MAX &&
    /^@[A-Za-z0-9][\w.:+-]*(?:\/[A-Za-z0-9][\w.:+-]*)*$/.test(name);
  if (!isValid) {
    throw new InvalidInputError(
      "path",
      `Cannot lock ${JSON.stringify(name.slice(0, NAME_CHARS_MAX))}: it is ` +
        `not a name such as "@port/3000" (letters, digits, ". _ - : +", at most ` +
        `${NAME_CHARS_MAX}); write "./@…" for a file.`,
    );
  }
  const { scope, project, worktree } = scopeOf(name, base, otherwise);
  return {
    kind: "name",
    path: name,
    disk: pathSet("name", `${scope}/:/${name.slice(1)}`),
    foldsCase: false,
    project,
    worktree,
  };
}

/** Where a name is one thing: in a worktree, on a machine, in a project. */
function scopeOf(
  name: string,
  base: string,
  otherwise: string | null | undefined,
): { scope: string; project?: string; worktree?: string } {
  if (name.startsWith("@port/")) return { scope: "@machine" };
  const below = (path: string) => path.replace(/^\/|\/$/g, "");
  const repository = repositoryOf(realPathOf(base, "").folder);
  if (!name.startsWith("@git/")) {
    const project = repository?.project ?? otherwise ?? projectOf(base).project;
    return { scope: `@project/${below(project)}`, project };
  }
  if (repository === undefined) {
    throw new InvalidInputError(
      "path",
      `Cannot lock "${name}": the folder ${base} is in no git repository. ` +
        `Change to a worktree first.`,
    );
  }
  const { project, worktree } = repository;
  return { scope: `@worktree/${below(worktree)}`, project, worktree };
}

function nameTarget(
  name: string,
  base: string,
  project: string | null | undefined,
): LockTarget {
  const target = resourceTarget(name, base, project);
  if (exists(name, base)) {
    throw new InvalidInputError(
      "path",
      `Cannot lock "${name}": it is a resource's name, and a file has it, too. ` +
        `Write "./${name}" for the file, or lock the resource from another folder.`,
    );
  }
  return target;
}

/** `~` as a shell expands it; a file of that name is `./~`. */
function homeExpanded(path: string): string {
  if (!/^~(?:$|\/)/.test(path)) return path;
  const home = Deno.env.get("HOME") ?? Deno.env.get("USERPROFILE") ?? "";
  return rootOf(slashed(home)) === undefined ? path : home + path.slice(1);
}

/** The target of a path that may be a pattern. */
function meantTarget(path: string, base: string): LockTarget {
  if (!isGlob(path) || exists(path, base)) return pathTarget(path, base);
  if (/[*?]/.test(path)) return patternTarget(path, base);
  return isBelowBracketed(path, base) || isNoPattern(path)
    ? pathTarget(path, base)
    : patternTarget(path, base);
}

/**
 * Whether text parses as no pattern though each bracket has its partner, as in
 * `{x}` and `[[...slug]]`: then it is a name, and else likely a slip.
 */
function isNoPattern(text: string): boolean {
  try {
    parseGlob(text);
    return false;
  } catch (error) {
    if (!(error instanceof GlobSyntaxError)) throw error;
    const counts = ["[", "]", "{", "}"].map((mark) => text.split(mark).length);
    return counts[0] === counts[1] && counts[2] === counts[3];
  }
}

/** Whether the folders of a path up to one with a bracket exist. */
function isBelowBracketed(path: string, base: string): boolean {
  return isGlob(path.slice(0, literalEndOf(path, base)));
}

/** The end of a pattern's folders before the first wildcard. */
function wildcardFolderOf(pattern: string): number {
  return pattern.slice(0, pattern.search(/[*?[\]{}\\]/)).lastIndexOf("/") + 1;
}

/** The same, with the folders after it that exist as they are written. */
function literalEndOf(pattern: string, base: string): number {
  let end = wildcardFolderOf(pattern);
  for (;;) {
    const next = pattern.indexOf("/", end) + 1;
    if (next === 0 || !isFolder(pattern.slice(0, next - 1), base)) return end;
    end = next;
  }
}

function isFolder(path: string, base: string): boolean {
  const whole = rootOf(slashed(path)) === undefined ? joined(base, path) : path;
  try {
    const entry = entryAt(whole);
    return entry?.isDirectory === true ||
      (entry?.isSymlink === true && Deno.statSync(whole).isDirectory);
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
    // What cannot be looked at is not known to be a folder.
    return false;
  }
}

function exists(path: string, base: string): boolean {
  try {
    return realPathOf(path, base).exists;
  } catch (error) {
    // What can be no path may still be a glob, which is checked on its own.
    if (error instanceof PathError) return false;
    throw error;
  }
}

function pathTarget(
  path: string,
  base: string,
  known?: KnownFolders,
): LockTarget {
  const real = known === undefined
    ? realPathOf(path, base)
    : realPathAmong(path, base, known);
  const canonical = canonicalOf(real);
  const isFolder = real.exists
    ? real.folder === real.absolute
    : path.endsWith("/");
  const kind = isFolder ? "folder" : "file";
  return {
    kind,
    path: canonical.absolute,
    disk: pathSet(kind, canonical.key),
    repository: canonical.repositoryKey === undefined
      ? undefined
      : pathSet(kind, canonical.repositoryKey),
    // The keys of paths are folded already where the disk folds them.
    foldsCase: false,
    project: canonical.project,
    worktree: canonical.worktree,
  };
}

function patternTarget(
  pattern: string,
  base: string,
  isSaid = false,
): LockTarget {
  if (!isGlob(pattern)) return pathTarget(pattern, base);
  // Refused as it was written, and not as it is kept.
  parseGlob(pattern);
  const { folder, rest, caseInsensitive } = canonicalPattern(
    pattern,
    isSaid ? wildcardFolderOf(pattern) : literalEndOf(pattern, base),
    base,
  );
  const below = (key: string) => {
    const text = `${escapeGlob(key).replace(/\/$/, "")}/${rest}`;
    return isSaid && !/[*?]/.test(text) ? onlyPattern(text) : text;
  };
  return {
    kind: "glob",
    path: `${folder.absolute.replace(/\/$/, "")}/${rest}`,
    disk: pathSet("glob", below(folder.key), caseInsensitive),
    repository: folder.repositoryKey === undefined
      ? undefined
      : pathSet("glob", below(folder.repositoryKey), caseInsensitive),
    foldsCase: caseInsensitive,
    project: folder.project,
    worktree: folder.worktree,
  };
}

/** The extent that is written as `text`. */
export function pathSet(
  kind: LockKind,
  text: string,
  foldsCase = false,
): PathSet {
  return { text, prefix: foldPrefix(pathSetPrefix(kind, text, foldsCase)) };
}
