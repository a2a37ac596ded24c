/**
 * A TOML text, taken to statements and edited without touching anything else.
 *
 * Whether it is TOML at all is decided by `smol-toml`, before and after each
 * edit. Where things stand no library tells, so the text, known to be valid, is
 * taken to statements here: headers, pairs, comments, blank lines, with their
 * full key paths, and the items of an array.
 *
 * @module
 */

import { parse, TomlError } from "smol-toml";
import { ConfigError, type ConfigFile, positionOf } from "./config.ts";
import { applyEdits, type Edit, type Sequence, type Span } from "./sequence.ts";

/** A statement of a TOML text. */
export interface TomlStatement extends Span {
  /** What it is. */
  readonly kind: "blank" | "comment" | "table" | "array-table" | "pair";
  /** The full path: of a header, or of a pair with its table's. */
  readonly path: readonly string[];
  /** Where a pair's value stands. */
  readonly value?: Span;
}

const BOM = "\ufeff";

/** A TOML text, read. */
export class TomlText {
  /** The text, without byte order mark. */
  readonly text: string;
  /** Its statements; their spans cover the text. */
  readonly statements: readonly TomlStatement[];
  /** Its line end. */
  readonly eol: "\n" | "\r\n";
  readonly #file: Pick<ConfigFile, "path" | "format">;
  readonly #mark: string;

  /**
   * Reads a text.
   *
   * @param text The text.
   * @param file The file it is from.
   * @throws {ConfigError} If it is not TOML.
   */
  constructor(text: string, file: Pick<ConfigFile, "path" | "format">) {
    this.#file = file;
    this.#mark = text.startsWith(BOM) ? BOM : "";
    this.text = text.slice(this.#mark.length);
    this.eol = this.text.includes("\r\n") ? "\r\n" : "\n";
    try {
      parse(this.text);
    } catch (error) {
      if (!(error instanceof TomlError)) throw error;
      const what = error.message.split("\n")[0].replace(
        /^Invalid TOML document: /,
        "",
      );
      throw new ConfigError(
        file,
        `not valid TOML (${what})`,
        "Correct the file, then try again.",
        { line: error.line, column: error.column },
      );
    }
    this.statements = statementsOf(this.text);
  }

  /**
   * Makes edits.
   *
   * @param edits The edits.
   * @returns The new text.
   */
  edited(edits: readonly Edit[]): string {
    return this.#mark + applyEdits(this.text, edits);
  }

  /**
   * Adds text at the end, behind a line end: that of the last line if it has
   * none, else an empty line. Taking out one line end before it is the reverse.
   *
   * @param added The text to add.
   * @returns The new text.
   */
  appended(added: string): string {
    return this.#mark + this.text + this.eol + added;
  }

  /**
   * The edit that takes lines out, with the line end before them.
   *
   * @param span The lines.
   * @returns The edit.
   */
  removal(span: Span): Edit {
    let { start } = span;
    if (this.text[start - 1] === "\n") start--;
    if (this.text[start - 1] === "\r") start--;
    return { start, end: span.end, text: "" };
  }

  /**
   * The items of an array that is a pair's value.
   *
   * @param value Where the value stands.
   * @returns The items, `undefined` if the value is no array.
   */
  array(value: Span): Sequence | undefined {
    return this.text[value.start] === "["
      ? new Cursor(this.text, value.start).array()
      : undefined;
  }

  /**
   * What goes between items of an array: a line end and indentation, if its
   * last item has a line of its own.
   *
   * @param array The array.
   * @returns The blanks.
   */
  gapOf(array: Sequence): string {
    const offset = array.items.at(-1)?.start ?? array.open;
    const start = this.text.lastIndexOf("\n", offset - 1) + 1;
    const indent = this.text.slice(start, offset);
    return /^[ \t]+$/.test(indent) ? this.eol + indent : " ";
  }

  /** What stands in a span. */
  slice(span: Span): string {
    return this.text.slice(span.start, span.end);
  }

  /**
   * Refuses the text.
   *
   * @param trouble What stands in the way.
   * @param advice What to do.
   * @param offset Where.
   */
  fail(trouble: string, advice: string, offset: number): never {
    throw new ConfigError(
      this.#file,
      trouble,
      advice,
      positionOf(this.text, offset),
    );
  }
}

/**
 * Reads a value that stands by itself.
 *
 * @param text The text of a TOML value.
 * @returns What it is, `undefined` if it is not one.
 */
export function tomlValue(text: string): unknown {
  try {
    return parse(`value = ${text}`).value;
  } catch {
    return undefined;
  }
}

/**
 * Writes a string on one line: literal if it can be, else with escapes.
 *
 * @param text The string.
 * @returns It in quotes.
 */
export function tomlString(text: string): string {
  // deno-lint-ignore no-control-regex
  if (!/['\x00-\x1f\x7f]/.test(text)) return `'${text}'`;
  return JSON.stringify(text).replaceAll("\x7f", "\\u007F");
}

function statementsOf(text: string): TomlStatement[] {
  const statements: TomlStatement[] = [];
  const cursor = new Cursor(text, 0);
  let table: readonly string[] = [];
  while (!cursor.isAtEnd) {
    const statement = cursor.statement(table);
    statements.push(statement);
    if (statement.kind === "table" || statement.kind === "array-table") {
      table = statement.path;
    }
  }
  return statements;
}

/** Steps through a text that is known to be valid TOML. */
class Cursor {
  readonly #text: string;
  #at: number;

  constructor(text: string, at: number) {
    this.#text = text;
    this.#at = at;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#text.length;
  }

  statement(table: readonly string[]): TomlStatement {
    const start = this.#at;
    this.#skip(" \t");
    const char = this.#text[this.#at];
    if (char === undefined || char === "\n" || char === "\r") {
      return { kind: "blank", path: [], start, end: this.#lineEnd() };
    }
    if (char === "#") {
      return { kind: "comment", path: [], start, end: this.#lineEnd() };
    }
    if (char === "[") {
      const isArray = this.#text[this.#at + 1] === "[";
      this.#at += isArray ? 2 : 1;
      const path = this.#key();
      const kind = isArray ? "array-table" : "table";
      return { kind, path, start, end: this.#lineEnd() };
    }
    const path = [...table, ...this.#key()];
    this.#skip(" \t=");
    const value = this.#value();
    return { kind: "pair", path, start, end: this.#lineEnd(), value };
  }

  array(): Sequence {
    const items: Span[] = [];
    const commas: Span[] = [];
    const comments: Span[] = [];
    const open = ++this.#at;
    for (;;) {
      this.#skip(" \t\r\n");
      const start = this.#at;
      const char = this.#text[start];
      if (char === "]" || char === undefined) break;
      if (char === ",") commas.push({ start, end: ++this.#at });
      else if (char === "#") {
        const end = this.#text.indexOf("\n", start);
        const stop = end < 0 ? this.#text.length : end;
        this.#at = this.#text[stop - 1] === "\r" ? stop - 1 : stop;
        comments.push({ start, end: this.#at });
      } else items.push(this.#value());
    }
    this.#at++;
    return { open, items, commas, comments };
  }

  /** A dotted key, bare or quoted. */
  #key(): string[] {
    const path: string[] = [];
    for (;;) {
      this.#skip(" \t");
      const start = this.#at;
      const char = this.#text[start];
      if (char === '"' || char === "'") {
        this.#string();
        const quoted = this.#text.slice(start, this.#at);
        path.push(String(tomlValue(quoted)));
      } else {
        while (/^[\w-]$/.test(this.#text[this.#at] ?? "")) this.#at++;
        path.push(this.#text.slice(start, this.#at));
      }
      this.#skip(" \t");
      if (this.#text[this.#at] !== ".") return path;
      this.#at++;
    }
  }

  /** Steps over a value; `[` and `{` with all that is in them. */
  #value(): Span {
    const start = this.#at;
    const char = this.#text[start];
    if (char === '"' || char === "'") this.#string();
    else if (char === "[") this.array();
    else if (char === "{") this.#inlineTable();
    else {
      while (!/^[,\]}#\r\n]?$/.test(this.#text[this.#at] ?? "")) this.#at++;
      // Blanks behind a number or date are not its own.
      while (/^[ \t]$/.test(this.#text[this.#at - 1])) this.#at--;
    }
    return { start, end: this.#at };
  }

  #inlineTable(): void {
    this.#at++;
    for (;;) {
      this.#skip(" \t\r\n,");
      const char = this.#text[this.#at];
      if (char === "}" || char === undefined) break;
      if (char === "#") this.#lineEnd();
      else {
        this.#key();
        this.#skip(" \t\r\n=");
        this.#value();
      }
    }
    this.#at++;
  }

  #string(): void {
    const quote = this.#text[this.#at];
    const triple = quote.repeat(3);
    const isLong = this.#text.startsWith(triple, this.#at);
    const end = isLong ? triple : quote;
    this.#at += end.length;
    while (!this.isAtEnd && !this.#text.startsWith(end, this.#at)) {
      this.#at += quote === '"' && this.#text[this.#at] === "\\" ? 2 : 1;
    }
    this.#at += end.length;
    // Up to two quotes may stand before the closing three.
    while (isLong && this.#text[this.#at] === quote) this.#at++;
  }

  #skip(chars: string): void {
    while (!this.isAtEnd && chars.includes(this.#text[this.#at])) this.#at++;
  }

  #lineEnd(): number {
    const end = this.#text.indexOf("\n", this.#at);
    this.#at = end < 0 ? this.#text.length : end + 1;
    return this.#at;
  }
}
