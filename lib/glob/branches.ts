/**
 * Branches: a pattern with its braces written out.
 *
 * A pattern is the union of its branches, one for each choice of alternatives,
 * and means what they mean. So each of them must make sense by itself: it is
 * cut at its slashes, and refused if a segment is empty (`a/{b,}/c` has the
 * branch `a//c`) or if `**` is only a part of one.
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
  emptySegment,
  GlobSyntaxError,
  type Node,
  PatternReader,
  type Piece,
} from "./grammar.ts";

/** The most branches of a pattern, equal ones counted as often as they come. */
const BRANCHES_MAX = 256;

/** The most ranges, gaps and segments in the head and branches of a pattern. */
const GLOB_SIZE_MAX = 4_096;

/** A pattern as the automaton takes it. */
export interface ParsedPattern {
  /** Whether it is a path, or a path and `**`, or needs the automaton. */
  readonly kind: "file" | "folder" | "pattern";
  /** Whether the paths begin with a slash; all branches agree in that. */
  readonly absolute: boolean;
  /** The text of the head's segments. */
  readonly literals: readonly string[];
  /** The literal segments that every path of the pattern begins with. */
  readonly head: Branch;
  /** What may follow, one for each choice of alternatives, at least one. */
  readonly branches: readonly Branch[];
}

/**
 * The branches of `pattern`; with `caseInsensitive`, every literal and class in
 * them holds the variants of its members too.
 *
 * @throws {GlobSyntaxError} If it is outside the grammar or its limits.
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
  // The others are never expensive.
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

/** What these say behind a head: that alone, all that is below it, or more. */
function kindOf(branches: readonly Branch[]): ParsedPattern["kind"] {
  const [branch] = branches;
  if (branches.length > 1 || branch.length > 1) return "pattern";
  if (branch.length === 0) return "file";
  return branch[0] === GAP ? "folder" : "pattern";
}

/** One list of pieces for each choice of alternatives. */
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
          `more than ${BRANCHES_MAX} combinations of alternatives with those`,
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

/** One branch: its segments, and those at its beginning that are literal. */
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
      throw emptySegment("glob", pattern, slash.at);
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

/** The text of a segment that is all literal. */
function literalText(pieces: readonly Piece[]): string | undefined {
  let text = "";
  for (const piece of pieces) {
    if (piece.is !== "literal") return undefined;
    text += String.fromCodePoint(piece.point);
  }
  return text;
}
