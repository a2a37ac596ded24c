/**
 * Real paths on disk: every spelling of a path resolves to one.
 *
 * 1. Links are followed before `..` is applied, as the system does: `link/..`
 *    is the parent of the link's target. So `..` is never removed as text.
 * 2. A missing file has the path at which it will be created, because a session
 *    locks a file before it writes it. A dangling link stands
 *    for its target, and names after the last existing folder stay as written.
 * 3. The result is canonical: resolving it again returns the same.
 * 4. A path that the system cannot resolve is rejected with a
 *    {@linkcode PathError}.
 *
 * @module
 */

import {
  assertPathText,
  joined,
  lastName,
  namesOf,
  notAFolderError,
  parentOf,
  PathError,
  rootOf,
  shown,
  slashed,
  tooLongError,
} from "./path_text.ts";

/** The most symbolic links in one path, as on Linux. */
const LINKS_MAX = 40;

/** A path resolved on disk. */
export interface RealPath {
  /** The absolute path without links, `.` or `..`; its tail may not exist. */
  readonly absolute: string;
  /** The deepest existing folder on the path, or the path itself if a folder. */
  readonly folder: string;
  /** Whether an entry exists at the path. */
  readonly exists: boolean;
}

/**
 * Resolves a path, whether or not it exists. A relative path starts at the
 * absolute folder `base`.
 *
 * @throws {PathError} If it cannot be a path.
 * @throws {Deno.errors.NotCapable} Without `--allow-read`.
 */
export function realPathOf(path: string, base: string): RealPath {
  assertPathText(path, path);
  const written = slashed(path);
  let whole = written;
  if (rootOf(written) === undefined) {
    if (rootOf(slashed(base)) === undefined) {
      throw new PathError(
        path,
        "relative-base",
        "the path is relative, and its base folder is not absolute",
        "Give an absolute path",
      );
    }
    whole = `${slashed(base)}/${written}`;
  }
  const real = resolve(path, whole);
  // Links may lead to names that are not in the given text.
  assertPathText(real.absolute, path);
  return real;
}

/** Folders already resolved, by path. */
export type KnownFolders = Map<string, RealPath>;

/**
 * Resolves a path as {@linkcode realPathOf} does, and its folder through
 * `known`. Each further file of a folder costs one look-up.
 */
export function realPathAmong(
  path: string,
  base: string,
  known: KnownFolders,
): RealPath {
  // Only on Linux is a name on disk spelled as it is written.
  if (Deno.build.os !== "linux") return realPathOf(path, base);
  assertPathText(path, path);
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
  // The parent is a file: this throws the error for the whole path.
  if (exists && folder.folder !== absolute) return realPathOf(path, base);
  const file = joined(absolute, name);
  assertPathText(file, path);
  if (!exists) return { absolute: file, folder: folder.folder, exists };
  const entry = withPathErrors(path, file, () => entryAt(file));
  if (entry === undefined) {
    return { absolute: file, folder: absolute, exists: false };
  }
  if (entry.isSymlink) return realPathOf(path, base);
  const isFolder = entry.isDirectory;
  return { absolute: file, folder: isFolder ? file : absolute, exists: true };
}

/** Returns the entry at a path, without following a link; undefined if absent. */
export function entryAt(path: string): Deno.FileInfo | undefined {
  try {
    return Deno.lstatSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    if (error instanceof Deno.errors.NotADirectory) return undefined;
    throw error;
  }
}

/** Returns the kind of entry at a path; undefined if it is absent or unreadable. */
export function entryKindOf(path: string): "file" | "folder" | undefined {
  try {
    return Deno.statSync(path).isDirectory ? "folder" : "file";
  } catch {
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
    // The walk resolves a path that exists in part, and finds the error's cause.
    return walk(path, whole);
  }
}

/** Resolves name by name: `at` exists and is real, `missing` follows it. */
function walk(path: string, whole: string): RealPath {
  let at = rootOf(whole) ?? "/";
  let isFolder = true;
  let links = 0;
  const missing: string[] = [];
  // Remaining names, the next one last.
  const coming = namesOf(whole, at).reverse();
  for (;;) {
    const name = coming.pop();
    if (name === undefined) break;
    if (!isFolder) throw notAFolderError(path, at);
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
    const entry = withPathErrors(path, next, () => entryAt(next));
    if (entry === undefined) {
      missing.push(name);
    } else if (entry.isSymlink) {
      if (++links > LINKS_MAX) {
        throw new PathError(
          path,
          "loop",
          `its symbolic links form a circle, or are more than ${LINKS_MAX} (at "${
            shown(next)
          }")`,
          "Name the file that they should lead to",
        );
      }
      const target = slashed(
        withPathErrors(path, next, () => Deno.readLinkSync(next)),
      );
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

/** Calls `read` on `absolute`; throws its failure as a `PathError` of `path`. */
function withPathErrors<Read>(
  path: string,
  absolute: string,
  read: () => Read,
): Read {
  try {
    return read();
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
    if (error instanceof Deno.errors.PermissionDenied) {
      throw new PathError(
        path,
        "denied",
        `the folder "${shown(parentOf(absolute))}" may not be searched`,
        "Ask its owner for the execute permission",
        { cause: error },
      );
    }
    if ((error as { code?: string }).code === "ENAMETOOLONG") {
      throw tooLongError(path, error);
    }
    throw new PathError(
      path,
      "unreadable",
      `the system cannot read "${shown(absolute)}" (${
        error instanceof Error ? error.message : String(error)
      })`,
      "Check that the disk is mounted",
      { cause: error },
    );
  }
}
