/**
 * Expands a word with braces and wildcards to the words that the program sees.
 *
 * Braces depend on the text alone. Wildcards are looked up on disk. As in bash, a
 * word without a match stays as it is. With brackets alone it is a name
 * (`app/[id]/page.tsx`). With `*` or `?` it stays a glob, because files may exist
 * when the command runs. A word with `**` stays a glob, too, because shells differ
 * in its meaning.
 *
 * Bounds for one command: 1,000 words, 10,000 names in folders, 50,000 names
 * compared, 64 braces in a word of 4,096 characters. Past a bound, a word stays a
 * glob. Patterns are those of shells, without classes such as `[:alpha:]`.
 *
 * @module
 */

import { placedIn, type ShellDisk } from "./disk.ts";
import type { Word } from "./word.ts";

const WORDS_MAX = 1000;
const NAMES_MAX = 10_000;
const COMPARED_MAX = 50_000;
const BRACES_MAX = 64;
const CHARS_MAX = 4096;

/** Matches one character; undefined matches any number of any characters. */
type Step = ((char: string) => boolean) | undefined;

/** Expands the words of one command. */
export class Expansion {
  readonly #disk: ShellDisk;
  #words = WORDS_MAX;
  #names = NAMES_MAX;
  #compared = COMPARED_MAX;
  readonly #folders = new Map<string, readonly string[] | undefined>();

  /** Uses this file system. */
  constructor(disk: ShellDisk) {
    this.#disk = disk;
  }

  /**
   * Returns the words that a word becomes.
   *
   * @param word The word.
   * @param folder The command's folder, relative to the shell's; undefined if
   * unknown.
   * @returns The words; the word itself if it has nothing to expand.
   */
  expand(word: Word, folder: string | undefined): readonly Word[] {
    const { pattern, isKnown, isGlob } = word;
    if (!isGlob || !isKnown || pattern === undefined) return [word];
    const patterns = bracesIn(pattern, this.#words);
    if (patterns === undefined) {
      this.#words = 0;
      return [word];
    }
    const words = patterns.flatMap((each): Word[] => {
      const paths = hasWildcard(each) && folder !== undefined
        ? this.#pathsOf(each, folder)
        : undefined;
      if (paths !== undefined && paths.length > 0) {
        return paths.map((text) => ({ ...word, text, isGlob: false }));
      }
      return /(?<!\\)(?:\\\\)*[*?]/.test(each)
        ? [{ ...word, text: each }]
        : [{ ...word, text: unescaped(each), isGlob: false }];
    });
    this.#words = Math.max(0, this.#words - words.length);
    return words;
  }

  /** Returns the paths that a pattern matches; undefined past a bound. */
  #pathsOf(pattern: string, folder: string): string[] | undefined {
    const parts = pattern.split(/\/+/);
    let found = [""];
    if (parts[0] === "" && parts.length > 1) {
      found = ["/"];
      parts.shift();
    }
    for (const [at, part] of parts.entries()) {
      const isLast = at === parts.length - 1;
      const next: string[] = [];
      const isWild = hasWildcard(part);
      const steps = isWild ? stepsOf(part) : [];
      if (steps === undefined) return undefined;
      for (const path of found) {
        const names = isWild
          ? this.#matching(steps, part, placedIn(folder, path || "."))
          : [unescaped(part)];
        if (names === undefined) return undefined;
        for (const name of names) next.push(path + name + (isLast ? "" : "/"));
      }
      if (next.length > this.#words) return undefined;
      found = next;
    }
    return found.filter((path) => this.#disk.isThere(placedIn(folder, path)));
  }

  #matching(
    steps: readonly Step[],
    part: string,
    folder: string,
  ): string[] | undefined {
    const names = this.#namesIn(folder);
    if (names === undefined || names.length > this.#compared) return undefined;
    this.#compared -= names.length;
    const showsHidden = part.startsWith(".");
    return names.filter((name) =>
      (showsHidden || !name.startsWith(".")) && isMatch(steps, name)
    );
  }

  #namesIn(folder: string): readonly string[] | undefined {
    if (!this.#folders.has(folder)) {
      const names = this.#disk.namesIn(folder, this.#names);
      this.#names -= names?.length ?? this.#names;
      this.#folders.set(folder, names);
    }
    return this.#folders.get(folder);
  }
}

function hasWildcard(pattern: string): boolean {
  return /(?<!\\)(?:\\\\)*[*?[]/.test(pattern);
}

function unescaped(pattern: string): string {
  return pattern.replace(/\\(.)/gs, "$1");
}

/** Parses one name's pattern; undefined for `**` or a class in a class. */
function stepsOf(part: string): Step[] | undefined {
  const chars = Array.from(part);
  const steps: Step[] = [];
  for (let at = 0; at < chars.length; at++) {
    const char = chars[at];
    const end = char === "[" ? classEnd(chars, at) : -1;
    if (char === "*") {
      if (at > 0 && chars[at - 1] === "*" && steps.at(-1) === undefined) {
        return undefined;
      }
      steps.push(undefined);
    } else if (char === "?") steps.push(() => true);
    else if (end > 0) {
      const set = chars.slice(at + 1, end);
      if (set.includes("[")) return undefined;
      steps.push(classOf(set));
      at = end;
    } else {
      const literal = char === "\\" ? chars[++at] : char;
      steps.push((other) => other === literal);
    }
  }
  return steps;
}

/** Returns the end of a class that starts at `start`; -1 if there is none. */
function classEnd(chars: readonly string[], start: number): number {
  let at = start + 1;
  if (chars[at] === "!" || chars[at] === "^") at++;
  // A bracket that comes first is a literal.
  for (at++; at < chars.length; at++) {
    if (chars[at] === "\\") at++;
    else if (chars[at] === "]") return at;
  }
  return -1;
}

function classOf(set: readonly string[]): Step {
  const isNegated = set[0] === "!" || set[0] === "^";
  const ranges: [string, string][] = [];
  for (let at = isNegated ? 1 : 0; at < set.length; at++) {
    if (set[at] === "\\" && at + 1 < set.length) at++;
    const low = set[at];
    if (set[at + 1] === "-" && at + 2 < set.length) {
      at += set[at + 2] === "\\" && at + 3 < set.length ? 3 : 2;
      ranges.push([low, set[at]]);
    } else ranges.push([low, low]);
  }
  return (char) =>
    ranges.some(([low, high]) => low <= char && char <= high) !== isNegated;
}

/** Backtracks to the last star only: earlier ones have matched enough. */
function isMatch(steps: readonly Step[], name: string): boolean {
  const chars = Array.from(name);
  let [at, next, star, mark] = [0, 0, -1, 0];
  while (at < chars.length) {
    const step = steps[next];
    if (next < steps.length && step === undefined) {
      star = next++;
      mark = at;
    } else if (step?.(chars[at])) {
      next++;
      at++;
    } else if (star >= 0) {
      next = star + 1;
      at = ++mark;
    } else return false;
  }
  return steps.slice(next).every((step) => step === undefined);
}

/** Returns the patterns without braces; undefined if there are too many. */
function bracesIn(pattern: string, max: number): string[] | undefined {
  if (pattern.length > CHARS_MAX) return undefined;
  if (pattern.split("{").length > BRACES_MAX) return undefined;
  const done: string[] = [];
  // A stack; no brace with choices stands before `at`.
  const open = [{ text: pattern, at: 0 }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { text, at } = next;
    if (done.length + open.length >= max || text.length > CHARS_MAX) {
      return undefined;
    }
    const brace = findBrace(text, at);
    if (brace === undefined) {
      done.push(
        text.replace(/\\[^]|[{}]/g, (one) => one.length > 1 ? one : `\\${one}`),
      );
      continue;
    }
    const { start, end, choices } = brace;
    for (const choice of choices.toReversed()) {
      open.push({
        text: text.slice(0, start) + choice + text.slice(end),
        at: start,
      });
    }
  }
  return done;
}

/** Finds the first `{…}` with choices at or behind a position. */
function findBrace(
  text: string,
  from: number,
): { start: number; end: number; choices: string[] } | undefined {
  for (let start = from; start < text.length; start++) {
    if (text[start] === "\\") start++;
    // `find -exec` and `xargs` put a name in this place.
    else if (start === 0 && text.startsWith("{}")) continue;
    else if (text[start] === "{") {
      const found = choicesAt(text, start);
      if (found !== undefined) return { start, ...found };
    }
  }
}

function choicesAt(
  text: string,
  start: number,
): { end: number; choices: string[] } | undefined {
  const choices: string[] = [];
  let depth = 0;
  let from = start + 1;
  for (let at = from; at < text.length; at++) {
    const char = text[at];
    if (char === "\\") at++;
    else if (char === "{") depth++;
    else if (char === "," && depth === 0) {
      choices.push(text.slice(from, at));
      from = at + 1;
    } else if (char === "}" && depth > 0) depth--;
    else if (char === "}") {
      const last = text.slice(from, at);
      const all = choices.length > 0 ? [...choices, last] : sequenceOf(last);
      if (all !== undefined) return { end: at + 1, choices: all };
      // Without choices the braces are literal.
    }
  }
}

/** Expands `1..3` and `a..c`, with an optional increment. */
function sequenceOf(text: string): string[] | undefined {
  const match =
    /^(?:(-?\d{1,9})\.\.(-?\d{1,9})|([A-Za-z])\.\.([A-Za-z]))(?:\.\.-?(\d{1,9}))?$/
      .exec(text);
  if (match === null) return undefined;
  const [, low, high, first, last, by] = match;
  const [from, to] = first === undefined
    ? [Number(low), Number(high)]
    : [first.charCodeAt(0), last.charCodeAt(0)];
  const step = Math.max(1, Number(by ?? 1));
  // One more than the bound is enough to detect the excess.
  const count = Math.min(
    Math.floor(Math.abs(to - from) / step),
    WORDS_MAX,
  ) + 1;
  const isPadded = /^-?0\d/.test(low ?? "") || /^-?0\d/.test(high ?? "");
  const width = isPadded ? Math.max(low.length, high.length) : 0;
  return Array.from({ length: count }, (_, at) => {
    const value = from + Math.sign(to - from) * step * at;
    if (first !== undefined) return String.fromCharCode(value);
    const digits = String(Math.abs(value));
    return value < 0
      ? `-${digits.padStart(width - 1, "0")}`
      : digits.padStart(width, "0");
  });
}
