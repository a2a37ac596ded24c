/**
 * What a file was when it was looked at: enough to tell whether it changed.
 *
 * Time and size tell most changes; a hash of small files tells one that was
 * written anew with the same content, which is no change to who has read it.
 *
 * @module
 */

/** What a file was. */
export interface FileStamp {
  /** Its size in bytes; -1 if there was none. */
  readonly size: number;
  /** When it was last written, in milliseconds since 1970. */
  readonly mtimeMs: number;
  /** The hash of its content, if it was small. */
  readonly hash?: string;
}

const HASHED_BYTES_MAX = 256 * 1024;

// A file of the kernel's says size 0, and reading it may wait for ever.
const NONE = new Uint8Array();

/** The stamp of the file at a path; a missing file has one, too. */
export function stampOf(path: string, options: { hash: boolean }): FileStamp {
  return tryStat(() => {
    const info = Deno.statSync(path);
    const stamp = { size: info.size, mtimeMs: info.mtime?.getTime() ?? 0 };
    return options.hash && info.isFile && info.size <= HASHED_BYTES_MAX
      ? {
        ...stamp,
        hash: hashOf(info.size === 0 ? NONE : Deno.readFileSync(path)),
      }
      : stamp;
  }) ?? { size: -1, mtimeMs: 0 };
}

/** Whether the file at a path is no longer what the stamp says. */
export function hasChanged(path: string, stamp: FileStamp): boolean {
  const now = stampOf(path, { hash: false });
  if (now.size !== stamp.size) return true;
  if (now.mtimeMs === stamp.mtimeMs) return false;
  if (stamp.hash === undefined || now.size < 0) return true;
  return stampOf(path, { hash: true }).hash !== stamp.hash;
}

/** A short stamp of what is at a path, by size and time; undefined if nothing is. */
export function entryStamp(path: string): string | undefined {
  const info = tryStat(() => Deno.lstatSync(path));
  if (info === undefined) return undefined;
  return `${info.size.toString(36)}.${
    (info.mtime?.getTime() ?? 0).toString(36)
  }`;
}

/** Whether a short stamp's file was last written at or after a time. */
export function isWrittenSince(stamp: string, sinceMs: number): boolean {
  return parseInt(stamp.slice(stamp.indexOf(".") + 1), 36) >= sinceMs;
}

/** What was seen, or nothing where nothing is or nothing may be looked at. */
export function tryStat<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if (
      error instanceof Deno.errors.NotFound ||
      error instanceof Deno.errors.NotADirectory ||
      error instanceof Deno.errors.PermissionDenied
    ) return undefined;
    throw error;
  }
}

/** FNV-1a, 53 bits of it: it tells changes, it guards against nobody. */
function hashOf(bytes: Uint8Array): string {
  let [low, high] = [0x811c9dc5, 0x1000193];
  for (const byte of bytes) {
    low = Math.imul(low ^ byte, 0x01000193);
    high = Math.imul(high ^ byte, 0x85ebca6b);
  }
  return (low >>> 0).toString(16) + (high >>> 0).toString(16);
}
