/**
 * Reads a person's text file as a whole and replaces it atomically.
 *
 * Invariants:
 * - No reader ever sees half a file: the new text is written beside the old file
 *   and renamed onto it.
 * - Mode and owner stay. A symbolic link stays, and its target is replaced.
 * - A file that changed since it was read is not overwritten: the caller reads it
 *   again. An advisory lock on the folder serialises our processes. The system
 *   releases it when a process ends.
 * - A path that is not a UTF-8 file, or that is write-protected, is left alone.
 *
 * A hard link's other names keep the old text.
 *
 * @module
 */

import { RefusalError } from "../cli/refusal.ts";

const BYTES_MAX = 16 * 1024 * 1024;

/** A file, as it was read. */
export interface TextFile {
  /** The real path, links followed. */
  readonly path: string;
  /** The text, with a byte order mark if there is one. */
  readonly text: string;
  /** The mode and owner. */
  readonly info: Deno.FileInfo;
}

/** How to make a missing file and its folders. */
export interface NewFile {
  /** Whether only the owner may read them. */
  readonly isPrivate: boolean;
}

/**
 * Reads a file.
 *
 * @returns The file; undefined if there is none.
 * @throws {RefusalError} If it is not a readable text file.
 */
export function readTextFile(path: string): TextFile | undefined {
  return withSystemErrors("read", path, () => {
    const real = realPath(path);
    if (real === undefined) return undefined;
    const info = Deno.statSync(real);
    if (!info.isFile) {
      throwRefusal("read", path, "it is not a file", "Move it away");
    }
    if (info.size > BYTES_MAX) {
      throwRefusal(
        "read",
        path,
        "it is too large for a configuration",
        "Make it smaller",
      );
    }
    return { path: real, text: decoded(path, Deno.readFileSync(real)), info };
  });
}

/**
 * Replaces the text of a file, or removes the file.
 *
 * @param path Its path; links are followed.
 * @param before The file as it was read, undefined if there was none.
 * @param after The new text, undefined to remove the file.
 * @param how How to make a missing file.
 * @param keep Called before any change.
 * @returns Whether it was done; false if the file has changed since.
 * @throws {RefusalError} If the system denies it.
 */
export function replaceTextFile(
  path: string,
  before: TextFile | undefined,
  after: string | undefined,
  how: NewFile,
  keep: () => void = (): void => {},
): boolean {
  const target = before?.path ?? path;
  return withSystemErrors("write", path, () => {
    if (after !== undefined && before === undefined) makeFolder(target, how);
    const lock = lockFolder(folderOf(target));
    if (lock === undefined) return false;
    try {
      const now = readTextFile(path);
      if (now?.path !== before?.path || now?.text !== before?.text) {
        return false;
      }
      if (isProtected(now)) {
        throwRefusal(
          "write",
          path,
          "it is write-protected",
          "Make it writable",
        );
      }
      keep();
      if (after === undefined) remove(path, target);
      else replace(target, after, now, how);
      return true;
    } finally {
      lock.close();
    }
  });
}

/** Removes empty folders above a path, below `root`. */
export function removeEmptyFolders(path: string, root: string): void {
  for (
    let folder = folderOf(path);
    folder.startsWith(`${root}/`);
    folder = folderOf(folder)
  ) {
    try {
      // A link belongs to the person, even one to an empty folder.
      if (!Deno.lstatSync(folder).isDirectory) return;
      Deno.removeSync(folder);
    } catch {
      // The folder is not empty, or not ours to remove.
      return;
    }
  }
}

/**
 * Makes a new file.
 *
 * @returns Whether it was made; false if the name exists.
 */
export function createTextFile(
  path: string,
  text: string,
  like: Deno.FileInfo | undefined,
  how: NewFile,
): boolean {
  const mode = like?.mode === undefined || like.mode === null
    ? (how.isPrivate ? 0o600 : 0o666)
    : like.mode & 0o7777;
  let file: Deno.FsFile;
  try {
    // No other user can read it before it has its owner and mode.
    const first = like === undefined ? mode : mode & 0o600;
    file = Deno.openSync(path, { write: true, createNew: true, mode: first });
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return false;
    throw error;
  }
  try {
    using _file = file;
    let bytes = new TextEncoder().encode(text);
    while (bytes.length > 0) bytes = bytes.subarray(file.writeSync(bytes));
    file.syncSync();
    copyOwner(path, like, mode);
  } catch (error) {
    Deno.removeSync(path);
    throw error;
  }
  return true;
}

/** Removes a file, which may be missing. */
export function removeFile(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/**
 * Returns the real path of a path that leads out of a folder; undefined if it
 * stays inside. A missing path counts as its nearest existing folder.
 */
export function pathOutside(folder: string, path: string): string | undefined {
  return withSystemErrors("read", path, () => {
    const root = Deno.realPathSync(folder);
    let existing = path;
    let real = realPath(existing);
    while (real === undefined) {
      existing = folderOf(existing);
      real = realPath(existing);
    }
    return real === root || real.startsWith(`${root === "/" ? "" : root}/`)
      ? undefined
      : real;
  });
}

/** Returns the folder of a path. */
export function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/")) || "/";
}

/** Sets the owner first, because that clears special bits of the mode. */
function copyOwner(
  path: string,
  like: Deno.FileInfo | undefined,
  mode: number,
): void {
  if (Deno.build.os === "windows") return;
  const own = Deno.statSync(path);
  // A root user that acts for a person leaves no root-owned file in their folder.
  const owner = like ??
    (Deno.uid() === 0 ? Deno.statSync(folderOf(path)) : own);
  if (owner.uid !== own.uid || owner.gid !== own.gid) {
    Deno.chownSync(path, owner.uid, owner.gid);
  }
  if (like !== undefined) Deno.chmodSync(path, mode);
}

function realPath(path: string): string | undefined {
  try {
    return Deno.realPathSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    if (isLink(path)) {
      throwRefusal(
        "read",
        path,
        "it is a link that leads nowhere",
        "Remove it",
      );
    }
    return undefined;
  }
}

/** Whether a path is a link itself. */
export function isLink(path: string): boolean {
  try {
    return Deno.lstatSync(path).isSymlink;
  } catch {
    return false;
  }
}

function decoded(path: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
      .decode(bytes);
  } catch {
    return throwRefusal("edit", path, "it is not UTF-8", "Convert it");
  }
}

function isProtected(file: TextFile | undefined): boolean {
  const mode = file?.info.mode;
  return mode !== undefined && mode !== null && (mode & 0o222) === 0;
}

function makeFolder(path: string, how: NewFile): void {
  const folder = folderOf(path);
  if (exists(folder)) return;
  const missing = [folder];
  while (!exists(folderOf(missing[0]))) missing.unshift(folderOf(missing[0]));
  for (const each of missing) {
    try {
      Deno.mkdirSync(each, { mode: how.isPrivate ? 0o700 : 0o777 });
    } catch (error) {
      if (error instanceof Deno.errors.AlreadyExists) continue;
      throw error;
    }
    copyOwner(each, undefined, 0);
  }
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/** Locks a folder until closed; undefined if it is missing. */
function lockFolder(folder: string): { close(): void } | undefined {
  // Windows opens no folders; there only the comparison before the write is left.
  if (Deno.build.os === "windows") return { close: (): void => {} };
  let file: Deno.FsFile;
  try {
    file = Deno.openSync(folder);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
  try {
    file.lockSync(true);
  } catch {
    // Without locks on the file system, the comparison before the write is left.
  }
  return file;
}

function replace(
  target: string,
  text: string,
  before: TextFile | undefined,
  how: NewFile,
): void {
  const fresh = `${target}.mbus-new-${Deno.pid}`;
  if (!createTextFile(fresh, text, before?.info, how)) {
    // A killed process of the same pid left it.
    Deno.removeSync(fresh);
    createTextFile(fresh, text, before?.info, how);
  }
  try {
    Deno.renameSync(fresh, target);
  } catch (error) {
    Deno.removeSync(fresh);
    throw error;
  }
}

/** Removes a file, and the link that leads to it. */
function remove(path: string, target: string): void {
  Deno.removeSync(target);
  if (isLink(path)) Deno.removeSync(path);
}

/** Turns an error of the system into a sentence. */
function withSystemErrors<Result>(
  act: string,
  path: string,
  work: () => Result,
): Result {
  try {
    return work();
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    if (error instanceof RefusalError || code === undefined) throw error;
    throw new RefusalError(
      `Cannot ${act} "${path}": the system denies it (${message}). Get ` +
        `permission to ${act} the file and its folder, then try again.`,
      { cause: error },
    );
  }
}

function throwRefusal(
  act: string,
  path: string,
  state: string,
  remedy: string,
): never {
  throw new RefusalError(
    `Cannot ${act} "${path}": ${state}. ${remedy}, then try again.`,
  );
}
