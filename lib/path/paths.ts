/**
 * What a path is on disk: the one path that all ways to write it lead to.
 *
 * What it keeps true, and why:
 *
 * 1. Links are followed before `..` is applied, as the system does: `link/..`
 *    is the parent of what the link points at, so no text is tidied beforehand.
 * 2. A file that does not exist yet has the path it will have once created: a
 *    session locks what it is about to write. So a link that points nowhere
 *    stands for its target, and the names past the last existing folder are
 *    kept as they are written.
 * 3. The result is canonical: resolving it again gives the same.
 * 4. What the system could not resolve either is refused with a
 *    {@linkcode PathError} that says what stands in the way.
 *
 * `path_text.ts` says what text is a path at all, and `case_rules.ts` how
 * letters of two cases compare.
 *
 * @module
 */

import {
  checkPathText,
  joined,
  lastName,
  namesOf,
  parentOf,
  PathError,
  rootOf,
  shown,
  slashed,
  tooLong,
} from "./path_text.ts";

/** How many symbolic links one path may pass through, as on Linux. */
const LINKS_MAX = 40;

/** A path resolved on disk. */
export interface RealPath {
  /** Absolute path without links, `.` or `..`; its tail may not exist yet. */
  readonly absolute: string;
  /** The deepest folder on the path that exists; the path itself if it is one. */
  readonly folder: string;
  /** Whether there is something at the path. */
  readonly exists: boolean;
}

/**
 * Resolves a path, relative ones against the absolute folder `base`, whether
 * or not it exists. Throws a {@linkcode PathError} for what cannot be a path,
 * and `Deno.errors.NotCapable` without `--allow-read`.
 */
export function realPathOf(path: string, base: string): RealPath {
  checkPathText(path, path);
  const written = slashed(path);
  let whole = written;
  if (rootOf(written) === undefined) {
    if (rootOf(slashed(base)) === undefined) {
      throw new PathError(
        path,
        "relative-base",
        "it is relative, and there is no absolute folder to start from; give an absolute path",
      );
    }
    whole = `${slashed(base)}/${written}`;
  }
  const real = resolve(path, whole);
  // Links may lead to names that were not in the text given.
  checkPathText(real.absolute, path);
  return real;
}

/** Folders as they were found, for many paths that are resolved at one time. */
export type KnownFolders = Map<string, RealPath>;

/**
 * Resolves a path as {@linkcode realPathOf} does. Each folder is resolved once,
 * so that of many files in it each costs one look-up.
 */
export function realPathAmong(
  path: string,
  base: string,
  known: KnownFolders,
): RealPath {
  // Elsewhere the system says how a name is spelled on disk.
  if (Deno.build.os !== "linux") return realPathOf(path, base);
  checkPathText(path, path);
  const whole = rootOf(path) === undefined ? joined(base, path) : path;
  const name = lastName(whole);
  if (rootOf(whole) === undefined || /^\.{0,2}$/.test(name)) {
    return realPathOf(path, base);
  }
  const above = parentOf(whole);
  let folder = known.get(above);
  if (folder === undefined) {
    folder = realPathOf(above, base);
    known.set(above, folder);
  }
  const { exists, absolute } = folder;
  // A file has nothing below it: what is wrong is told of the whole path.
  if (exists && folder.folder !== absolute) return realPathOf(path, base);
  const file = joined(absolute, name);
  checkPathText(file, path);
  if (!exists) return { absolute: file, folder: folder.folder, exists };
  const entry = asked(path, file, () => entryAt(file));
  if (entry === undefined) {
    return { absolute: file, folder: absolute, exists: false };
  }
  if (entry.isSymlink) return realPathOf(path, base);
  const isFolder = entry.isDirectory;
  return { absolute: file, folder: isFolder ? file : absolute, exists: true };
}

/** Looks up without following a link; `undefined` where there is nothing. */
export function entryAt(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.lstatSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    if (error instanceof Deno.errors.NotADirectory) return undefined;
    throw error;
  }
}

/** Returns what exists at a path, as what a lock on it would cover. */
export function entryKindOf(path: string): "file" | "folder" | undefined {
  try {
    return Deno.statSync(path).isDirectory ? "folder" : "file";
  } catch {
    // It is not there, or cannot be looked at: then it may be either.
    return undefined;
  }
}

function resolve(path: string, whole: string): RealPath {
  try {
    const absolute = slashed(Deno.realPathSync(whole));
    const isFolder = Deno.lstatSync(absolute).isDirectory;
    const folder = isFolder ? absolute : parentOf(absolute);
    return { absolute, folder, exists: true };
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
    // Not there, or not all of it: go name by name, which also finds out
    // what stands in the way.
    return walk(path, whole);
  }
}

/** Resolves name by name: `at` exists and is real, `missing` is what follows. */
function walk(path: string, whole: string): RealPath {
  let at = rootOf(whole) ?? "/";
  let isFolder = true;
  let links = 0;
  const missing: string[] = [];
  // Names still to come, the next one last. A slash at the end asks for
  // nothing more, so empty names go.
  const coming = namesOf(whole, at).reverse();
  for (;;) {
    const name = coming.pop();
    if (name === undefined) break;
    if (!isFolder) throw notAFolder(path, at);
    if (name === ".") continue;
    if (missing.length > 0) {
      if (name === "..") missing.pop();
      else missing.push(name);
      continue;
    }
    if (name === "..") {
      at = parentOf(at);
      continue;
    }
    const next = joined(at, name);
    const entry = asked(path, next, () => entryAt(next));
    if (entry === undefined) {
      missing.push(name);
    } else if (entry.isSymlink) {
      if (++links > LINKS_MAX) {
        throw new PathError(
          path,
          "loop",
          `its symbolic links lead round in a circle or through more than ${LINKS_MAX} links (at "${
            shown(next)
          }"); name the file they should lead to`,
        );
      }
      const target = slashed(asked(path, next, () => Deno.readLinkSync(next)));
      const root = rootOf(target);
      coming.push(...namesOf(target, root ?? "").reverse());
      if (root !== undefined) at = root;
    } else {
      at = next;
      isFolder = entry.isDirectory;
    }
  }
  const absolute = missing.reduce(joined, at);
  const folder = isFolder ? at : parentOf(at);
  return { absolute, folder, exists: missing.length === 0 };
}

/** What the system says of `absolute`, a step on the way of `path`. */
function asked<Answer>(
  path: string,
  absolute: string,
  ask: () => Answer,
): Answer {
  try {
    return ask();
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
    if (error instanceof Deno.errors.PermissionDenied) {
      throw new PathError(
        path,
        "denied",
        `the folder "${
          shown(parentOf(absolute))
        }" may not be searched; ask its owner for the execute permission`,
        { cause: error },
      );
    }
    if ((error as { code?: string }).code === "ENAMETOOLONG") {
      throw tooLong(path, error);
    }
    throw new PathError(
      path,
      "unreadable",
      `the system refused "${shown(absolute)}" (${
        error instanceof Error ? error.message : String(error)
      }); check that the disk is there`,
      { cause: error },
    );
  }
}

function notAFolder(path: string, file: string): PathError {
  return new PathError(
    path,
    "not-a-folder",
    `"${shown(file)}" is a file, not a folder; leave out what follows it`,
  );
}
