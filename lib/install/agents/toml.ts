/**
 * Splits a TOML text into statements and edits it, and keeps all other bytes.
 *
 * `smol-toml` validates the text before and after each edit, but reports no
 * positions. So the valid text is split here: headers, pairs, comments, blank
 * lines, with their full key paths, and the items of an array.
 *
 * @module
 */

import { parse, TomlError } from "smol-toml";
import { ConfigError, type ConfigFile, positionOf } from "./config.ts";
import { applyEdits, type Edit, type Sequence, type Span } from "./sequence.ts";

/** A statement of a TOML text. */
export interface TomlStatement extends Span {
  /** The kind of statement. */
  readonly kind: "blank" | "comment" | "table" | "array-table" | "pair";
  /** The full path of a header, or of a pair with its table's. */
  readonly path: readonly string[];
  /** Position of a pair's value. */
  readonly value?: Span;
}

const BOM = "\ufeff";

/** A TOML text, parsed. */
export class TomlText {
  /** The text, without byte order mark. */
  readonly text: string;
  /** The statements; their ranges cover the text. */
  readonly statements: readonly TomlStatement[];
  /** The line end. */
  readonly eol: "\n" | "\r\n";
  readonly #file: Pick<ConfigFile, "path" | "format">;
  readonly #mark: string;

  /**
   * Parses a text.
   *
   * @param text The text.
   * @param file The file that it comes from.
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
   * Applies edits.
   *
   * @param edits The edits.
   * @returns The new text.
   */
  edited(edits: readonly Edit[]): string {
    return this.#mark + applyEdits(this.text, edits);
  }

  /**
   * Appends text behind a line end. It ends the last line, or makes an empty line.
   * Removing one line end before the text is the inverse.
   *
   * @param added The text to append.
   * @returns The new text.
   */
  appended(added: string): string {
    return this.#mark + this.text + this.eol + added;
  }

  /**
   * Makes the edit that removes lines, with the line end before them.
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
   * Returns the items of an array that is a pair's value.
   *
   * @param value Position of the value.
   * @returns The items, `undefined` if the value is not an array.
   */
  array(value: Span): Sequence | undefined {
    return this.text[value.start] === "["
      ? new Cursor(this.text, value.start).array()
      : undefined;
  }

  /**
   * Returns the text between items of an array: a line end and indentation if the
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

  /** Returns the text of a range. */
  slice(span: Span): string {
    return this.text.slice(span.start, span.end);
  }

  /**
   * Throws the error of a text that cannot be edited.
   *
   * @param trouble The fault.
   * @param advice The remedy.
   * @param offset Position of the fault.
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
 * Parses a single value.
 *
 * @param text The text of a TOML value.
 * @returns The value, `undefined` if the text is not one.
 */
export function tomlValue(text: string): unknown {
  try {
    return parse(`value = ${text}`).value;
  } catch {
    return undefined;
  }
}

/**
 * Writes a string on one line: literal if possible, otherwise with escapes.
 *
 * @param text The string.
 * @returns The string in quotes.
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

/** Walks through a text that is known to be valid TOML. */
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

  /** Reads a dotted key, bare or quoted. */
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

  /** Skips a value; `[` and `{` with their content. */
  #value(): Span {
    const start = this.#at;
    const char = this.#text[start];
    if (char === '"' || char === "'") this.#string();
    else if (char === "[") this.array();
    else if (char === "{") this.#inlineTable();
    else {
      while (!/^[,\]}#\r\n]?$/.test(this.#text[this.#at] ?? "")) this.#at++;
      // Blanks behind a number or date do not belong to it.
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
    // The string may end with up to two quotes before the closing three.
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
