/**
 * What a lock is put on: a path as a person writes it, made comparable.
 *
 * A target has two *extents*, each a set of paths. The one on disk tells
 * whether two sessions touch the same file; the one in the repository tells
 * whether they touch the same file of it in two worktrees, which is no conflict
 * yet but will be one at the merge. Both are kept as text that is a path or a
 * glob, so that any store can keep and compare them.
 *
 * What is written is taken for what is there: a name with brackets that exists
 * is that file, a folder is itself and all below it, and only what is neither
 * and holds glob syntax is a glob.
 *
 * @module
 */

import { InvalidInputError } from "./errors.ts";
import {
  escapeGlob,
  fileGlob,
  folderGlob,
  foldPrefix,
  type Glob,
  GlobSyntaxError,
  isGlob,
  literalPrefix,
  parseGlob,
} from "./glob.ts";
import { realPathOf } from "./paths.ts";
import { canonicalPath, canonicalPattern, PathError } from "./project.ts";

/** What a lock covers: a file, a folder with all below it, or a glob. */
export type LockKind = "file" | "folder" | "glob";

/** Paths that a lock covers, as text. */
export interface Extent {
  /** A path, or for kind `glob` a pattern. */
  readonly text: string;
  /** What all of them begin with, case folded: what may overlap meets there. */
  readonly prefix: string;
}

/** What a lock is put on. */
export interface LockTarget {
  /** What it covers. */
  readonly kind: LockKind;
  /** The absolute path or pattern, as people see it. */
  readonly path: string;
  /** What it covers on disk. */
  readonly disk: Extent;
  /** What it covers in its repository; absent outside of one. */
  readonly repository?: Extent;
  /** Whether a glob takes letters of either case for the same. */
  readonly foldsCase: boolean;
  /** The project that it lies in; absent outside of a repository. */
  readonly project?: string;
  /** The root of the worktree that it lies in; absent outside of one. */
  readonly worktree?: string;
  /** The host on whose disk it is; absent for this process's own. */
  readonly host?: string;
}

/**
 * What `path` means, relative ones against the absolute folder `base`.
 *
 * @throws {InvalidInputError} If it can be no path or does not parse as a glob.
 */
export function lockTarget(path: string, base: string): LockTarget {
  try {
    return isGlob(path) && !exists(path, base)
      ? patternTarget(path, base)
      : pathTarget(path, base);
  } catch (error) {
    if (error instanceof PathError || error instanceof GlobSyntaxError) {
      throw new InvalidInputError("path", error.message, { cause: error });
    }
    throw error;
  }
}

/** The glob that an extent's text stands for. */
export function extentGlob(
  kind: LockKind,
  text: string,
  foldsCase: boolean,
): Glob {
  const options = { caseInsensitive: foldsCase };
  switch (kind) {
    case "file":
      return fileGlob(text, options);
    case "folder":
      return folderGlob(text, options);
    case "glob":
      return parseGlob(text, options);
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

function pathTarget(path: string, base: string): LockTarget {
  const canonical = canonicalPath(path, base);
  const real = realPathOf(path, base);
  const isFolder = real.exists
    ? real.folder === real.absolute
    : path.endsWith("/");
  const kind = isFolder ? "folder" : "file";
  return {
    kind,
    path: canonical.absolute,
    disk: extent(kind, canonical.key),
    repository: canonical.repositoryKey === undefined
      ? undefined
      : extent(kind, canonical.repositoryKey),
    // The keys of paths are folded already where the disk folds them.
    foldsCase: false,
    project: canonical.project,
    worktree: canonical.worktree,
  };
}

function patternTarget(pattern: string, base: string): LockTarget {
  const literalEnd = pattern.slice(0, pattern.search(/[*?[\]{}\\]/))
    .lastIndexOf("/") + 1;
  const { folder, rest, caseInsensitive } = canonicalPattern(
    pattern,
    literalEnd,
    base,
  );
  const below = (key: string) =>
    `${escapeGlob(key).replace(/\/$/, "")}/${rest}`;
  return {
    kind: "glob",
    path: `${folder.absolute.replace(/\/$/, "")}/${rest}`,
    disk: extent("glob", below(folder.key), caseInsensitive),
    repository: folder.repositoryKey === undefined
      ? undefined
      : extent("glob", below(folder.repositoryKey), caseInsensitive),
    foldsCase: caseInsensitive,
    project: folder.project,
    worktree: folder.worktree,
  };
}

/** The extent that is written as `text`. */
export function extent(
  kind: LockKind,
  text: string,
  foldsCase = false,
): Extent {
  // A path is its own literal beginning.
  const prefix = kind === "glob"
    ? literalPrefix(extentGlob(kind, text, foldsCase))
    : text;
  return { text, prefix: foldPrefix(prefix) };
}
