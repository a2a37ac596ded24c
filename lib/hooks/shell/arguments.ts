/**
 * Splits a program's arguments into options and operands.
 *
 * Follows the common rules: `--` ends the options, short options may be combined
 * (`-pi`), an option's value is attached or the next argument, long options take
 * `=value`. The caller says which options have a value. Options may follow
 * operands, as in GNU programs.
 *
 * @module
 */

import type { Word } from "./word.ts";

/** The options of a program that have a value. */
export interface OptionsTaken {
  /** Short options with a value, attached or next. */
  readonly short?: string;
  /** Short options with an optional attached value: `-i.bak`. */
  readonly attached?: string;
  /** Long options with a value, without dashes. */
  readonly long?: readonly string[];
}

/** Arguments split into options and operands. */
export class Arguments {
  /** Arguments that are not options, in order. */
  readonly operands: readonly Word[];
  readonly #options = new Map<string, Word | undefined>();

  /**
   * Splits arguments.
   *
   * @param words The arguments, without the program's name.
   * @param taken The options that have a value.
   */
  constructor(words: readonly Word[], taken: OptionsTaken = {}) {
    const operands: Word[] = [];
    let isOver = false;
    for (let at = 0; at < words.length; at++) {
      const word = words[at];
      if (isOver || !isOption(word)) operands.push(word);
      else if (word.text === "--") isOver = true;
      else if (this.#read(word, words[at + 1], taken)) at++;
    }
    this.operands = operands;
  }

  /** The names of the given options. */
  get names(): Iterable<string> {
    return this.#options.keys();
  }

  /** Whether one of the options is given. */
  has(...names: readonly string[]): boolean {
    return names.some((name) => this.#options.has(name));
  }

  /** Returns the value of the first of the options that has one. */
  value(...names: readonly string[]): Word | undefined {
    for (const name of names) {
      const value = this.#options.get(name);
      if (value !== undefined) return value;
    }
  }

  /** Keeps one argument's options; returns whether the next one is a value. */
  #read(word: Word, next: Word | undefined, taken: OptionsTaken): boolean {
    if (word.text.startsWith("--")) {
      const [name, ...rest] = word.text.slice(2).split("=");
      if (rest.length > 0) {
        this.#options.set(name, { ...word, text: rest.join("=") });
        return false;
      }
      const hasValue = taken.long?.includes(name) ?? false;
      this.#options.set(name, hasValue ? next : undefined);
      return hasValue;
    }
    for (let at = 1; at < word.text.length; at++) {
      const name = word.text[at];
      const rest = word.text.slice(at + 1);
      if (taken.attached?.includes(name)) {
        this.#options.set(name, { ...word, text: rest });
        return false;
      }
      if (taken.short?.includes(name)) {
        const isNext = rest === "";
        this.#options.set(name, isNext ? next : { ...word, text: rest });
        return isNext;
      }
      this.#options.set(name, undefined);
    }
    return false;
  }
}

/**
 * Whether an argument is an option.
 *
 * @param word The argument.
 * @returns Whether it starts with a dash and is longer than one.
 */
export function isOption(word: Word): boolean {
  return word.text.length > 1 && word.text.startsWith("-");
}

/**
 * Skips the options of a program that runs another.
 *
 * @param words The arguments.
 * @param short Its short options that have a value.
 * @returns The other program and its arguments.
 */
export function afterOptions(
  words: readonly Word[],
  short: string,
): readonly Word[] {
  let at = 0;
  while (at < words.length && isOption(words[at])) {
    const { text } = words[at++];
    if (text === "--") break;
    if (text.length === 2 && short.includes(text[1])) at++;
  }
  return words.slice(at);
}
