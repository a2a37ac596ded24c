/**
 * What a session works on, and what a path is: the two names by which sessions
 * find that they are at the same thing.
 *
 * What it keeps true, and why:
 *
 * 1. The same file on disk has one {@linkcode CanonicalPath.key}, however it is
 *    written: two sessions that hold it are in conflict. `paths.ts` says how
 *    links are followed, `case_rules.ts` how letters compare.
 * 2. The same file of a repository in two worktrees has one
 *    {@linkcode CanonicalPath.repositoryKey}: a merge risk. It is the project
 *    (`repository.ts` says what that is), a name `:` and the path from the
 *    worktree's root, `/home/dev/app/:/src/a.ts`. It has the form of a path, so
 *    that globs work on it; `:/` is also git's way to write the root of a
 *    worktree. What is called `.git` there has none: worktrees do not share it.
 * 3. A folder in no repository is a project of its own, found by no path above
 *    or below it.
 *
 * @module
 */

import { foldsCase, keyOf } from "./case_rules.ts";
import { checkPathText, joined, namesOf, PathError } from "./path_text.ts";
import { type RealPath, realPathOf } from "./paths.ts";
import { branchOf, projectName, repositoryOf } from "./repository.ts";

export { PathError, type PathProblem } from "./path_text.ts";

/** What a session works on. */
export interface Project {
  /** The project's name: an absolute path, the same in all worktrees. */
  readonly project: string;
  /** The root of the worktree (or the bare repository), or the folder itself. */
  readonly worktree: string;
  /** The branch checked out there; not set on a detached head or without git. */
  readonly branch?: string;
}

/** A path in the one spelling that all others are compared in. */
export interface CanonicalPath {
  /** Absolute path without links, `.` or `..`; it need not exist. */
  readonly absolute: string;
  /** What tells files on disk apart: `absolute`, its case folded where the disk folds it. */
  readonly key: string;
  /** What tells files of a repository apart; not set outside of a worktree. */
  readonly repositoryKey?: string;
  /** The project that the path is in; not set outside of a repository. */
  readonly project?: string;
  /** The root of the worktree that the path is in; not set outside of a repository. */
  readonly worktree?: string;
}

/** A glob whose literal folders are canonical. */
export interface CanonicalPattern {
  /** The folder that the wildcards start in; it is a path, so nothing in it is a wildcard. */
  readonly folder: CanonicalPath;
  /** What follows the folder and a slash: glob syntax, as it was written. */
  readonly rest: string;
  /** Whether letters of either case are the same in that folder. */
  readonly caseInsensitive: boolean;
}

/**
 * Tells what is worked on in `folder`, an absolute path that need not exist.
 *
 * Throws a {@linkcode PathError} if it cannot be a path, and
 * `Deno.errors.NotCapable` without `--allow-read`.
 */
export function projectOf(folder: string): Project {
  const real = realPathOf(folder, "");
  const repository = repositoryOf(real.folder);
  if (repository === undefined) {
    const worktree = isFile(real) ? real.folder : real.absolute;
    const project = projectName({ ...real, absolute: worktree });
    return { project, worktree };
  }
  const { project, worktree } = repository;
  const branch = branchOf(repository);
  return branch === undefined
    ? { project, worktree }
    : { project, worktree, branch };
}

/**
 * Resolves a path, a relative one against the absolute folder `base`, whether
 * or not it exists.
 *
 * Throws a {@linkcode PathError} if it cannot be a path, and
 * `Deno.errors.NotCapable` without `--allow-read`.
 */
export function canonicalPath(path: string, base: string): CanonicalPath {
  return canonicalOf(realPathOf(path, base));
}

/** The one spelling of a path that was resolved on disk. */
export function canonicalOf(real: RealPath): CanonicalPath {
  const { absolute } = real;
  const key = keyOf(real);
  const repository = repositoryOf(real.folder);
  if (repository?.gitFolder === undefined) return { absolute, key };
  const { project, worktree } = repository;
  // Counted in names, as folding case may change the number of characters.
  const below = namesOf(absolute).slice(namesOf(worktree).length);
  if (repository.bare || below[0] === ".git") {
    return { absolute, key, project, worktree };
  }
  const names = below.length === 0 ? [] : namesOf(key).slice(-below.length);
  const repositoryKey = [joined(project, ":"), ...names].join("/");
  return { absolute, key, repositoryKey, project, worktree };
}

/**
 * Resolves the literal folders that a glob begins with: `pattern` up to
 * `literalEnd`, an index that is 0 or just behind a slash. That part is taken
 * as it is, so a name with an escape in it belongs to the rest.
 *
 * Throws a {@linkcode PathError} if the folders cannot be a path or the rest
 * has a name `.` or `..`, a `RangeError` if `literalEnd` is elsewhere, and
 * `Deno.errors.NotCapable` without `--allow-read`.
 */
export function canonicalPattern(
  pattern: string,
  literalEnd: number,
  base: string,
): CanonicalPattern {
  const literal = pattern.slice(0, literalEnd);
  if (literal.length !== literalEnd || !/(?:^|\/)$/.test(literal)) {
    throw new RangeError(
      `Cannot split pattern at ${literalEnd}: expected 0 or an index just behind a "/"`,
    );
  }
  checkPathText(pattern, pattern);
  const rest = pattern.slice(literalEnd);
  if (/(?:^|\/)\.\.?(?:\/|$)/.test(rest)) {
    throw new PathError(
      pattern,
      "wildcard-parent",
      'it has "." or ".." behind a wildcard; write the pattern without it',
    );
  }
  const folder = canonicalPath(literal || ".", base);
  // Where the folder is yet to come, it will be like the one it is made in.
  const real = realPathOf(folder.absolute, "");
  if (isFile(real)) {
    throw new PathError(
      pattern,
      "not-a-folder",
      `"${literal}" is a file, not a folder; leave out what follows it`,
    );
  }
  const caseInsensitive = foldsCase(real.folder);
  const composes = caseInsensitive || Deno.build.os === "darwin";
  return {
    folder,
    rest: composes ? rest.normalize("NFC") : rest,
    caseInsensitive,
  };
}

function isFile(real: RealPath): boolean {
  return real.exists && real.absolute !== real.folder;
}
