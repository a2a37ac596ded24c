/**
 * The text of globs and paths: what is refused, and the pieces of the rest.
 *
 * A pattern is read once, from left to right. Brackets bind tighter than
 * braces, `**` is one piece, and what a backslash makes literal is a literal
 * from here on. `glob.ts` says what the grammar is; whether `**` is a whole
 * segment and whether a segment is empty is seen in `branches.ts`, when
 * the braces are written out.
 *
 * What no path could match, and what people write while they mean something
 * else, is refused rather than given a meaning: a lock that silently covers
 * less than its owner thinks is worse than an error.
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

/** Text that is no glob, or no path, and where it stops being one. */
export class GlobSyntaxError extends SyntaxError {
  /** Always `GlobSyntaxError`. */
  override name = "GlobSyntaxError";
  /** The text that was refused. */
  readonly text: string;
  /** Where it goes wrong, in code points from 0; undefined if it is all of it. */
  readonly position: number | undefined;

  /** Makes the error; `state` says what is wrong, `expected` what would do. */
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
 * Whether text is a path: segments with single slashes between them, and
 * perhaps one before; well-formed Unicode of at most
 * {@linkcode PATH_LENGTH_MAX} code points.
 */
export function isPath(text: string): boolean {
  return text !== "" && !text.endsWith("/") && !text.includes("//") &&
    text.isWellFormed() &&
    (text.length <= PATH_LENGTH_MAX || [...text].length <= PATH_LENGTH_MAX);
}

/**
 * Nothing, if `path` is one.
 *
 * @throws {GlobSyntaxError} If {@linkcode isPath} says no.
 */
export function checkPath(path: string): void {
  if (isPath(path)) return;
  const points = toPoints("path", path);
  const slash = points.findIndex((point, i) =>
    point === SLASH && (points[i + 1] ?? SLASH) === SLASH
  );
  throw emptySegment("path", path, slash);
}

/** The code points of a text that is neither empty, too long nor ill-formed. */
function toPoints(what: "glob" | "path", text: string): readonly number[] {
  if (text === "") {
    throw new GlobSyntaxError(what, text, `it is empty`, `a name`);
  }
  // A code point has at most two units: what is far too long is not read.
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

/** What is thrown for a slash that has no name on one of its sides. */
export function emptySegment(
  what: "glob" | "path",
  text: string,
  position: number,
): GlobSyntaxError {
  return new GlobSyntaxError(
    what,
    text,
    `no name beside the "/"`,
    `single slashes and none at the end, whichever alternatives are taken ` +
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

/** Braces, with what each alternative holds. */
export interface Braces {
  /** Always `braces`. */
  readonly is: "braces";
  /** The position of the `{`, in code points from 0. */
  readonly at: number;
  /** What stands before, between and behind the commas. */
  readonly alternatives: readonly (readonly Node[])[];
}

/** What a pattern is made of as it is read. */
export type Node = Piece | Braces;

/** Reads the text of a pattern into nodes; lives for one pattern. */
export class PatternReader {
  readonly #pattern: string;
  readonly #points: readonly number[];
  readonly #caseInsensitive: boolean;
  #at = 0;

  /** Takes the pattern; throws if it is no text that could be one. */
  constructor(pattern: string, caseInsensitive: boolean) {
    this.#pattern = pattern;
    this.#points = toPoints("glob", pattern);
    this.#caseInsensitive = caseInsensitive;
  }

  /** The nodes of the whole pattern; throws at the first that is wrong. */
  read(): readonly Node[] {
    return this.#sequence(0);
  }

  /** What stands up to the end, or inside braces up to their `,` or `}`. */
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
            `a "${character}" that closes nothing`,
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
        `braces inside of ${BRACES_DEPTH_MAX} others`,
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
        `a "{" that is never closed`,
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
          `a "[" that is never closed`,
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
        `a class that no character is in`,
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

  /** One member of a class, as a range of itself, or a range. */
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
        `only what a name may hold, as a class is within a segment`,
      );
    }
    return point;
  }

  /** The next character, or the one behind a backslash. */
  #character(): number {
    const at = this.#at++;
    if (this.#points[at] !== BACKSLASH) return this.#points[at];
    if (this.#at >= this.#points.length) {
      throw this.#error(
        at,
        `a "\\" with nothing behind it`,
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
