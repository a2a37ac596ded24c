/**
 * What text is a path, and how paths are taken apart: no look at the disk.
 *
 * Whatever could not be a path on any disk, or would break a line of output, is
 * refused before anything is asked or stored. Within this library separators
 * are `/` on every system.
 *
 * @module
 */

/** The longest path in bytes of UTF-8, as on Linux. */
const PATH_BYTES_MAX = 4096;

/** The longest name between two separators in bytes of UTF-8. */
const NAME_BYTES_MAX = 255;

/**
 * Why a path is refused:
 * - `empty`, `control-character`, `not-unicode`, `too-long`: its text;
 * - `relative-base`: the folder it was to be resolved against is not absolute;
 * - `wildcard-parent`: `.` or `..` after the first wildcard of a pattern;
 * - `loop`: its links go round; `not-a-folder`: a file stands where a folder
 *   is needed; `denied`: a folder may not be searched; `unreadable`: the
 *   system refused it otherwise (see `cause`).
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
 * A path that cannot be used: `Cannot use path "…": ‹what stands in the way›;
 * ‹what to do›`, with control characters escaped and long paths shortened.
 */
export class PathError extends Error {
  /** Always `"PathError"`. */
  override readonly name = "PathError";
  /** The path as it was given, unescaped. */
  readonly path: string;
  /** Why it was refused. */
  readonly reason: PathProblem;

  /** Words the message from the path, the reason and its explanation. */
  constructor(
    path: string,
    reason: PathProblem,
    explanation: string,
    options?: ErrorOptions,
  ) {
    super(`Cannot use path "${shown(path)}": ${explanation}`, options);
    this.path = path;
    this.reason = reason;
  }
}

/** Throws if the text cannot be a path; `path` is what the error names. */
export function checkPathText(text: string, path: string): void {
  if (text === "") {
    throw new PathError(
      path,
      "empty",
      'it is empty; give a path such as "src/main.ts" or "."',
    );
  }
  // deno-lint-ignore no-control-regex
  const control = /[\x00-\x1f\x7f-\x9f\u2028\u2029]/.exec(text);
  if (control !== null) {
    throw new PathError(
      path,
      "control-character",
      `it contains the control character ${
        shown(control[0])
      }; use a name without it`,
    );
  }
  if (!text.isWellFormed()) {
    throw new PathError(
      path,
      "not-unicode",
      "it contains half of a surrogate pair; use a name that is valid Unicode",
    );
  }
  const long = exceeds(text, PATH_BYTES_MAX) ||
    (exceeds(text, NAME_BYTES_MAX) &&
      slashed(text).split("/").some((name) => exceeds(name, NAME_BYTES_MAX)));
  if (long) throw tooLong(path);
}

/** The folder that holds an absolute canonical path; a root holds itself. */
export function parentOf(absolute: string): string {
  const root = rootOf(absolute) ?? "/";
  const cut = absolute.lastIndexOf("/");
  return cut < root.length ? root : absolute.slice(0, cut);
}

/** Whether an absolute path is a folder's or lies below it. */
export function isAtOrBelow(path: string, folder: string): boolean {
  const below = folder.endsWith("/") ? folder : `${folder}/`;
  return path === folder || path.startsWith(below);
}

/** Writes separators as `/`: Windows' `\` is one too, elsewhere it is a letter. */
export function slashed(path: string): string {
  return Deno.build.os === "windows" ? path.replaceAll("\\", "/") : path;
}

/** The root an absolute path starts with (`/`, `C:/`, `//server/share/`). */
export function rootOf(path: string): string | undefined {
  if (Deno.build.os !== "windows") {
    return path.startsWith("/") ? "/" : undefined;
  }
  return /^(?:[A-Za-z]:\/|\/\/[^/]+\/[^/]+\/)/.exec(path)?.[0];
}

/** The path of `name` in a folder. */
export function joined(folder: string, name: string): string {
  return folder.endsWith("/") ? folder + name : `${folder}/${name}`;
}

/** The last name of an absolute canonical path; empty for a root. */
export function lastName(absolute: string): string {
  return absolute.slice(absolute.lastIndexOf("/") + 1);
}

/** The names in a path, without its `root` and without empty ones. */
export function namesOf(path: string, root = ""): string[] {
  return path.slice(root.length).split("/").filter((name) => name !== "");
}

/** Escapes control characters and shortens long text, for one line of output. */
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
  // A UTF-16 unit is at most three bytes of UTF-8: short text needs no count.
  return text.length > bytesMax ||
    (text.length * 3 > bytesMax &&
      new TextEncoder().encode(text).length > bytesMax);
}

/** The error for a path, or a name in it, that is too long. */
export function tooLong(path: string, cause?: unknown): PathError {
  return new PathError(
    path,
    "too-long",
    `it is longer than ${PATH_BYTES_MAX} bytes, or a name in it than ${NAME_BYTES_MAX}; use a shorter one`,
    cause === undefined ? undefined : { cause },
  );
}
