/**
 * Globs: the sets of paths that locks are put on, and whether two of them have
 * a path in common.
 *
 * A lock is on a file, on a folder with everything below it, or on a glob. All
 * three are a {@linkcode Glob} here, so that one question, `overlaps(a, b)`,
 * decides every pair. The answer is exact: true if and only if there is a path
 * that both match, and {@linkcode witness} names one.
 *
 * **Paths.** A path is one or more segments with single slashes between them;
 * an absolute one has a slash before. No segment is empty and no path ends in a
 * slash. Paths are compared as they are spelled: `.` and `..`, symbolic links
 * and Unicode normal forms are the business of whoever makes the path.
 * Absolute and relative paths are different paths, and a leading slash is only
 * ever matched by a leading slash: no path is in both `**` and `/**`.
 *
 * **The grammar.** Characters are Unicode code points.
 *
 * | written | matches |
 * | --- | --- |
 * | `*` | any number of characters but `/`, none included |
 * | `?` | one character but `/` |
 * | `**` | as a whole segment: any number of segments, none included |
 * | `[abc]`, `[a-z]` | one of these characters; `-` stands for itself at either end |
 * | `[!abc]`, `[^a-z]` | one character that is none of these, and not `/` |
 * | `{a,b}` | one of two or more alternatives, which may nest, be empty and hold `/` |
 * | `\` | makes the next character stand for itself, in a class too |
 *
 * Everything else stands for itself: names that begin with a dot are like any
 * other, and so is a comma outside of braces. What follows from this, and what
 * was decided where globs differ from tool to tool:
 *
 * - `a/**` matches `a` itself and all below it, as `**` may be no segment at
 *   all. So it is the same as a lock on the folder `a`. What is below `a`
 *   without it is `a`, `**` and `*`, with slashes between.
 * - `**` that is not a whole segment (`src/**.ts`) is refused. Some tools take
 *   it for `*` and some for any path; the lock would cover less than meant, or
 *   more.
 * - A trailing slash, and two in a row, are refused: no path has them. This
 *   holds for each choice of alternatives: `{a,}/b` and `a/{b,}` are refused,
 *   `{a/,}b` and `a{/b,}` say the same and are taken.
 * - Braces without a choice (`{id}`) and brackets or braces without a partner
 *   are refused: they are likelier a name than a pattern. {@linkcode fileGlob}
 *   and {@linkcode escapeGlob} take names as they are.
 * - A class holds no `/`, neither listed nor in a range. There are no names
 *   such as `[:alpha:]`.
 * - Alternatives are all absolute or all relative.
 *
 * **Case.** With `caseInsensitive`, characters that differ in case only are the
 * same, by Unicode's simple case folding of single code points. Globs of both
 * kinds can be compared with each other, still exactly.
 *
 * **Limits.** A pattern or path has at most 4,096 code points, a pattern at most
 * 256 branches (choices of alternatives), 16 levels of braces, and 4,096 ranges,
 * gaps and segments when its branches are written out, what all of them begin
 * with counted once. Comparing two patterns takes at most 4 · 4,096² steps
 * (`automaton.ts` says why); a file with a file or a folder is a comparison
 * of strings, and so is any pair whose {@linkcode literalPrefix}es lie apart.
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
import { checkPath, isPath, PATH_LENGTH_MAX } from "./grammar.ts";

export { GlobStepsError, type Meter } from "./automaton.ts";
export { GlobSyntaxError } from "./grammar.ts";

/** How a glob reads the case of letters. */
export interface GlobOptions {
  /**
   * Whether characters that differ in case only are the same, as on the file
   * systems that macOS and Windows use.
   *
   * @default {false}
   */
  readonly caseInsensitive?: boolean;
}

/** A set of paths: a file, a folder with all below it, or a pattern. */
export type Glob = PathGlob | PatternGlob;

/** One path, or one path with all below it. */
export interface PathGlob {
  /** Which of the two. */
  readonly kind: "file" | "folder";
  /** The path; of a folder also `/` (the root) or nothing (all relative paths). */
  readonly path: string;
  /** Whether letters of either case are the same. */
  readonly caseInsensitive: boolean;
  /** See {@linkcode literalPrefix}. */
  readonly prefix: string;
}

/** What a pattern matches that is neither of these. */
export interface PatternGlob {
  /** Always `pattern`. */
  readonly kind: "pattern";
  /** The pattern as it was written. */
  readonly pattern: string;
  /** Whether letters of either case are the same. */
  readonly caseInsensitive: boolean;
  /** See {@linkcode literalPrefix}. */
  readonly prefix: string;
  /** The segments of the prefix, as the automaton takes them. */
  readonly head: Branch;
  /** What may follow, one branch for each choice of alternatives. */
  readonly branches: readonly Branch[];
}

/**
 * The glob that `pattern` says, in the grammar above.
 *
 * A pattern that is a path, or a path and `/**`, becomes a file or folder.
 *
 * @throws {GlobSyntaxError} If it is outside the grammar or its limits.
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
 * The glob that matches `path` and nothing else; no character is special.
 *
 * @throws {GlobSyntaxError} If it is no path.
 */
export function fileGlob(path: string, options: GlobOptions = {}): PathGlob {
  const { caseInsensitive = false } = options;
  checkPath(path);
  return pathGlob("file", path, caseInsensitive);
}

/**
 * The glob that matches `path` and every path below it; no character is
 * special. `/` is every absolute path, the empty string every relative one.
 *
 * @throws {GlobSyntaxError} If it is neither of these nor a path.
 */
export function folderGlob(path: string, options: GlobOptions = {}): PathGlob {
  const { caseInsensitive = false } = options;
  if (path !== "" && path !== "/") checkPath(path);
  return pathGlob("folder", path, caseInsensitive);
}

/**
 * Whether text holds glob syntax: one of `* ? [ ] { } \`. If not, it is a path
 * (or nothing that {@linkcode parseGlob} takes) and matches itself alone.
 *
 * A name may hold these too (`app/[id].tsx`): whoever can look whether there is
 * such a file does so first, and then uses {@linkcode fileGlob}.
 */
export function isGlob(path: string): boolean {
  return /[*?[\]{}\\]/.test(path);
}

/** The pattern that matches `path` alone, its special characters escaped. */
export function escapeGlob(path: string): string {
  return path.replace(/[*?[\]{}\\]/g, "\\$&");
}

/**
 * Whether `path` is in the glob. What is no path is in none.
 *
 * Takes steps in proportion to the length of the path times the glob's size.
 */
export function matches(glob: Glob, path: string): boolean {
  return isPath(path) && overlaps(glob, pathGlob("file", path, false));
}

/**
 * Whether there is a path that is in both globs.
 *
 * `meter`, if given, counts the steps in the automaton; between files and
 * folders, and where the prefixes lie apart, there are none.
 *
 * @throws {GlobStepsError} If it takes more steps than the meter allows.
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
 * A path that is in both globs, the shortest there is, or undefined if there is
 * none: {@linkcode overlaps} with a proof.
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
  // Nothing need follow: what leads is a path by itself, unless it is the root.
  return lead.length > 1 ? lead.slice(0, -1) : `${lead}a`;
}

/**
 * The longest literal path that every path of the glob equals or lies below,
 * cut at a segment: `src` for `src/*.ts`, the path itself for a file or folder.
 * It is empty if there is none, and `/` if there is none but the paths are
 * absolute; folded if the glob is insensitive to case.
 *
 * Globs overlap only if their prefixes meet ({@linkcode prefixesMeet}), so an
 * index by prefix leaves few pairs to decide: for a prefix, what lies below it
 * and on the way from the root to it. An index that holds globs of both kinds
 * folds all prefixes with {@linkcode foldPrefix}.
 */
export function literalPrefix(glob: Glob): string {
  return glob.prefix;
}

/** Whether one prefix equals the other or lies above it. */
export function prefixesMeet(a: string, b: string): boolean {
  return isWithin(a, b) || isWithin(b, a);
}

/** The prefix that the same glob would have if it were insensitive to case. */
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

/** Both prefixes, folded if either glob is insensitive to case. */
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

/** Two globs whose prefixes meet, as the automaton takes them. */
interface AlignedParts {
  /** What the paths of both begin with, and the slash behind it. */
  readonly lead: string;
  /** What may follow in the glob with the shorter prefix. */
  readonly short: readonly Branch[];
  /** What follows in the other: the rest of its prefix, */
  readonly head: Branch;
  /** and one of its branches. */
  readonly tails: readonly Branch[];
}

function alignedParts(a: Glob, b: Glob): AlignedParts {
  let [short, long] = [partsOf(a), partsOf(b)];
  if (short.head.length > long.head.length) [short, long] = [long, short];
  const shared = short.head.length;
  // If only one glob minds the case, only its own spelling is in both.
  const { prefix } = a.caseInsensitive ? b : a;
  const names = segmentsOf(prefix).slice(0, shared);
  return {
    lead: (isAbsolute(a) ? "/" : "") + names.map((name) => `${name}/`).join(""),
    short: short.branches,
    head: long.head.slice(shared),
    tails: long.branches,
  };
}

/** The most that may follow, as the automaton counts: a slash after the last. */
function restLengthMax(lead: string): number {
  return PATH_LENGTH_MAX + 1 - lengthOf(lead);
}

/** The head and branches of any glob, without the root of an absolute one. */
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
