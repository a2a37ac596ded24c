/**
 * The parser of globs and paths; `glob.ts` documents the grammar.
 *
 * A pattern is read once, from left to right. Brackets bind tighter than
 * braces, `**` is one piece, and an escaped character is a literal piece.
 * `branches.ts` checks `**` and empty segments, after the braces are written
 * out.
 *
 * A pattern that matches no path, or is likely a slip, is an error. A lock that
 * silently covers less than its owner thinks would be worse.
 *
 * @module
 */

import {
  type CodePoints,
  codePoints,
  complement,
  SLASH,
  withCaseVariants,
} from "./code_points.ts";

/** The longest pattern and the longest path, in code points. */
export const PATH_LENGTH_MAX = 4_096;

/** The deepest nesting of braces. */
const BRACES_DEPTH_MAX = 16;

/** Thrown for text that is not a valid glob or path. */
export class GlobSyntaxError extends SyntaxError {
  /** Always `GlobSyntaxError`. */
  override name = "GlobSyntaxError";
  /** The rejected text. */
  readonly text: string;
  /** The position of the error, in code points from 0; undefined for all of it. */
  readonly position: number | undefined;

  /** Creates the error; `state` and `expected` complete its message. */
  constructor(
    what: "glob" | "path",
    text: string,
    state: string,
    expected: string,
    position?: number,
  ) {
    const shown = text.length > 80 ? `${text.slice(0, 80)}…` : text;
    const where = position === undefined ? "" : ` at position ${position}`;
    super(
      `Cannot parse ${what} ${
        JSON.stringify(shown)
      }: ${state}${where}; expected ${expected}.`,
    );
    this.text = text;
    this.position = position;
  }
}

/**
 * Returns whether text is a path: segments with single slashes between them and
 * at most one before. It must be well-formed Unicode of at most
 * {@linkcode PATH_LENGTH_MAX} code points.
 */
export function isPath(text: string): boolean {
  return text !== "" && !text.endsWith("/") && !text.includes("//") &&
    text.isWellFormed() &&
    (text.length <= PATH_LENGTH_MAX || [...text].length <= PATH_LENGTH_MAX);
}

/**
 * Throws if `path` is not a path.
 *
 * @throws {GlobSyntaxError} If {@linkcode isPath} returns false.
 */
export function assertPath(path: string): void {
  if (isPath(path)) return;
  const points = toPoints("path", path);
  const slash = points.findIndex((point, i) =>
    point === SLASH && (points[i + 1] ?? SLASH) === SLASH
  );
  throw emptySegmentError("path", path, slash);
}

/** Returns the code points of text; throws if it is empty, too long or ill-formed. */
function toPoints(what: "glob" | "path", text: string): readonly number[] {
  if (text === "") {
    throw new GlobSyntaxError(what, text, `it is empty`, `a name`);
  }
  // A code point has at most two units, so far longer text needs no count.
  const points = text.length > 2 * PATH_LENGTH_MAX
    ? undefined
    : Array.from(text, (character) => character.codePointAt(0)!);
  if (points === undefined || points.length > PATH_LENGTH_MAX) {
    throw new GlobSyntaxError(
      what,
      text,
      `it is too long`,
      `at most ${PATH_LENGTH_MAX} characters`,
    );
  }
  const half = points.findIndex((point) => point >= 0xd800 && point <= 0xdfff);
  if (half >= 0) {
    throw new GlobSyntaxError(
      what,
      text,
      `half of a surrogate pair`,
      `well-formed Unicode`,
      half,
    );
  }
  return points;
}

/** Returns the error for a slash without a name on one of its sides. */
export function emptySegmentError(
  what: "glob" | "path",
  text: string,
  position: number,
): GlobSyntaxError {
  return new GlobSyntaxError(
    what,
    text,
    `no name beside the "/"`,
    `single slashes and none at the end, for every choice of alternatives ` +
      `("name/**" is a folder with all below it)`,
    position,
  );
}

/** One piece of a branch, and its position in the pattern. */
export type Piece =
  & { readonly at: number }
  & (
    | {
      readonly is: "literal";
      readonly set: CodePoints;
      readonly point: number;
    }
    | { readonly is: "class"; readonly set: CodePoints }
    | { readonly is: "slash" | "star" | "globstar" }
  );

/** Braces with their alternatives. */
export interface Braces {
  /** Always `braces`. */
  readonly is: "braces";
  /** The position of the `{`, in code points from 0. */
  readonly at: number;
  /** The alternatives, which commas separate. */
  readonly alternatives: readonly (readonly Node[])[];
}

/** A part of a pattern before braces are written out. */
export type Node = Piece | Braces;

/** A parser of one pattern. */
export class PatternReader {
  readonly #pattern: string;
  readonly #points: readonly number[];
  readonly #caseInsensitive: boolean;
  #at = 0;

  /** Throws if the pattern is empty, too long or ill-formed. */
  constructor(pattern: string, caseInsensitive: boolean) {
    this.#pattern = pattern;
    this.#points = toPoints("glob", pattern);
    this.#caseInsensitive = caseInsensitive;
  }

  /** Returns the nodes of the whole pattern; throws at the first error. */
  read(): readonly Node[] {
    return this.#sequence(0);
  }

  /** Reads up to the end, or inside braces up to their `,` or `}`. */
  #sequence(depth: number): readonly Node[] {
    const nodes: Node[] = [];
    while (this.#at < this.#points.length) {
      const at = this.#at;
      const character = this.#peek();
      if (depth > 0 && (character === "," || character === "}")) break;
      this.#at++;
      switch (character) {
        case "/":
          nodes.push({ is: "slash", at });
          break;
        case "?":
          nodes.push({ is: "class", at, set: complement([]) });
          break;
        case "*":
          nodes.push(this.#stars(at));
          break;
        case "[":
          nodes.push(this.#class(at));
          break;
        case "{":
          nodes.push(this.#braces(at, depth + 1));
          break;
        case "]":
        case "}":
          throw this.#error(
            at,
            `an unmatched "${character}"`,
            `"\\${character}" for the character itself`,
          );
        default: {
          this.#at = at;
          const point = this.#character();
          nodes.push(
            point === SLASH ? { is: "slash", at } : this.#literal(at, point),
          );
        }
      }
    }
    return nodes;
  }

  #stars(at: number): Piece {
    while (this.#peek() === "*") this.#at++;
    const count = this.#at - at;
    if (count > 2) {
      throw this.#error(at, `${count} stars`, `"*" or "**"`);
    }
    return { is: count === 2 ? "globstar" : "star", at };
  }

  #braces(at: number, depth: number): Braces {
    if (depth > BRACES_DEPTH_MAX) {
      throw this.#error(
        at,
        `braces nested deeper than ${BRACES_DEPTH_MAX} levels`,
        `fewer`,
      );
    }
    const alternatives = [this.#sequence(depth)];
    while (this.#peek() === ",") {
      this.#at++;
      alternatives.push(this.#sequence(depth));
    }
    if (this.#peek() !== "}") {
      throw this.#error(
        at,
        `an unclosed "{"`,
        `"}", or "\\{" for the character itself`,
      );
    }
    this.#at++;
    if (alternatives.length === 1) {
      throw this.#error(
        at,
        `braces without a choice`,
        `alternatives such as "{a,b}", or "\\{" for the character itself`,
      );
    }
    return { is: "braces", at, alternatives };
  }

  #class(at: number): Piece {
    const negated = this.#peek() === "!" || this.#peek() === "^";
    if (negated) this.#at++;
    const ranges: [number, number][] = [];
    while (this.#peek() !== "]") {
      if (this.#at >= this.#points.length) {
        throw this.#error(
          at,
          `an unclosed "["`,
          `"]", or "\\[" for the character itself`,
        );
      }
      ranges.push(this.#range());
    }
    this.#at++;
    if (!negated && ranges.length === 1 && ranges[0][0] === ranges[0][1]) {
      return this.#literal(at, ranges[0][0]);
    }
    const listed = this.#set(ranges);
    const set = negated ? complement(listed) : listed;
    if (ranges.length === 0 || set.length === 0) {
      throw this.#error(
        at,
        `an empty class`,
        `characters between "[" and "]", with "\\]" for a "]"`,
      );
    }
    return { is: "class", at, set };
  }

  #literal(at: number, point: number): Piece {
    return { is: "literal", at, set: this.#set([[point, point]]), point };
  }

  #set(ranges: readonly [number, number][]): CodePoints {
    const set = codePoints(ranges);
    return this.#caseInsensitive ? withCaseVariants(set) : set;
  }

  /** Reads one range of a class, or one member as a range. */
  #range(): [number, number] {
    const at = this.#at;
    const low = this.#member();
    const second = this.#points[this.#at + 1];
    if (
      this.#peek() !== "-" || second === undefined || second === CLOSING_BRACKET
    ) {
      return [low, low];
    }
    this.#at++;
    const high = this.#member();
    if (low > high) {
      throw this.#error(
        at,
        `a range from ${show(low)} down to ${show(high)}`,
        `the lower end first`,
      );
    }
    return [low, high];
  }

  #member(): number {
    const at = this.#at;
    const point = this.#character();
    if (point === SLASH) {
      throw this.#error(
        at,
        `a "/" in a class`,
        `only characters of a name, as a class is within a segment`,
      );
    }
    return point;
  }

  /** Reads the next character, or the one after a backslash. */
  #character(): number {
    const at = this.#at++;
    if (this.#points[at] !== BACKSLASH) return this.#points[at];
    if (this.#at >= this.#points.length) {
      throw this.#error(
        at,
        `a "\\" at the end`,
        `a character, or "\\\\" for the backslash itself`,
      );
    }
    return this.#points[this.#at++];
  }

  #peek(): string | undefined {
    const point = this.#points[this.#at];
    return point === undefined ? undefined : String.fromCodePoint(point);
  }

  #error(at: number, state: string, expected: string): GlobSyntaxError {
    return new GlobSyntaxError("glob", this.#pattern, state, expected, at);
  }
}

const BACKSLASH = 0x5c;
const CLOSING_BRACKET = 0x5d;

function show(point: number): string {
  return JSON.stringify(String.fromCodePoint(point));
}
