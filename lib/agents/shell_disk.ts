/**
 * The file system as a command finds it: what a name in it means depends on
 * what is there. `mv a b` writes `b/a` if `b` is a folder, else `b`.
 *
 * Looks only; a path at which nothing may be looked is taken for empty, as the
 * command will find nothing there either.
 *
 * @module
 */

/** What the reader of commands asks of the file system. */
export interface ShellDisk {
  /** Whether a folder is there, or a link to one. */
  isFolder(path: string): boolean;
  /** Whether anything is there; a link counts, wherever it leads. */
  isThere(path: string): boolean;
  /** Whether a link is there. */
  isLink(path: string): boolean;
}

/** A file system on which nothing is. */
export const EMPTY_DISK: ShellDisk = Object.freeze({
  isFolder: () => false,
  isThere: () => false,
  isLink: () => false,
});

/**
 * Returns the file system as seen from a folder.
 *
 * @param folder The absolute path that relative ones start from.
 * @returns The file system.
 */
export function diskAt(folder: string): ShellDisk {
  const at = (path: string) => placedIn(folder, path);
  return {
    isFolder: (path) => tryStat(Deno.statSync, at(path))?.isDirectory ?? false,
    isThere: (path) => tryStat(Deno.lstatSync, at(path)) !== undefined,
    isLink: (path) => tryStat(Deno.lstatSync, at(path))?.isSymlink ?? false,
  };
}

/** Returns the path, a relative one joined to the folder. */
export function placedIn(folder: string, path: string): string {
  return path.startsWith("/") ? path : `${folder.replace(/\/+$/, "")}/${path}`;
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
