/**
 * Small files that a repository or another user controls.
 *
 * Such a file may be a pipe without a writer, a device, a socket, or a link to
 * `/dev/zero` or a secret. So its kind and size are checked before it is
 * opened. Errors are logged, so they never quote the file.
 *
 * A program that runs at that moment can replace the file between the check and
 * the opening. A repository that was only cloned cannot.
 *
 * @module
 */

/** The default of the largest size, in bytes. */
const BYTES_MAX = 64 * 1024;

/** Options of {@linkcode readSmallFile}. */
export interface SmallFileOptions {
  /**
   * The largest size, in bytes.
   * @default {65536}
   */
  readonly bytesMax?: number;
  /** The folder, a canonical path, out of which a link may not lead. */
  readonly within?: string;
}

/** Thrown for a file that is not read; the message never quotes the file. */
export class SmallFileError extends Error {
  /** Always `"SmallFileError"`. */
  override readonly name = "SmallFileError";
}

/**
 * Reads a small text file, following links.
 *
 * @param path The path of the file.
 * @param options The largest size, and the folder that has to contain the file.
 * @returns The text; undefined if the file does not exist.
 * @throws {SmallFileError} If it is not a regular file, too large, or outside of
 * the folder.
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
  // A kernel file reports size 0, and reading it may block for ever.
  return info.size === 0 ? "" : Deno.readTextFileSync(real);
}

function isBelow(path: string, folder: string): boolean {
  return path.startsWith(folder.endsWith("/") ? folder : `${folder}/`);
}
