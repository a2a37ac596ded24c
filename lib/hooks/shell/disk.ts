/**
 * The file system as a command finds it: what a name in it means depends on
 * what is there. `mv a b` writes `b/a` if `b` is a folder, else `b`.
 *
 * Looks only; a path at which nothing may be looked is taken for empty, as the
 * command will find nothing there either.
 *
 * @module
 */

import { readSmallFile } from "../../path/small_file.ts";
import { GitRefs } from "./git_refs.ts";

const TEXT_BYTES_MAX = 256 * 1024;
// Of all files that one command names: each is looked through for paths.
const TEXTS_BYTES_MAX = 1024 * 1024;

/** What the reader of commands asks of a repository of git's. */
export interface ShellRepository {
  /** The root of the working tree, an absolute path. */
  readonly root: string;
  /** Whether a name is a revision; undefined if that cannot be told. */
  isRevision(name: string): boolean | undefined;
  /** Whether `git switch NAME` would make the branch from a remote's. */
  isRemoteBranch(name: string): boolean;
}

/** What the reader of commands asks of the file system. */
export interface ShellDisk {
  /** Whether a folder is there, or a link to one. */
  isFolder(path: string): boolean;
  /** Whether anything is there; a link counts, wherever it leads. */
  isThere(path: string): boolean;
  /** Whether a link is there. */
  isLink(path: string): boolean;
  /** The names in a folder; undefined if there are more than so many. */
  namesIn(path: string, max: number): readonly string[] | undefined;
  /** The text of a file; undefined if it is no regular one, or too large. */
  textOf(path: string): string | undefined;
  /** Whether one folder is another, or has it in it. */
  isAbove(path: string, other: string): boolean;
  /** The repository that a folder is in. */
  repositoryAt(path: string): ShellRepository | undefined;
}

/** A file system on which nothing is. */
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
 * @param folder The absolute path that relative ones start from.
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

/** Asks once for each path. */
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

/** Returns the path, a relative one joined to the folder. */
export function placedIn(folder: string, path: string): string {
  return isAbsolutePath(path) ? path : `${folder.replace(/\/+$/, "")}/${path}`;
}

/** Says whether a path starts from a root: `/`, or a drive of Windows. */
export function isAbsolutePath(path: string): boolean {
  return /^(?:\/|[A-Za-z]:[\\/])/.test(path);
}

/** Says whether a regular file is at a path, or a link to one. */
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

/** Only of a regular file: to read another one may take for ever. */
function textIn(path: string): string | undefined {
  try {
    return readSmallFile(path, { bytesMax: TEXT_BYTES_MAX });
  } catch {
    return undefined;
  }
}
