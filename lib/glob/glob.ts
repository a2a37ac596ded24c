/**
 * Globs: sets of paths, and whether two of them have a path in common.
 *
 * A lock is on a file, on a folder with everything below it, or on a glob. All
 * three are a {@linkcode Glob}, so `overlaps(a, b)` decides every pair. It is
 * exact: true if and only if both match a path, and {@linkcode witness} returns
 * one.
 *
 * **Paths.** A path is one or more segments with single slashes between them;
 * an absolute one begins with a slash. No segment is empty and no path ends in a
 * slash. Paths are compared as they are spelled: the caller resolves `.`, `..`,
 * symbolic links and Unicode normal forms. Absolute and relative paths differ,
 * and only a leading slash matches a leading slash: no path is in both `**` and
 * `/**`.
 *
 * **The grammar.** Characters are Unicode code points.
 *
 * | written | matches |
 * | --- | --- |
 * | `*` | zero or more characters except `/` |
 * | `?` | one character except `/` |
 * | `**` | as a whole segment: zero or more segments |
 * | `[abc]`, `[a-z]` | one of these characters; `-` is literal at either end |
 * | `[!abc]`, `[^a-z]` | one character not among these, and not `/` |
 * | `{a,b}` | one of two or more alternatives, which may nest, be empty and contain `/` |
 * | `\` | makes the next character literal, in a class too |
 *
 * All other characters are literal, a leading dot and a comma outside of braces
 * included. Tools differ in the following cases:
 *
 * - `a/**` matches `a` itself and all below it, because `**` matches zero
 *   segments. So it equals a lock on the folder `a`. All below `a` without `a`
 *   is `a`, `**` and `*`, with slashes between.
 * - `**` as a part of a segment (`src/**.ts`) is rejected. Some tools read it as
 *   `*` and some as any path, so the lock might cover less or more than meant.
 * - A trailing slash and two slashes in a row are rejected, because no path has
 *   them. This holds for each choice of alternatives: `{a,}/b` and `a/{b,}` are
 *   rejected, while the equivalent `{a/,}b` and `a{/b,}` are valid.
 * - Braces without a choice (`{id}`) and unpaired brackets or braces are
 *   rejected: they are likely part of a name. {@linkcode fileGlob} and
 *   {@linkcode escapeGlob} accept names as they are.
 * - A class contains no `/`, neither listed nor in a range. Named classes such
 *   as `[:alpha:]` do not exist.
 * - Alternatives are all absolute or all relative.
 *
 * **Case.** With `caseInsensitive`, characters that differ in case only are
 * equal, by Unicode's simple case folding of single code points. Globs of both
 * kinds can be compared with each other, still exactly.
 *
 * **Limits.** A pattern or path has at most 4,096 code points. A pattern has at
 * most 256 branches (choices of alternatives) and 16 levels of braces. Written
 * out, it has at most 4,096 ranges, gaps and segments, its common head counted
 * once. Comparing two patterns takes at most 4 · 4,096² steps (see
 * `automaton.ts`). A file against a file or folder is a comparison of strings,
 * and so is any pair whose {@linkcode literalPrefix}es do not meet.
 *
 * @module
 */

import { foldCase, withCaseVariants } from "./code_points.ts";
import {
  type Branch,
  commonLength,
  commonPath,
  GAP,
  type Meter,
  type Segment,
} from "./automaton.ts";
import { parsePattern } from "./branches.ts";
import { assertPath, isPath, PATH_LENGTH_MAX } from "./grammar.ts";

export { GlobStepsError, type Meter } from "./automaton.ts";
export { GlobSyntaxError } from "./grammar.ts";

/** Options of a glob. */
export interface GlobOptions {
  /**
   * Whether characters that differ in case only are equal, as on the usual file
   * systems of macOS and Windows.
   *
   * @default {false}
   */
  readonly caseInsensitive?: boolean;
}

/** A set of paths: a file, a folder with all below it, or a pattern. */
export type Glob = PathGlob | PatternGlob;

/** One path, or one path with all below it. */
export interface PathGlob {
  /** `file` for the path alone, `folder` for the path with all below it. */
  readonly kind: "file" | "folder";
  /** The path; for a folder also `/` (the root) or empty (all relative paths). */
  readonly path: string;
  /** Whether letters of either case are the same. */
  readonly caseInsensitive: boolean;
  /** See {@linkcode literalPrefix}. */
  readonly prefix: string;
}

/** The paths of a pattern that is not a {@linkcode PathGlob}. */
export interface PatternGlob {
  /** Always `pattern`. */
  readonly kind: "pattern";
  /** The pattern as it was written. */
  readonly pattern: string;
  /** Whether letters of either case are the same. */
  readonly caseInsensitive: boolean;
  /** See {@linkcode literalPrefix}. */
  readonly prefix: string;
  /** The segments of the prefix, in the form of the automaton. */
  readonly head: Branch;
  /** The rest, one branch for each choice of alternatives. */
  readonly branches: readonly Branch[];
}

/**
 * Parses `pattern` in the grammar above. A path, or a path and `/**`, becomes a
 * {@linkcode PathGlob}.
 *
 * @throws {GlobSyntaxError} If it violates the grammar or its limits.
 */
export function parseGlob(pattern: string, options: GlobOptions = {}): Glob {
  if (!isGlob(pattern)) return fileGlob(pattern, options);
  const { caseInsensitive = false } = options;
  const { kind, absolute, literals, head, branches } = parsePattern(
    pattern,
    caseInsensitive,
  );
  const path = (absolute ? "/" : "") + literals.join("/");
  if (kind !== "pattern") return pathGlob(kind, path, caseInsensitive);
  const prefix = caseInsensitive ? foldCase(path) : path;
  return { kind, pattern, caseInsensitive, prefix, head, branches };
}

/**
 * Returns the glob that matches `path` alone; no character is special.
 *
 * @throws {GlobSyntaxError} If it is not a path.
 */
export function fileGlob(path: string, options: GlobOptions = {}): PathGlob {
  const { caseInsensitive = false } = options;
  assertPath(path);
  return pathGlob("file", path, caseInsensitive);
}

/**
 * Returns the glob that matches `path` and every path below it; no character is
 * special. `/` is every absolute path, the empty string every relative one.
 *
 * @throws {GlobSyntaxError} If it is not a path, `/` or empty.
 */
export function folderGlob(path: string, options: GlobOptions = {}): PathGlob {
  const { caseInsensitive = false } = options;
  if (path !== "" && path !== "/") assertPath(path);
  return pathGlob("folder", path, caseInsensitive);
}

/**
 * Returns whether text contains glob syntax: one of `* ? [ ] { } \`. Other text
 * is a path that matches itself, or invalid.
 *
 * A name may contain these, too (`app/[id].tsx`). A caller with access to the
 * disk checks for such a file first, and then uses {@linkcode fileGlob}.
 */
export function isGlob(path: string): boolean {
  return /[*?[\]{}\\]/.test(path);
}

/** Returns the pattern that matches `path` alone, special characters escaped. */
export function escapeGlob(path: string): string {
  return path.replace(/[*?[\]{}\\]/g, "\\$&");
}

/**
 * Returns whether the glob matches `path`; false for text that is not a path.
 *
 * The cost grows with the length of the path times the size of the glob.
 */
export function matches(glob: Glob, path: string): boolean {
  return isPath(path) && overlaps(glob, pathGlob("file", path, false));
}

/**
 * Returns whether both globs match a path.
 *
 * @param meter Counts the steps of the automaton. Files, folders and globs whose
 * prefixes do not meet need none.
 * @throws {GlobStepsError} If the comparison takes more steps than the meter
 * allows.
 */
export function overlaps(a: Glob, b: Glob, meter?: Meter): boolean {
  const [prefixOfA, prefixOfB] = comparablePrefixes(a, b);
  if (a.kind === "file" && b.kind === "file") return prefixOfA === prefixOfB;
  if (a.kind === "folder" && b.kind === "file") {
    return isWithin(prefixOfB, prefixOfA);
  }
  if (a.kind === "file" && b.kind === "folder") {
    return isWithin(prefixOfA, prefixOfB);
  }
  if (!prefixesMeet(prefixOfA, prefixOfB)) return false;
  if (a.kind === "folder" && b.kind === "folder") return true;

  const { lead, short, head, tails } = alignedParts(a, b);
  const lengthMax = restLengthMax(lead);
  return short.some((branch) => {
    const length = commonLength(branch, head, tails, meter);
    return length !== undefined && length <= lengthMax;
  });
}

/**
 * Returns a shortest path that both globs match; undefined if they do not
 * overlap.
 */
export function witness(a: Glob, b: Glob): string | undefined {
  if (!prefixesMeet(...comparablePrefixes(a, b))) return undefined;
  const { lead, short, head, tails } = alignedParts(a, b);
  let shortest: Branch | undefined;
  let lengthMax = restLengthMax(lead);
  for (const branch of short) {
    const length = commonLength(branch, head, tails);
    if (length === undefined || length > lengthMax) continue;
    [shortest, lengthMax] = [branch, length - 1];
  }
  if (shortest === undefined) return undefined;
  const rest = commonPath(shortest, head, tails);
  if (rest !== "") return lead + rest;
  // The shared lead is a path by itself, unless it is the root.
  return lead.length > 1 ? lead.slice(0, -1) : `${lead}a`;
}

/**
 * Returns the longest literal path that every path of the glob equals or lies
 * below: `src` for `src/*.ts`, the path itself for a file or folder. Without
 * such a path it is `/` for absolute and empty for relative paths. The prefix of
 * a case-insensitive glob is folded.
 *
 * Globs overlap only if their prefixes meet ({@linkcode prefixesMeet}). So an
 * index by prefix leaves few candidates: the prefixes below a prefix, and those
 * of its parents. An index of globs of both kinds folds all prefixes with
 * {@linkcode foldPrefix}.
 */
export function literalPrefix(glob: Glob): string {
  return glob.prefix;
}

/** Returns whether one prefix equals the other or lies above it. */
export function prefixesMeet(a: string, b: string): boolean {
  return isWithin(a, b) || isWithin(b, a);
}

/** Returns the prefix of the same glob with `caseInsensitive`. */
export function foldPrefix(prefix: string): string {
  return foldCase(prefix);
}

function pathGlob(
  kind: PathGlob["kind"],
  path: string,
  caseInsensitive: boolean,
): PathGlob {
  const prefix = caseInsensitive ? foldCase(path) : path;
  return { kind, path, caseInsensitive, prefix };
}

/** Returns both prefixes, folded if either glob is case-insensitive. */
function comparablePrefixes(a: Glob, b: Glob): [string, string] {
  if (a.caseInsensitive === b.caseInsensitive) return [a.prefix, b.prefix];
  return [foldCase(a.prefix), foldCase(b.prefix)];
}

function isWithin(path: string, folder: string): boolean {
  if (folder === "") return !path.startsWith("/");
  if (!path.startsWith(folder)) return false;
  return path.length === folder.length || folder === "/" ||
    path[folder.length] === "/";
}

function isAbsolute(glob: Glob): boolean {
  return glob.prefix.startsWith("/");
}

/** Two globs whose prefixes meet, in the form of the automaton. */
interface AlignedParts {
  /** The common beginning of all paths, with the slash after it. */
  readonly lead: string;
  /** The branches of the glob with the shorter prefix. */
  readonly short: readonly Branch[];
  /** The rest of the other glob's prefix. */
  readonly head: Branch;
  /** The branches of the other glob. */
  readonly tails: readonly Branch[];
}

function alignedParts(a: Glob, b: Glob): AlignedParts {
  let [short, long] = [partsOf(a), partsOf(b)];
  if (short.head.length > long.head.length) [short, long] = [long, short];
  const shared = short.head.length;
  // If one glob is case-sensitive, only its own spelling is in both.
  const { prefix } = a.caseInsensitive ? b : a;
  const names = segmentsOf(prefix).slice(0, shared);
  return {
    lead: (isAbsolute(a) ? "/" : "") + names.map((name) => `${name}/`).join(""),
    short: short.branches,
    head: long.head.slice(shared),
    tails: long.branches,
  };
}

/** Returns the longest possible rest, with the slash that the automaton adds. */
function restLengthMax(lead: string): number {
  return PATH_LENGTH_MAX + 1 - lengthOf(lead);
}

/** Returns the head and branches of any glob, without the root. */
function partsOf(glob: Glob): Pick<PatternGlob, "head" | "branches"> {
  if (glob.kind === "pattern") return glob;
  const head = segmentsOf(glob.path).map((name): Segment =>
    Array.from(name, (character) => {
      const point = character.codePointAt(0)!;
      const set = [point, point];
      return glob.caseInsensitive ? withCaseVariants(set) : set;
    })
  );
  return { head, branches: [glob.kind === "folder" ? [GAP] : []] };
}

function segmentsOf(path: string): string[] {
  return path.split("/").filter((name) => name !== "");
}

function lengthOf(text: string): number {
  let length = 0;
  for (const _ of text) length++;
  return length;
}
