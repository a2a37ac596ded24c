/**
 * Edits a JSON text with comments, and keeps all other bytes.
 *
 * `jsonc-parser` reads it, because it accepts comments and trailing commas and
 * reports positions. `sequence.ts` makes the edits. New text has the line ends and
 * the indentation of the old one.
 *
 * @module
 */

import {
  type Node,
  type ParseError,
  parseTree,
  printParseErrorCode,
  visit,
} from "jsonc-parser";
import { ConfigError, type ConfigFile, positionOf } from "./config.ts";
import {
  applyEdits,
  type Edit,
  insertItems,
  type Sequence,
  type Span,
} from "./sequence.ts";

/** A JSON value. */
export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [key: string]: Json };

/** A JSON object or array, with the positions that an edit needs. */
export interface JsonContainer extends Sequence {
  /** Position in the text, with the brackets. */
  readonly span: Span;
  /** The keys of an object's items. */
  readonly keys: readonly string[];
  /** The values of the items. */
  readonly values: readonly Node[];
}

const BOM = "\ufeff";

/** A JSON text, parsed. */
export class JsonText {
  /** The text, without byte order mark. */
  readonly text: string;
  /** The root object. */
  readonly root: JsonContainer;
  readonly #file: Pick<ConfigFile, "path" | "format">;
  readonly #mark: string;
  readonly #commas: Span[] = [];
  readonly #comments: Span[] = [];

  /**
   * Parses a text.
   *
   * @param text The text.
   * @param file The file that it comes from.
   * @throws {ConfigError} If it is not JSON, or its root is not an object.
   */
  constructor(text: string, file: Pick<ConfigFile, "path" | "format">) {
    this.#file = file;
    this.#mark = text.startsWith(BOM) ? BOM : "";
    this.text = text.slice(this.#mark.length);
    const errors: ParseError[] = [];
    const node = parseTree(this.text, errors, { allowTrailingComma: true });
    const [error] = errors;
    if (error !== undefined || node === undefined) {
      const code = error === undefined
        ? "ValueExpected"
        : printParseErrorCode(error.error);
      this.fail(`not valid JSON (${code})`, error?.offset ?? 0);
    }
    this.#scan();
    if (node.type !== "object") this.fail("not a JSON object", node.offset);
    this.root = this.container(node);
  }

  /** Applies edits. */
  edited(edits: readonly Edit[]): string {
    return this.#mark + applyEdits(this.text, edits);
  }

  /**
   * Throws the error of a text that cannot be edited.
   *
   * @param trouble The fault.
   * @param offset Position of the fault.
   */
  fail(trouble: string, offset: number): never {
    throw new ConfigError(
      this.#file,
      trouble,
      "Correct the file, then try again.",
      positionOf(this.text, offset),
    );
  }

  /**
   * Returns an object or array with its positions.
   *
   * @param node The node.
   * @returns The container.
   */
  container(node: Node): JsonContainer {
    const children = node.children ?? [];
    const items = children.map(spanOf);
    const span = spanOf(node);
    const isOwn = (piece: Span): boolean =>
      piece.start > span.start && piece.end < span.end &&
      !items.some((item) => piece.start >= item.start && piece.end <= item.end);
    const isObject = node.type === "object";
    return {
      span,
      open: span.start + 1,
      items,
      commas: this.#commas.filter(isOwn),
      comments: this.#comments.filter(isOwn),
      keys: isObject ? children.map((child) => keyOf(child)) : [],
      values: isObject
        ? children.map((child) => child.children?.[1] ?? child)
        : children,
    };
  }

  /**
   * Finds an object's member.
   *
   * @param container The object.
   * @param key The member's key.
   * @param type The type that its value must have.
   * @returns The value, `undefined` if there is none.
   * @throws {ConfigError} If it has another type or occurs twice.
   */
  member(
    container: JsonContainer,
    key: string,
    type: "object" | "array",
  ): Node | undefined {
    const index = container.keys.indexOf(key);
    if (index < 0) return undefined;
    const node = container.values[index];
    if (container.keys.lastIndexOf(key) !== index) {
      this.fail(`"${key}" occurs twice`, container.items[index].start);
    }
    if (node.type !== type) {
      this.fail(`"${key}" is not an ${type}`, node.offset);
    }
    return node;
  }

  /**
   * Inserts members into an object, or elements into an array.
   *
   * @param container The object or array.
   * @param items The members as pairs, or the elements.
   * @returns The edits.
   */
  insertion(
    container: JsonContainer,
    items: readonly (readonly [string, Json] | { readonly element: Json })[],
  ): Edit[] {
    const { gap, indent } = this.#gapOf(container);
    const texts = items.map((item) =>
      "element" in item
        ? this.#written(item.element, gap, indent)
        : `${JSON.stringify(item[0])}: ${this.#written(item[1], gap, indent)}`
    );
    return insertItems(this.text, container, texts, gap);
  }

  #scan(): void {
    visit(this.text, {
      onComment: (start, length) => {
        this.#comments.push({ start, end: start + length });
      },
      onSeparator: (character, start, length) => {
        if (character !== ",") return;
        this.#commas.push({ start, end: start + length });
      },
    }, { allowTrailingComma: true });
  }

  /** Returns the text between items, and their indentation. */
  #gapOf(container: JsonContainer): { gap: string; indent: string } {
    const eol = this.text.includes("\r\n") ? "\r\n" : "\n";
    const last = container.items.at(-1);
    if (last === undefined) {
      if (!this.text.includes("\n")) return { gap: " ", indent: "" };
      const indent = lineIndent(this.text, container.span.start) + this.#unit();
      return { gap: eol + indent, indent };
    }
    const start = this.text.lastIndexOf("\n", last.start - 1) + 1;
    const indent = this.text.slice(start, last.start);
    const isOwnLine = start > container.span.start && /^[ \t]*$/.test(indent);
    return isOwnLine ? { gap: eol + indent, indent } : { gap: " ", indent: "" };
  }

  /** Returns one step of indentation: that of the first indented line. */
  #unit(): string {
    return /\n([ \t]+)["[{]/.exec(this.text)?.[1] ?? "  ";
  }

  #written(value: Json, gap: string, indent: string): string {
    if (gap === " ") return writeLine(value);
    const eol = gap.slice(0, gap.length - indent.length);
    return JSON.stringify(value, null, this.#unit())
      .replaceAll("\n", eol + indent);
  }
}

/**
 * Writes a value on one line, with blanks inside brackets.
 *
 * @param value The value.
 * @returns The text.
 */
function writeLine(value: Json): string {
  if (Array.isArray(value)) {
    return value.length === 0 ? "[]" : `[ ${value.map(writeLine).join(", ")} ]`;
  }
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const members = Object.entries(value as { readonly [key: string]: Json })
    .map(([key, member]) => `${JSON.stringify(key)}: ${writeLine(member)}`);
  return members.length === 0 ? "{}" : `{ ${members.join(", ")} }`;
}

function spanOf(node: Node): Span {
  return { start: node.offset, end: node.offset + node.length };
}

function keyOf(property: Node): string {
  return String(property.children?.[0].value ?? "");
}

function lineIndent(text: string, offset: number): string {
  const start = text.lastIndexOf("\n", offset - 1) + 1;
  return /^[ \t]*/.exec(text.slice(start, offset))?.[0] ?? "";
}
