/**
 * A person's text file, read whole and replaced in one step.
 *
 * What it keeps true:
 * - Nobody ever sees half a file: the new text is written beside the old one
 *   and takes its name.
 * - Mode and owner stay. A symbolic link stays, what it leads to is replaced.
 * - What changed since it was read is not overwritten: the caller looks again.
 *   Processes of ours take turns by a lock on the folder, which the system
 *   gives back however they end.
 * - What is not UTF-8, no file, or protected against writing is left alone.
 *
 * A hard link's other names keep the old text.
 *
 * @module
 */

import { RefusalError } from "../cli/refusal.ts";

const BYTES_MAX = 16 * 1024 * 1024;

/** A file, as it was read. */
export interface TextFile {
  /** Where it really is, links followed. */
  readonly path: string;
  /** Its text, a byte order mark included. */
  readonly text: string;
  /** Its mode and owner. */
  readonly info: Deno.FileInfo;
}

/** How a file and its folders are made where there are none. */
export interface NewFile {
  /** Whether nobody else may read them. */
  readonly isPrivate: boolean;
}

/**
 * Reads a file.
 *
 * @returns The file; undefined if there is none.
 * @throws {RefusalError} If it is no text file that can be read.
 */
export function readTextFile(path: string): TextFile | undefined {
  return saying("read", path, () => {
    const real = realPath(path);
    if (real === undefined) return undefined;
    const info = Deno.statSync(real);
    if (!info.isFile) refuse("read", path, "it is no file", "move it away");
    if (info.size > BYTES_MAX) {
      refuse("read", path, "it is too large for a configuration", "look at it");
    }
    return { path: real, text: decoded(path, Deno.readFileSync(real)), info };
  });
}

/**
 * Puts a text in a file's place, or removes the file.
 *
 * @param path Its path, of which links are followed.
 * @param before What was read there, undefined if nothing was.
 * @param after The new text, undefined for none.
 * @param how What to make where there is nothing.
 * @param keep Is called before anything changes.
 * @returns Whether it was done; if not, another has changed the file since.
 * @throws {RefusalError} If the system does not let it.
 */
export function replaceTextFile(
  path: string,
  before: TextFile | undefined,
  after: string | undefined,
  how: NewFile,
  keep: () => void = (): void => {},
): boolean {
  const target = before?.path ?? path;
  return saying("write", path, () => {
    if (after !== undefined && before === undefined) makeFolder(target, how);
    const lock = lockFolder(folderOf(target));
    if (lock === undefined) return false;
    try {
      const now = readTextFile(path);
      if (now?.path !== before?.path || now?.text !== before?.text) {
        return false;
      }
      if (isProtected(now)) {
        refuse("write", path, "it is write-protected", "make it writable");
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

/** Removes the folders that are left empty above a path, below `root`. */
export function removeEmptyFolders(path: string, root: string): void {
  for (
    let folder = folderOf(path);
    folder.startsWith(`${root}/`);
    folder = folderOf(folder)
  ) {
    try {
      // A link is the person's, whatever it leads to.
      if (!Deno.lstatSync(folder).isDirectory) return;
      Deno.removeSync(folder);
    } catch {
      // Something is in it, or it is not ours to remove.
      return;
    }
  }
}

/**
 * Makes a file that no other has made.
 *
 * @returns Whether it was made; if not, there is one of that name.
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
    // Nobody reads it before it has its owner and mode.
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
    takeOver(path, like, mode);
  } catch (error) {
    Deno.removeSync(path);
    throw error;
  }
  return true;
}

/** Removes a file; it may be gone already. */
export function removeFile(path: string): void {
  try {
    Deno.removeSync(path);
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
}

/**
 * Where a path leads that is not below a folder, links followed; undefined if
 * it stays below. What is not made yet is where its folder is.
 */
export function outOf(folder: string, path: string): string | undefined {
  return saying("read", path, () => {
    const root = Deno.realPathSync(folder);
    let existing = path;
    while (!exists(existing)) existing = folderOf(existing);
    const real = Deno.realPathSync(existing);
    return real === root || real.startsWith(`${root === "/" ? "" : root}/`)
      ? undefined
      : real;
  });
}

/** The folder a path is in. */
export function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/")) || "/";
}

/** Owner first, as changing it takes special bits of the mode away. */
function takeOver(
  path: string,
  like: Deno.FileInfo | undefined,
  mode: number,
): void {
  if (Deno.build.os === "windows") return;
  const own = Deno.statSync(path);
  // A root that acts for somebody leaves nothing in their folders as its own.
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
      refuse("read", path, "it is a link that leads nowhere", "remove it");
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
    return refuse("edit", path, "it is not UTF-8", "convert it");
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
    takeOver(each, undefined, 0);
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

/** Holds a folder until closed; undefined if it is gone. */
function lockFolder(folder: string): { close(): void } | undefined {
  // Windows opens no folders; there only the look before the write is left.
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
    // A file system without locks: the look before the write is left.
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
    // Left by a process of this number that was killed.
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

/** Removes a file, and the link by which it was found. */
function remove(path: string, target: string): void {
  Deno.removeSync(target);
  if (isLink(path)) Deno.removeSync(path);
}

/** Turns what the system refuses into a sentence. */
function saying<Result>(act: string, path: string, work: () => Result): Result {
  try {
    return work();
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    if (error instanceof RefusalError || code === undefined) throw error;
    throw new RefusalError(
      `Cannot ${act} "${path}": the system refuses it (${message}); make the ` +
        `file and its folder yours to ${act}, then try again.`,
      { cause: error },
    );
  }
}

function refuse(
  act: string,
  path: string,
  state: string,
  remedy: string,
): never {
  throw new RefusalError(
    `Cannot ${act} "${path}": ${state}; ${remedy}, then try again.`,
  );
}
