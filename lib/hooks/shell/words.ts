/**
 * Splits a POSIX shell's text into words, operators and redirections.
 *
 * The lexical half of reading a command: the separators of commands, the targets
 * of their input and output, here-documents. It runs nothing.
 *
 * Read: words (see `word.ts`); comments; line continuation; the commands within
 * `$(…)`, backquotes and `<(…)`, kept with their word; here-documents, whose
 * bodies are kept with their redirection (a `$(…)` in a body is not read);
 * `[[ … ]]` and `((…))`, in which `<` and `>` compare.
 *
 * Not read: aliases, `case` patterns (they count as commands without effect),
 * brace expansion (kept as a glob), history.
 *
 * One pass, linear in the text, but text in backquotes is read again once for each
 * level. Past a bound on nesting, the rest is skipped and `isWhole` is false.
 *
 * @module
 */

import {
  type Operator,
  type ReadCommands,
  type Redirect,
  Source,
  type Token,
  WORD_ENDS,
  WordReader,
} from "./word.ts";

/** The tokens of a command line. */
export interface Lexed {
  /** The tokens, in order. */
  readonly tokens: readonly Token[];
  /** Whether all of the text was read. */
  readonly isWhole: boolean;
}

/** Reserved words after which a command starts. */
export const RESERVED_BEFORE_COMMAND: ReadonlySet<string> = new Set([
  "if",
  "then",
  "elif",
  "else",
  "while",
  "until",
  "do",
  "{",
  "!",
  // Reserved words of fish, which are not commands in other shells.
  "and",
  "or",
  "not",
  "begin",
]);

const DEPTH_MAX = 16;
// Longer ones first, because the first match is taken.
const OPERATORS: readonly string[] = [
  ";;&",
  "&&",
  "||",
  "|&",
  ";;",
  ";&",
  ";",
  "|",
  "&",
  "(",
  ")",
  "\n",
];
// Those with an exclamation mark or a final bar are zsh's, `>?` is fish's.
const REDIRECTS: readonly string[] = [
  "&>>|",
  "&>>!",
  "&>>",
  "&>|",
  "&>!",
  ">>|",
  ">>!",
  ">&|",
  ">&!",
  "<<<",
  "<<-",
  "&>",
  ">>",
  ">|",
  ">!",
  ">?",
  ">&",
  "<<",
  "<>",
  "<&",
  ">",
  "<",
];

/**
 * Splits a command line into tokens.
 *
 * @param text The command line.
 * @param home The home directory, for `~/` and `$HOME`.
 * @returns The tokens.
 */
export function lexShell(text: string, home?: string): Lexed {
  return new Lexer(text.replaceAll("\r\n", "\n"), home, 0).read();
}

class Lexer implements ReadCommands {
  readonly #source: Source;
  readonly #words: WordReader;
  readonly #home: string | undefined;
  #depth: number;
  #isWhole = true;
  #pending: Redirect[] = [];

  constructor(text: string, home: string | undefined, depth: number) {
    this.#source = new Source(text);
    this.#words = new WordReader(this.#source, this, home);
    this.#home = home;
    this.#depth = depth;
  }

  read(): Lexed {
    const tokens = this.#list(false);
    return { tokens, isWhole: this.#isWhole };
  }

  inParentheses(): readonly Token[] {
    if (this.#depth >= DEPTH_MAX) {
      this.#isWhole = false;
      this.#source.at = this.#source.text.length;
      return [];
    }
    // Here-documents of the outer line start after its end, not inside.
    const outer = this.#pending;
    this.#pending = [];
    this.#depth++;
    const tokens = this.#list(true);
    this.#depth--;
    this.#pending = outer;
    this.#source.at++;
    return tokens;
  }

  inBackquotes(text: string): readonly Token[] {
    if (this.#depth >= DEPTH_MAX) {
      this.#isWhole = false;
      return [];
    }
    const lexed = new Lexer(text, this.#home, this.#depth + 1).read();
    if (!lexed.isWhole) this.#isWhole = false;
    return lexed.tokens;
  }

  /** Reads to the end, or to the `)` that closes this list. */
  #list(isNested: boolean): Token[] {
    const source = this.#source;
    const tokens: Token[] = [];
    let open = 0;
    for (;;) {
      this.#skipBlanks();
      if (!source.hasMore) break;
      if (source.sees(")") && open === 0 && isNested) break;
      if (source.sees("((") && startsCommand(tokens)) {
        source.at += 2;
        source.skipArithmetic();
        continue;
      }
      const token = this.#redirect() ?? this.#operator() ?? this.#words.read();
      if (token.kind === "operator") {
        if (token.text === "(") open++;
        if (token.text === ")") open = Math.max(0, open - 1);
        if (token.text === "\n") this.#bodies();
      }
      const opensTest = token.kind === "word" && !token.isQuoted &&
        token.text === "[[" && startsCommand(tokens);
      tokens.push(token);
      if (opensTest) this.#skipTest();
    }
    this.#bodies();
    return tokens;
  }

  #skipBlanks(): void {
    const source = this.#source;
    for (;;) {
      const { char } = source;
      if (char === " " || char === "\t" || char === "\r") source.at++;
      else if (source.sees("\\\n")) source.at += 2;
      else if (char === "#") {
        const end = source.text.indexOf("\n", source.at);
        source.at = end < 0 ? source.text.length : end;
      } else return;
    }
  }

  #operator(): Operator | undefined {
    const text = OPERATORS.find((operator) => this.#source.sees(operator));
    if (text === undefined) return undefined;
    this.#source.at += text.length;
    return { kind: "operator", text };
  }

  #redirect(): Redirect | undefined {
    const source = this.#source;
    const start = source.at;
    // A descriptor belongs to the redirection only if it touches it.
    while (isDigit(source.char)) source.at++;
    const text = REDIRECTS.find((redirect) => source.sees(redirect));
    if (text === undefined || (start === source.at && this.#seesProcess())) {
      source.at = start;
      return undefined;
    }
    const descriptor = source.text.slice(start, source.at);
    source.at += text.length;
    this.#skipBlanks();
    const { char } = source;
    if (char === "" || (WORD_ENDS.has(char) && !this.#seesProcess())) {
      return { kind: "redirect", text, descriptor };
    }
    const target = this.#words.read();
    const redirect: Redirect = { kind: "redirect", text, descriptor, target };
    if (text === "<<" || text === "<<-") this.#pending.push(redirect);
    return redirect;
  }

  #seesProcess(): boolean {
    return this.#source.sees("<(") || this.#source.sees(">(");
  }

  /** Reads the here-documents after a line's end. */
  #bodies(): void {
    for (const redirect of this.#pending) redirect.body = this.#body(redirect);
    this.#pending = [];
  }

  #body(redirect: Redirect): string {
    const source = this.#source;
    const delimiter = redirect.target?.text ?? "";
    const lines: string[] = [];
    while (source.hasMore) {
      const end = source.text.indexOf("\n", source.at);
      const stop = end < 0 ? source.text.length : end;
      let line = source.text.slice(source.at, stop);
      source.at = end < 0 ? stop : stop + 1;
      if (redirect.text === "<<-") line = line.replace(/^\t+/, "");
      if (line.replace(/\r$/, "") === delimiter) break;
      lines.push(line);
    }
    return lines.join("\n");
  }

  /** Skips a test to its `]]`, because `<` and `>` compare in it. */
  #skipTest(): void {
    const source = this.#source;
    while (source.hasMore && !source.sees("]]")) {
      if (source.char === "'" || source.char === '"') this.#words.skipQuoted();
      else source.at += source.char === "\\" ? 2 : 1;
    }
    source.at += 2;
  }
}

function startsCommand(tokens: readonly Token[]): boolean {
  const last = tokens.at(-1);
  if (last === undefined) return true;
  if (last.kind === "operator") return last.text !== ")";
  return last.kind === "word" && !last.isQuoted &&
    RESERVED_BEFORE_COMMAND.has(last.text);
}

function isDigit(char: string): boolean {
  return char >= "0" && char <= "9";
}
