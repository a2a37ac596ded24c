/**
 * Lock targets: a path as a person writes it, in comparable form.
 *
 * A target has two path sets. Two sessions conflict if their sets on disk
 * overlap. They risk a merge conflict if their sets in the repository overlap,
 * in two worktrees. Both sets are text, a path or a glob, so that any store can
 * keep and compare them.
 *
 * **Paths and patterns.** A tool's path is always a path. Text from a person is
 * a path if an entry of exactly that name exists, and otherwise:
 *
 * | written | read as |
 * | --- | --- |
 * | `*` or `?` in it | a pattern; existing folders before it are names |
 * | brackets or braces in a folder that exists (`app/[id]/page.tsx`) | a path |
 * | pairs of brackets or braces that do not parse (`{x}.ts`) | a path |
 * | other brackets or braces (`[ab].ts`) | a pattern, and the file of that name |
 *
 * **Names.** `@git/head`, `@port/3000` and any other `@name` is a resource and
 * never overlaps a path. A name `@git/…` belongs to the worktree, which has its
 * own HEAD and index, and `@port/…` to the machine. Any other name belongs to
 * the project. A file whose path begins with `@` is written `./@x`.
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

/** The reading of text: as a path, as a glob, or by the rules above. */
export type PatternMode = "auto" | "glob" | "literal";

/** All pattern modes. */
export const PATTERN_MODES: readonly PatternMode[] = [
  "auto",
  "glob",
  "literal",
];

/** Options of {@linkcode lockTarget}. */
export interface TargetOptions {
  /**
   * The reading of the text.
   * @default {"auto"}
   */
  readonly pattern?: PatternMode;
  /** The project of a name if `base` is outside of a repository. */
  readonly project?: string | null;
  /** Folders already resolved, if many paths are read. */
  readonly known?: KnownFolders;
}

/** The longest name of a resource, in characters. */
const NAME_CHARS_MAX = 128;

/**
 * Returns the target of `path`. A relative path starts at the absolute folder
 * `base`, and `~` is the home folder.
 *
 * @throws {InvalidInputError} If it is not a path and does not parse as a glob.
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
        return autoTarget(whole, base);
    }
  } catch (error) {
    if (error instanceof PathError) {
      throw new InvalidInputError("path", error.message, { cause: error });
    }
    if (error instanceof GlobSyntaxError) {
      const remedy = pattern === "auto"
        ? ` For a file of this name pass --literal (pattern: "literal").`
        : "";
      throw new InvalidInputError("path", error.message + remedy, {
        cause: error,
      });
    }
    throw error;
  }
}

/**
 * Returns the target of a named resource, such as `@git/head`, in the absolute
 * folder `base`.
 *
 * @param otherwise The project if `base` is outside of a repository.
 * @throws {InvalidInputError} If it is not a valid name, or `@git/…` outside of
 * a repository.
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
        `${NAME_CHARS_MAX}). Write "./@…" for a file.`,
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

/** Returns the scope of a name: a worktree, a machine or a project. */
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
      `Cannot lock "${name}": the folder ${base} is not in a git repository. ` +
        `Change to a worktree.`,
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
      `Cannot lock "${name}": it names both a resource and a file. ` +
        `Write "./${name}" for the file, or lock the resource from another folder.`,
    );
  }
  return target;
}

/** Expands `~` as a shell does; a file of that name is `./~`. */
function homeExpanded(path: string): string {
  if (!/^~(?:$|\/)/.test(path)) return path;
  const home = Deno.env.get("HOME") ?? Deno.env.get("USERPROFILE") ?? "";
  return rootOf(slashed(home)) === undefined ? path : home + path.slice(1);
}

/** Returns the target of a path that may be a pattern. */
function autoTarget(path: string, base: string): LockTarget {
  if (!isGlob(path) || exists(path, base)) return pathTarget(path, base);
  if (/[*?]/.test(path)) return patternTarget(path, base);
  return isBelowBracketed(path, base) || isBracketedName(path)
    ? pathTarget(path, base)
    : patternTarget(path, base);
}

/**
 * Returns whether text does not parse as a pattern although its brackets are
 * paired, as in `{x}` and `[[...slug]]`. Unpaired ones are likely a slip.
 */
function isBracketedName(text: string): boolean {
  try {
    parseGlob(text);
    return false;
  } catch (error) {
    if (!(error instanceof GlobSyntaxError)) throw error;
    const counts = ["[", "]", "{", "}"].map((mark) => text.split(mark).length);
    return counts[0] === counts[1] && counts[2] === counts[3];
  }
}

/** Returns whether the folders of a path up to one with a bracket exist. */
function isBelowBracketed(path: string, base: string): boolean {
  return isGlob(path.slice(0, literalEndOf(path, base)));
}

/** Returns the end of a pattern's folders before the first wildcard. */
function wildcardFolderOf(pattern: string): number {
  return pattern.slice(0, pattern.search(/[*?[\]{}\\]/)).lastIndexOf("/") + 1;
}

/** Returns that end, moved past further folders that exist as written. */
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
    return false;
  }
}

function exists(path: string, base: string): boolean {
  try {
    return realPathOf(path, base).exists;
  } catch (error) {
    // An invalid path may still be a valid glob.
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
    // The key is already folded where the disk folds case.
    foldsCase: false,
    project: canonical.project,
    worktree: canonical.worktree,
  };
}

function patternTarget(
  pattern: string,
  base: string,
  isExplicit = false,
): LockTarget {
  if (!isGlob(pattern)) return pathTarget(pattern, base);
  // Its syntax error quotes the pattern as written.
  parseGlob(pattern);
  const { folder, rest, caseInsensitive } = canonicalPattern(
    pattern,
    isExplicit ? wildcardFolderOf(pattern) : literalEndOf(pattern, base),
    base,
  );
  const below = (key: string) => {
    const text = `${escapeGlob(key).replace(/\/$/, "")}/${rest}`;
    return isExplicit && !/[*?]/.test(text) ? onlyPattern(text) : text;
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

/** Returns the path set with the given text. */
export function pathSet(
  kind: LockKind,
  text: string,
  foldsCase = false,
): PathSet {
  return { text, prefix: foldPrefix(pathSetPrefix(kind, text, foldsCase)) };
}
