/**
 * What a program's reader tells: which files a command writes.
 *
 * The seam between `shell.ts`, which knows where a command runs and keeps the
 * writes, and the programs, which know what their arguments mean.
 *
 * @module
 */

import type { Word } from "./shell_word.ts";

/** Takes down what a command writes. */
export interface Recorder {
  /** Writes this file. */
  file(word: Word): void;
  /** Writes a file of the source's name in this folder. */
  into(folder: Word, source: Word): void;
  /** Writes this file, or one of the source's name if it is a folder. */
  onto(target: Word, source: Word): void;
  /** Whether this is a folder, as its text says or as it is on disk. */
  isFolder(word: Word): boolean;
  /** Whether anything is at this path; a link counts. */
  isThere(word: Word): boolean;
  /** Whether a link is at this path. */
  isLink(word: Word): boolean;
  /** Makes this folder: what is put onto it afterwards goes into it. */
  makes(folder: Word): void;
  /** Writes these paths, relative to the command's folder. */
  paths(paths: readonly string[]): void;
  /** Writes something, nobody knows where. */
  lost(): void;
  /** Runs another command. */
  command(words: readonly Word[]): void;
  /** Runs the text of a word, or of a here-document, as a script. */
  script(source: Word | string | undefined): void;
  /** The same, with another working folder. */
  within(folder: Word): Recorder;
}

/** A program: its arguments, the recorder, and its input if that is known. */
export type Program = (
  words: readonly Word[],
  recorder: Recorder,
  input?: string,
) => void;
