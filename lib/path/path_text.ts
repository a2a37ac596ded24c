/**
 * Paths as text, without access to the disk.
 *
 * Text that no disk takes as a path, or that would break a line of output, is
 * rejected first. Within this library separators are `/` on every system.
 *
 * @module
 */

/** The longest path in bytes of UTF-8, as on Linux. */
const PATH_BYTES_MAX = 4096;

/** The longest name between two separators in bytes of UTF-8. */
const NAME_BYTES_MAX = 255;

/**
 * The reason for which a path is rejected:
 * - `empty`, `control-character`, `not-unicode`, `too-long`: the text;
 * - `relative-base`: the base folder is not absolute;
 * - `wildcard-parent`: `.` or `..` after the first wildcard of a pattern;
 * - `loop`: symbolic links form a circle;
 * - `not-a-folder`: a name in the middle is a file;
 * - `denied`: a folder lacks the execute permission;
 * - `unreadable`: the system failed otherwise (see `cause`).
 */
export type PathProblem =
  | "empty"
  | "control-character"
  | "not-unicode"
  | "too-long"
  | "relative-base"
  | "wildcard-parent"
  | "loop"
  | "not-a-folder"
  | "denied"
  | "unreadable";

/**
 * Thrown for a path that cannot be used: `Cannot use path "…": ‹state›.
 * ‹Remedy›.` Control characters are escaped and long paths shortened.
 */
export class PathError extends Error {
  /** Always `"PathError"`. */
  override readonly name = "PathError";
  /** The path as given, unescaped. */
  readonly path: string;
  /** The reason for the rejection. */
  readonly reason: PathProblem;

  /** Creates the error; `state` and `remedy` complete its message. */
  constructor(
    path: string,
    reason: PathProblem,
    state: string,
    remedy: string,
    options?: ErrorOptions,
  ) {
    super(`Cannot use path "${shown(path)}": ${state}. ${remedy}.`, options);
    this.path = path;
    this.reason = reason;
  }
}

/**
 * Throws if `text` cannot be a path.
 *
 * @param path The path that the error names.
 * @throws {PathError} If it is empty, too long or not a line of Unicode.
 */
export function assertPathText(text: string, path: string): void {
  if (text === "") {
    throw new PathError(
      path,
      "empty",
      "the path is empty",
      'Give a path such as "src/main.ts" or "."',
    );
  }
  // deno-lint-ignore no-control-regex
  const control = /[\x00-\x1f\x7f-\x9f\u2028\u2029]/.exec(text);
  if (control !== null) {
    throw new PathError(
      path,
      "control-character",
      `the path contains the control character ${shown(control[0])}`,
      "Use a name without it",
    );
  }
  if (!text.isWellFormed()) {
    throw new PathError(
      path,
      "not-unicode",
      "the path contains half of a surrogate pair",
      "Use a name that is valid Unicode",
    );
  }
  const long = exceeds(text, PATH_BYTES_MAX) ||
    (exceeds(text, NAME_BYTES_MAX) &&
      slashed(text).split("/").some((name) => exceeds(name, NAME_BYTES_MAX)));
  if (long) throw tooLongError(path);
}

/** Returns the parent of an absolute canonical path; a root is its own parent. */
export function parentOf(absolute: string): string {
  const root = rootOf(absolute) ?? "/";
  const cut = absolute.lastIndexOf("/");
  return cut < root.length ? root : absolute.slice(0, cut);
}

/** Returns whether an absolute path equals a folder or lies below it. */
export function isAtOrBelow(path: string, folder: string): boolean {
  const below = folder.endsWith("/") ? folder : `${folder}/`;
  return path === folder || path.startsWith(below);
}

/** Returns a path with `/` as separator; `\` is a separator on Windows only. */
export function slashed(path: string): string {
  return Deno.build.os === "windows" ? path.replaceAll("\\", "/") : path;
}

/**
 * Returns the root of an absolute path (`/`, `C:/`, `//server/share/`);
 * undefined for a relative path.
 */
export function rootOf(path: string): string | undefined {
  if (Deno.build.os !== "windows") {
    return path.startsWith("/") ? "/" : undefined;
  }
  return /^(?:[A-Za-z]:\/|\/\/[^/]+\/[^/]+\/)/.exec(path)?.[0];
}

/** Returns the path of `name` in a folder. */
export function joined(folder: string, name: string): string {
  return folder.endsWith("/") ? folder + name : `${folder}/${name}`;
}

/** Returns the last name of an absolute canonical path; empty for a root. */
export function lastName(absolute: string): string {
  return absolute.slice(absolute.lastIndexOf("/") + 1);
}

/** Returns the names in a path after its `root`, without empty ones. */
export function namesOf(path: string, root = ""): string[] {
  return path.slice(root.length).split("/").filter((name) => name !== "");
}

/** Returns text for one line of output: escaped, and at most 200 characters. */
export function shown(text: string): string {
  const short = text.length > 200 ? `${text.slice(0, 199)}…` : text;
  return short.replace(
    // deno-lint-ignore no-control-regex
    /[\x00-\x1f\x7f-\x9f\u2028\u2029]|\p{Surrogate}/gu,
    (character) =>
      character === "\n"
        ? "\\n"
        : `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

function exceeds(text: string, bytesMax: number): boolean {
  // A UTF-16 unit is at most three bytes of UTF-8, so short text needs no count.
  return text.length > bytesMax ||
    (text.length * 3 > bytesMax &&
      new TextEncoder().encode(text).length > bytesMax);
}

/** Returns the error for a path, or a name in it, that is too long. */
export function tooLongError(path: string, cause?: unknown): PathError {
  return new PathError(
    path,
    "too-long",
    `the path has more than ${PATH_BYTES_MAX} bytes, or a name in it more than ${NAME_BYTES_MAX}`,
    "Use a shorter path",
    cause === undefined ? undefined : { cause },
  );
}

/** Returns the error for a path that has a file in place of a folder. */
export function notAFolderError(path: string, file: string): PathError {
  return new PathError(
    path,
    "not-a-folder",
    `"${shown(file)}" is a file, not a folder`,
    "Leave out the names after it",
  );
}
