/**
 * Reading a small file that others control: a repository, another user.
 *
 * Such a file may be a link to `/dev/zero`, a pipe without a writer, a device, a
 * socket, or a link to a secret. So its kind and size are looked at before it is
 * opened. The error says what is wrong, never what is in the file, because errors
 * are logged.
 *
 * Between the look and the opening the file can be exchanged by a program that
 * runs at that moment. A repository that was only cloned cannot do that.
 *
 * @module
 */

/** The usual largest size of a small file, in bytes. */
const BYTES_MAX = 64 * 1024;

/** How to read a small file. */
export interface SmallFileOptions {
  /**
   * The largest size, in bytes.
   * @default {65536}
   */
  readonly bytesMax?: number;
  /** The folder, a canonical path, that a link may not lead out of. */
  readonly within?: string;
}

/** A file that is not read; the message says why, without its text. */
export class SmallFileError extends Error {
  /** Always `"SmallFileError"`. */
  override readonly name = "SmallFileError";
}

/**
 * Reads a small text file. Links are followed.
 *
 * @param path Its path.
 * @param options Its largest size, and where it has to be.
 * @returns Its text; undefined if there is none.
 * @throws {SmallFileError} If it is not a regular file, too large, or elsewhere.
 */
export function readSmallFile(
  path: string,
  { bytesMax = BYTES_MAX, within }: SmallFileOptions = {},
): string | undefined {
  let real = path;
  let info: Deno.FileInfo;
  try {
    info = Deno.lstatSync(path);
    if (info.isSymlink) {
      if (within !== undefined) real = Deno.realPathSync(path);
      info = Deno.statSync(real);
    }
  } catch (error) {
    const { NotADirectory, NotFound } = Deno.errors;
    if (error instanceof NotFound || error instanceof NotADirectory) {
      return undefined;
    }
    throw error;
  }
  if (within !== undefined && real !== path && !isBelow(real, within)) {
    throw new SmallFileError(`it is a link that leads out of ${within}`);
  }
  if (!info.isFile) throw new SmallFileError("it is not a regular file");
  if (info.size > bytesMax) {
    throw new SmallFileError(`it is larger than ${bytesMax} bytes`);
  }
  // A file of the kernel's says 0, and reading it may wait for ever.
  return info.size === 0 ? "" : Deno.readTextFileSync(real);
}

function isBelow(path: string, folder: string): boolean {
  return path.startsWith(folder.endsWith("/") ? folder : `${folder}/`);
}
