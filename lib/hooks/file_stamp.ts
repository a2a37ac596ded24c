/**
 * Stamps of files: enough to tell whether a file changed.
 *
 * Time and size tell most changes. A hash of small files recognises a rewrite
 * with the same content, which an agent that has read the file may ignore.
 *
 * @module
 */

/** The stamp of a file. */
export interface FileStamp {
  /** Size in bytes; -1 for a missing file. */
  readonly size: number;
  /** Time of the last write, in milliseconds since 1970. */
  readonly mtimeMs: number;
  /** Hash of the content, for a small file. */
  readonly hash?: string;
}

const HASHED_BYTES_MAX = 256 * 1024;

// Files in /proc report size 0, and reading one may block forever.
const NONE = new Uint8Array();

/** Returns the stamp of the file at a path, which may be missing. */
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

/** Whether the file at a path differs from its stamp. */
export function hasChanged(path: string, stamp: FileStamp): boolean {
  const now = stampOf(path, { hash: false });
  if (now.size !== stamp.size) return true;
  if (now.mtimeMs === stamp.mtimeMs) return false;
  if (stamp.hash === undefined || now.size < 0) return true;
  return stampOf(path, { hash: true }).hash !== stamp.hash;
}

/** Returns a short stamp of the entry at a path; undefined if it is missing. */
export function entryStamp(path: string): string | undefined {
  const info = tryStat(() => Deno.lstatSync(path));
  if (info === undefined) return undefined;
  return `${info.size.toString(36)}.${
    (info.mtime?.getTime() ?? 0).toString(36)
  }`;
}

/** Whether the file of a short stamp was last written at or after a time. */
export function isWrittenSince(stamp: string, sinceMs: number): boolean {
  return parseInt(stamp.slice(stamp.indexOf(".") + 1), 36) >= sinceMs;
}

/** Returns the result; undefined if the path is missing or not permitted. */
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

/** Returns 53 bits of FNV-1a. It detects changes, and resists no attacker. */
function hashOf(bytes: Uint8Array): string {
  let [low, high] = [0x811c9dc5, 0x1000193];
  for (const byte of bytes) {
    low = Math.imul(low ^ byte, 0x01000193);
    high = Math.imul(high ^ byte, 0x85ebca6b);
  }
  return (low >>> 0).toString(16) + (high >>> 0).toString(16);
}
