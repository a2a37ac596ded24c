/**
 * Branches: a pattern with its braces written out.
 *
 * A pattern is the union of its branches, one for each choice of alternatives.
 * Each branch is split at its slashes and must be valid. It is rejected if a
 * segment is empty (`a/{b,}/c` has the branch `a//c`), or contains `**` among
 * other characters.
 *
 * @module
 */

import type { CodePoints } from "./code_points.ts";
import {
  type Branch,
  GAP,
  type Gap,
  type Segment,
  sizeOf,
} from "./automaton.ts";
import {
  emptySegmentError,
  GlobSyntaxError,
  type Node,
  PatternReader,
  type Piece,
} from "./grammar.ts";

/** The most branches of a pattern, equal ones included. */
const BRANCHES_MAX = 256;

/** The most ranges, gaps and segments in the head and branches of a pattern. */
const GLOB_SIZE_MAX = 4_096;

/** A pattern in the form of the automaton. */
export interface ParsedPattern {
  /** `file` for a path, `folder` for a path and `**`, else `pattern`. */
  readonly kind: "file" | "folder" | "pattern";
  /** Whether the paths begin with a slash; all branches agree. */
  readonly absolute: boolean;
  /** The text of the head's segments. */
  readonly literals: readonly string[];
  /** The literal segments with which every path of the pattern begins. */
  readonly head: Branch;
  /** The rest, one branch for each choice of alternatives, at least one. */
  readonly branches: readonly Branch[];
}

/**
 * Parses `pattern` into branches. With `caseInsensitive`, every literal and
 * class in them contains its members' case variants, too.
 *
 * @throws {GlobSyntaxError} If it violates the grammar or its limits.
 */
export function parsePattern(
  pattern: string,
  caseInsensitive: boolean,
): ParsedPattern {
  const reader = new PatternReader(pattern, caseInsensitive);
  const compiled = writeOut(pattern, reader.read())
    .map((pieces) => compileBranch(pattern, pieces));
  const [{ absolute, literals, segments }] = compiled;
  let shared = literals.length;
  for (const branch of compiled) {
    if (branch.absolute !== absolute) {
      throw new GlobSyntaxError(
        "glob",
        pattern,
        `some of its alternatives begin with "/" and others do not`,
        `all of its paths to be absolute or all relative`,
      );
    }
    let same = 0;
    while (same < shared && branch.literals[same] === literals[same]) same++;
    shared = same;
  }
  const head = segments.slice(0, shared);
  const branches = compiled.map((branch) => branch.segments.slice(shared));
  const size = branches.reduce((sum, b) => sum + sizeOf(b), sizeOf(head));
  const kind = kindOf(branches);
  // Files and folders never reach the automaton.
  if (size > GLOB_SIZE_MAX && kind === "pattern") {
    throw new GlobSyntaxError(
      "glob",
      pattern,
      `written out it has more than ${GLOB_SIZE_MAX} parts`,
      `fewer alternatives, or several globs`,
    );
  }
  return {
    kind,
    absolute,
    literals: literals.slice(0, shared),
    head,
    branches,
  };
}

/** Returns the kind of a pattern from the branches after its head. */
function kindOf(branches: readonly Branch[]): ParsedPattern["kind"] {
  const [branch] = branches;
  if (branches.length > 1 || branch.length > 1) return "pattern";
  if (branch.length === 0) return "file";
  return branch[0] === GAP ? "folder" : "pattern";
}

/** Returns one list of pieces for each choice of alternatives. */
function writeOut(pattern: string, nodes: readonly Node[]): readonly Piece[][] {
  let lists: Piece[][] = [[]];
  for (const node of nodes) {
    if (node.is !== "braces") {
      for (const list of lists) list.push(node);
      continue;
    }
    const choices: Piece[][] = [];
    for (const alternative of node.alternatives) {
      choices.push(...writeOut(pattern, alternative));
      if (lists.length * choices.length > BRANCHES_MAX) {
        throw new GlobSyntaxError(
          "glob",
          pattern,
          `more than ${BRANCHES_MAX} combinations of alternatives`,
          `fewer alternatives, or several globs`,
          node.at,
        );
      }
    }
    lists = lists.flatMap((list) =>
      choices.map((choice) => [...list, ...choice])
    );
  }
  return lists;
}

/** One branch: its segments, and the text of its leading literal ones. */
interface CompiledBranch {
  readonly absolute: boolean;
  readonly segments: Branch;
  readonly literals: readonly string[];
}

function compileBranch(
  pattern: string,
  pieces: readonly Piece[],
): CompiledBranch {
  if (pieces.length === 0) {
    throw new GlobSyntaxError(
      "glob",
      pattern,
      `a choice of alternatives leaves nothing`,
      `every choice to leave a path`,
    );
  }
  const absolute = pieces[0].is === "slash";
  const segments: (Segment | Gap)[] = [];
  const literals: string[] = [];
  let start = absolute ? 1 : 0;
  for (let end = start; end <= pieces.length; end++) {
    if (end < pieces.length && pieces[end].is !== "slash") continue;
    const inside = pieces.slice(start, end);
    if (inside.length === 0) {
      // The slash that ends the empty segment, or the last one of the branch.
      const slash = pieces[Math.min(end, pieces.length - 1)];
      throw emptySegmentError("glob", pattern, slash.at);
    }
    start = end + 1;
    const segment = compileSegment(pattern, inside);
    const again = segment === GAP && segments.at(-1) === GAP;
    if (!again) segments.push(segment);
    const text = literalText(inside);
    if (text !== undefined && literals.length === segments.length - 1) {
      literals.push(text);
    }
  }
  return { absolute, segments, literals };
}

function compileSegment(
  pattern: string,
  pieces: readonly Piece[],
): Segment | Gap {
  const sets: (CodePoints | Gap)[] = [];
  for (const piece of pieces) {
    switch (piece.is) {
      case "globstar":
        if (pieces.length === 1) return GAP;
        throw new GlobSyntaxError(
          "glob",
          pattern,
          `a "**" that is not a whole segment`,
          `"*" within a name, or slashes around it as in "**/*.ts"`,
          piece.at,
        );
      case "star":
        sets.push(GAP);
        break;
      case "literal":
      case "class":
        sets.push(piece.set);
    }
  }
  return sets;
}

/** Returns the text of a literal segment; undefined for any other. */
function literalText(pieces: readonly Piece[]): string | undefined {
  let text = "";
  for (const piece of pieces) {
    if (piece.is !== "literal") return undefined;
    text += String.fromCodePoint(piece.point);
  }
  return text;
}
