/**
 * Projects and canonical paths: the names by which sessions recognise the same
 * project and the same file.
 *
 * 1. A file on disk has one {@linkcode CanonicalPath.key} for all spellings of
 *    its path: two sessions that hold it are in conflict.
 * 2. A file of a repository has one {@linkcode CanonicalPath.repositoryKey} in
 *    all worktrees: two sessions that hold it risk a merge conflict. The key is
 *    the project, a name `:` and the path from the worktree's root, as in
 *    `/home/dev/app/:/src/a.ts`. It has the form of a path, so globs apply to
 *    it. Git writes the root of a worktree as `:/`, too. A path below `.git` has
 *    no such key, because worktrees do not share it.
 * 3. A folder outside of a repository is a project of its own. Folders above and
 *    below it are other projects.
 *
 * @module
 */

import { foldsCase, keyOf } from "./case_rules.ts";
import {
  assertPathText,
  joined,
  namesOf,
  notAFolderError,
  PathError,
} from "./path_text.ts";
import { type RealPath, realPathOf } from "./paths.ts";
import { branchOf, projectName, repositoryOf } from "./repository.ts";

export { PathError, type PathProblem } from "./path_text.ts";

/** The project, worktree and branch of a folder. */
export interface Project {
  /** The project's name: an absolute path, the same in all worktrees. */
  readonly project: string;
  /** The root of the worktree or bare repository, else the folder itself. */
  readonly worktree: string;
  /** The branch checked out there; absent on a detached HEAD or without git. */
  readonly branch?: string;
}

/** A path in the spelling in which paths are compared. */
export interface CanonicalPath {
  /** The absolute path without links, `.` or `..`; it need not exist. */
  readonly absolute: string;
  /** The key of the file on disk: `absolute`, case folded if the disk ignores case. */
  readonly key: string;
  /** The key of the file in its repository; absent outside of a worktree. */
  readonly repositoryKey?: string;
  /** The project of the path; absent outside of a repository. */
  readonly project?: string;
  /** The root of the path's worktree; absent outside of a repository. */
  readonly worktree?: string;
}

/** A glob whose literal folders are canonical. */
export interface CanonicalPattern {
  /** The folder in which the wildcards start, as a path without wildcards. */
  readonly folder: CanonicalPath;
  /** The pattern after the folder and a slash, as written. */
  readonly rest: string;
  /** Whether the folder is case-insensitive. */
  readonly caseInsensitive: boolean;
}

/**
 * Returns the project of `folder`, an absolute path that need not exist.
 *
 * @throws {PathError} If it cannot be a path.
 * @throws {Deno.errors.NotCapable} Without `--allow-read`.
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
 * Resolves a path, whether or not it exists. A relative path starts at the
 * absolute folder `base`.
 *
 * @throws {PathError} If it cannot be a path.
 * @throws {Deno.errors.NotCapable} Without `--allow-read`.
 */
export function canonicalPath(path: string, base: string): CanonicalPath {
  return canonicalOf(realPathOf(path, base));
}

/** Returns the canonical form of a path that was resolved on disk. */
export function canonicalOf(real: RealPath): CanonicalPath {
  const { absolute } = real;
  const key = keyOf(real);
  const repository = repositoryOf(real.folder);
  if (repository?.gitFolder === undefined) return { absolute, key };
  const { project, worktree } = repository;
  // Counted in names, because case folding may change the number of characters.
  const below = namesOf(absolute).slice(namesOf(worktree).length);
  if (repository.bare || below[0] === ".git") {
    return { absolute, key, project, worktree };
  }
  const names = below.length === 0 ? [] : namesOf(key).slice(-below.length);
  const repositoryKey = [joined(project, ":"), ...names].join("/");
  return { absolute, key, repositoryKey, project, worktree };
}

/**
 * Resolves the literal folders at the beginning of a glob.
 *
 * @param literalEnd The end of these folders: 0 or an index just after a slash.
 * The text before it is read without escapes.
 * @throws {PathError} If the folders cannot be a path or the rest has a name `.`
 * or `..`.
 * @throws {RangeError} If `literalEnd` is another index.
 * @throws {Deno.errors.NotCapable} Without `--allow-read`.
 */
export function canonicalPattern(
  pattern: string,
  literalEnd: number,
  base: string,
): CanonicalPattern {
  const literal = pattern.slice(0, literalEnd);
  if (literal.length !== literalEnd || !/(?:^|\/)$/.test(literal)) {
    throw new RangeError(
      `Cannot split pattern at ${literalEnd}: the index is not 0 or just after a "/".`,
    );
  }
  assertPathText(pattern, pattern);
  const rest = pattern.slice(literalEnd);
  if (/(?:^|\/)\.\.?(?:\/|$)/.test(rest)) {
    throw new PathError(
      pattern,
      "wildcard-parent",
      'the pattern has "." or ".." after a wildcard',
      "Write the pattern without it",
    );
  }
  const folder = canonicalPath(literal || ".", base);
  // A folder that does not exist yet will follow its parent's case rule.
  const real = realPathOf(folder.absolute, "");
  if (isFile(real)) throw notAFolderError(pattern, literal);
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
