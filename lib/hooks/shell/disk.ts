/**
 * The file system as a command finds it, because the meaning of a name depends on
 * it. `mv a b` writes `b/a` if `b` is a folder, otherwise `b`.
 *
 * Only reads. A path that may not be read counts as empty, because the command
 * finds nothing there either.
 *
 * @module
 */

import { readSmallFile } from "../../path/small_file.ts";
import { GitRefs } from "./git_refs.ts";

const TEXT_BYTES_MAX = 256 * 1024;
// Limit for all files of one command, because each is searched for paths.
const TEXTS_BYTES_MAX = 1024 * 1024;

/** A git repository, as the reader of commands needs it. */
export interface ShellRepository {
  /** Root of the worktree, an absolute path. */
  readonly root: string;
  /** Whether a name is a revision; undefined if unknown. */
  isRevision(name: string): boolean | undefined;
  /** Whether `git switch NAME` would make the branch from a remote branch. */
  isRemoteBranch(name: string): boolean;
}

/** A file system, as the reader of commands needs it. */
export interface ShellDisk {
  /** Whether the path is a folder, or a link to one. */
  isFolder(path: string): boolean;
  /** Whether the path exists; a link counts, even a broken one. */
  isThere(path: string): boolean;
  /** Whether the path is a link. */
  isLink(path: string): boolean;
  /** The names in a folder; undefined if there are more than `max`. */
  namesIn(path: string, max: number): readonly string[] | undefined;
  /** The text of a file; undefined if it is not a regular one, or too large. */
  textOf(path: string): string | undefined;
  /** Whether one folder is the other, or contains it. */
  isAbove(path: string, other: string): boolean;
  /** The repository that contains a folder. */
  repositoryAt(path: string): ShellRepository | undefined;
}

/** An empty file system. */
export const EMPTY_DISK: ShellDisk = Object.freeze({
  isFolder: () => false,
  isThere: () => false,
  isLink: () => false,
  namesIn: () => [],
  textOf: () => undefined,
  isAbove: () => false,
  repositoryAt: () => undefined,
});

/**
 * Returns the file system as seen from a folder.
 *
 * @param folder The absolute path at which relative ones start.
 * @returns The file system.
 */
export function diskAt(folder: string): ShellDisk {
  const at = (path: string) => placedIn(folder, path);
  const stat = once((path) => tryStat(Deno.statSync, path));
  const lstat = once((path) => tryStat(Deno.lstatSync, path));
  const realPath = once(tryRealPath);
  const repository = once(GitRefs.of);
  let bytesLeft = TEXTS_BYTES_MAX;
  return {
    isFolder: (path) => stat(at(path))?.isDirectory ?? false,
    isThere: (path) => lstat(at(path)) !== undefined,
    isLink: (path) => lstat(at(path))?.isSymlink ?? false,
    namesIn: (path, max) => namesIn(at(path), max),
    textOf: (path) => {
      const text = bytesLeft > 0 ? textIn(at(path)) : undefined;
      bytesLeft -= text?.length ?? 0;
      return text;
    },
    isAbove: (path, other) => {
      const [real, inner] = [realPath(at(path)), realPath(at(other))];
      return real !== undefined && inner !== undefined &&
        placedIn(inner, "").startsWith(placedIn(real, ""));
    },
    repositoryAt: (path) => repository(at(path)),
  };
}

/** Caches the answer for each path. */
function once<Answer>(
  ask: (path: string) => Answer,
): (path: string) => Answer {
  const answers = new Map<string, Answer>();
  return (path) => {
    const known = answers.get(path);
    if (known !== undefined || answers.has(path)) return known as Answer;
    const answer = ask(path);
    answers.set(path, answer);
    return answer;
  };
}

/** Returns the path; joins a relative one to the folder. */
export function placedIn(folder: string, path: string): string {
  return isAbsolutePath(path) ? path : `${folder.replace(/\/+$/, "")}/${path}`;
}

/** Whether a path starts at a root: `/`, or a drive of Windows. */
export function isAbsolutePath(path: string): boolean {
  return /^(?:\/|[A-Za-z]:[\\/])/.test(path);
}

/** Whether a path is a regular file, or a link to one. */
export function isRegularFile(path: string): boolean {
  return tryStat(Deno.statSync, path)?.isFile ?? false;
}

function tryStat(
  stat: (path: string) => Deno.FileInfo,
  path: string,
): Deno.FileInfo | undefined {
  try {
    return stat(path);
  } catch {
    return undefined;
  }
}

function tryRealPath(path: string): string | undefined {
  try {
    return Deno.realPathSync(path);
  } catch {
    return undefined;
  }
}

function namesIn(path: string, max: number): string[] | undefined {
  const names: string[] = [];
  try {
    for (const { name } of Deno.readDirSync(path)) {
      if (names.push(name) > max) return undefined;
    }
  } catch {
    return [];
  }
  return names.sort();
}

/** Reads a regular file only, because reading another one may block forever. */
function textIn(path: string): string | undefined {
  try {
    return readSmallFile(path, { bytesMax: TEXT_BYTES_MAX });
  } catch {
    return undefined;
  }
}
