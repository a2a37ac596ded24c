/**
 * One word of a shell command, and the tokens of a command line.
 *
 * Reads a word with its quoting and expansions: single, double, `$'…'` and
 * backslash quoting, `$name`, `${…}`, `$((…))`, `~/`. A word whose value depends
 * on more than `$HOME` is unknown. {@linkcode ReadCommands} reads the commands
 * within a word: `$(…)`, backquotes, `<(…)`.
 *
 * @module
 */

/** A word of a command. */
export interface Word {
  /** The kind of token. */
  readonly kind: "word";
  /** The known part of its value, without quotes. */
  readonly text: string;
  /** Whether the value is known: it has no expansion. */
  readonly isKnown: boolean;
  /** Whether it has unquoted `*`, `?`, `[…]` or `{…}`. */
  readonly isGlob: boolean;
  /** The glob, with a backslash before each literal special character. */
  readonly pattern?: string;
  /** Whether a part of it was quoted; then it is not a reserved word. */
  readonly isQuoted: boolean;
  /** Whether it is `<(…)` or `>(…)`, which is not a file. */
  readonly isProcess: boolean;
  /** Commands within it. */
  readonly nested: readonly (readonly Token[])[];
}

/** Makes a word of known text. */
export function plainWord(text: string): Word {
  return {
    kind: "word",
    text,
    isKnown: true,
    isGlob: false,
    isQuoted: false,
    isProcess: false,
    nested: [],
  };
}

/** A token between commands: `;`, `&`, `&&`, `|`, `(`, `)`, newline, … */
export interface Operator {
  /** The kind of token. */
  readonly kind: "operator";
  /** The operator's text. */
  readonly text: string;
}

/** A redirection. */
export interface Redirect {
  /** The kind of token. */
  readonly kind: "redirect";
  /** The number of the descriptor before it, or empty. */
  readonly descriptor: string;
  /** `>`, `>>`, `>|`, `&>`, `<`, `<<`, `<>`, `>&`, … without descriptor. */
  readonly text: string;
  /** Its source or target; for a here-document, the delimiter. */
  readonly target?: Word;
  /** A here-document's body. */
  body?: string;
}

/** A token of a command line. */
export type Token = Word | Operator | Redirect;

/** A text and a reading position. */
export class Source {
  /** The text. */
  readonly text: string;
  /** The reading position. */
  at = 0;

  /** Starts at the text's beginning. */
  constructor(text: string) {
    this.text = text;
  }

  /** Whether text is left. */
  get hasMore(): boolean {
    return this.at < this.text.length;
  }

  /** The next character, empty at the end. */
  get char(): string {
    return this.text[this.at] ?? "";
  }

  /** Whether `text` comes next. */
  sees(text: string): boolean {
    return this.text.startsWith(text, this.at);
  }

  /** Moves behind the `))` of arithmetic. */
  skipArithmetic(): void {
    let open = 2;
    while (this.hasMore && open > 0) {
      const char = this.text[this.at++];
      if (char === "(") open++;
      else if (char === ")") open--;
    }
  }
}

/** Reads the commands within a word. */
export interface ReadCommands {
  /** Reads to the closing `)`, and over it. */
  inParentheses(): readonly Token[];
  /** Reads the text of a pair of backquotes. */
  inBackquotes(text: string): readonly Token[];
}

/** Characters that end an unquoted word. */
export const WORD_ENDS: ReadonlySet<string> = new Set(" \t\n;|&()<>");

const ESCAPES: Readonly<Record<string, string>> = {
  n: "\n",
  t: "\t",
  r: "\r",
  "\\": "\\",
  "'": "'",
  '"': '"',
};

const QUOTED = /[*?[\]{},\\]/;

/** A word while it is read. */
class WordParts {
  text = "";
  #pattern = "";
  isKnown = true;
  isGlob = false;
  isQuoted = false;
  isProcess = false;
  readonly nested: (readonly Token[])[] = [];

  /** Adds text in which every character is literal. */
  addQuoted(text: string): void {
    this.text += text;
    this.#pattern += QUOTED.test(text)
      ? text.replace(/[*?[\]{},\\]/g, "\\$&")
      : text;
  }

  /** Adds an unquoted character. */
  addPlain(char: string): void {
    if ("*?[{".includes(char)) this.isGlob = true;
    this.text += char;
    this.#pattern += char;
  }

  finish(): Word {
    return {
      kind: "word",
      text: this.text,
      ...(this.isGlob ? { pattern: this.#pattern } : {}),
      isKnown: this.isKnown,
      isGlob: this.isGlob,
      isQuoted: this.isQuoted,
      isProcess: this.isProcess,
      nested: this.nested,
    };
  }
}

/** Reads words from a source. */
export class WordReader {
  readonly #source: Source;
  readonly #commands: ReadCommands;
  readonly #home: string | undefined;

  /**
   * Reads from a source.
   *
   * @param source The source.
   * @param commands Reads the commands within words.
   * @param home The home directory, for `~/` and `$HOME`.
   */
  constructor(source: Source, commands: ReadCommands, home?: string) {
    this.#source = source;
    this.#commands = commands;
    this.#home = home;
  }

  /** Reads the word at the reading position. */
  read(): Word {
    const word = new WordParts();
    const start = this.#source.at;
    while (this.#source.hasMore) {
      const char = this.#source.char;
      const isSubstitution = this.#source.at === start &&
        (this.#source.sees("<(") || this.#source.sees(">("));
      if (isSubstitution) {
        word.isProcess = true;
        this.#source.at += 2;
        this.#readNested(word);
      } else if (WORD_ENDS.has(char)) {
        break;
      } else {
        this.#readPart(word, char, this.#source.at === start);
      }
    }
    // No word starts here: skip the character, to avoid an endless loop.
    if (this.#source.at === start) this.#source.at++;
    return word.finish();
  }

  #readPart(word: WordParts, char: string, isFirst: boolean): void {
    if (char === "'") {
      word.isQuoted = true;
      const end = this.#source.text.indexOf("'", this.#source.at + 1);
      const stop = end < 0 ? this.#source.text.length : end;
      word.addQuoted(this.#source.text.slice(this.#source.at + 1, stop));
      this.#source.at = stop + 1;
    } else if (char === '"') {
      word.isQuoted = true;
      this.#source.at++;
      this.#readQuoted(word);
    } else if (char === "\\") {
      if (!this.#source.sees("\\\n")) {
        word.isQuoted = true;
        word.addQuoted(this.#source.text[this.#source.at + 1] ?? "");
      }
      this.#source.at += 2;
    } else if (char === "$" || char === "`") {
      this.#readExpansion(word, false);
    } else if (isFirst && char === "~") {
      this.#readTilde(word);
    } else {
      word.addPlain(char);
      this.#source.at++;
    }
  }

  #readQuoted(word: WordParts): void {
    while (this.#source.hasMore) {
      const char = this.#source.char;
      if (char === '"') {
        this.#source.at++;
        return;
      }
      if (char === "\\") {
        const next = this.#source.text[this.#source.at + 1] ?? "";
        if (next !== "\n") {
          word.addQuoted('"\\$`'.includes(next) ? next : `\\${next}`);
        }
        this.#source.at += 2;
      } else if (char === "$" || char === "`") {
        this.#readExpansion(word, true);
      } else {
        word.addQuoted(char);
        this.#source.at++;
      }
    }
  }

  #readTilde(word: WordParts): void {
    this.#source.at++;
    const next = this.#source.char;
    if (next !== "" && next !== "/" && !WORD_ENDS.has(next)) {
      word.isKnown = false;
    } else this.#addHome(word);
  }

  #addHome(word: WordParts): void {
    if (this.#home === undefined) word.isKnown = false;
    else word.addQuoted(this.#home);
  }

  #readExpansion(word: WordParts, isQuoted: boolean): void {
    if (this.#source.sees("`")) return this.#readBackquotes(word);
    if (this.#source.sees("$((")) {
      word.isKnown = false;
      this.#source.at += 3;
      this.#source.skipArithmetic();
    } else if (this.#source.sees("$(")) {
      word.isKnown = false;
      this.#source.at += 2;
      this.#readNested(word);
    } else if (this.#source.sees("${")) {
      this.#readParameter(word);
    } else if (this.#source.sees("$'") && !isQuoted) {
      this.#source.at += 2;
      this.#readAnsiQuoted(word);
    } else if (this.#source.sees('$"') && !isQuoted) {
      this.#source.at++;
    } else {
      this.#readVariable(word);
    }
  }

  #readVariable(word: WordParts): void {
    this.#source.at++;
    const start = this.#source.at;
    while (isNameChar(this.#source.char)) this.#source.at++;
    const name = this.#source.text.slice(start, this.#source.at);
    if (name === "HOME") return this.#addHome(word);
    const char = this.#source.char;
    if (name === "" && (char === "" || !"?!#@*$-".includes(char))) {
      // A dollar without a name is literal.
      word.addQuoted("$");
      return;
    }
    if (name === "") this.#source.at++;
    word.isKnown = false;
  }

  #readParameter(word: WordParts): void {
    if (this.#source.sees("${HOME}")) {
      this.#source.at += "${HOME}".length;
      return this.#addHome(word);
    }
    word.isKnown = false;
    this.#source.at += 2;
    let open = 1;
    while (this.#source.hasMore && open > 0) {
      const char = this.#source.char;
      if (char === "\\") this.#source.at++;
      else if (char === "{") open++;
      else if (char === "}") open--;
      this.#source.at++;
    }
  }

  #readAnsiQuoted(word: WordParts): void {
    word.isQuoted = true;
    while (this.#source.hasMore) {
      const char = this.#source.text[this.#source.at++];
      if (char === "'") return;
      if (char !== "\\") {
        word.addQuoted(char);
        continue;
      }
      const next = this.#source.text[this.#source.at++] ?? "";
      const value = ESCAPES[next];
      // Numeric escapes are rare in paths, so such a word is unknown.
      if (value === undefined) word.isKnown = false;
      else word.addQuoted(value);
    }
  }

  #readBackquotes(word: WordParts): void {
    word.isKnown = false;
    this.#source.at++;
    let inner = "";
    while (this.#source.hasMore && !this.#source.sees("`")) {
      const isEscape = this.#source.sees("\\`") || this.#source.sees("\\\\") ||
        this.#source.sees("\\$");
      if (isEscape) this.#source.at++;
      inner += this.#source.text[this.#source.at++] ?? "";
    }
    this.#source.at++;
    word.nested.push(this.#commands.inBackquotes(inner));
  }

  #readNested(word: WordParts): void {
    word.isKnown = false;
    word.nested.push(this.#commands.inParentheses());
  }

  /** Skips a quoted text. */
  skipQuoted(): void {
    this.#readPart(new WordParts(), this.#source.char, false);
  }
}

function isNameChar(char: string): boolean {
  return /^\w$/.test(char);
}
