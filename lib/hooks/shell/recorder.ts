/**
 * What a program's reader tells: which files a command writes.
 *
 * The seam between `shell.ts`, which knows where a command runs and keeps the
 * writes, and the programs, which know what their arguments mean.
 *
 * @module
 */

import type { Word } from "./word.ts";

/** Whose text a script is: that of sh and its like, or PowerShell's. */
export type ShellSyntax = "posix" | "powershell";

/** What a command gets on its input. */
export interface Input {
  /** Its text; undefined if that is not known. */
  text(): string | undefined;
  /** The file that it comes from, if it is one. */
  readonly file?: Word;
}

/** Takes down what a command writes. */
export interface Recorder {
  /** Writes this file. */
  file(word: Word): void;
  /** Shows what is in this file. */
  reads(word: Word): void;
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
  /** Whether this folder has all of the working tree in it. */
  isWholeTree(word: Word): boolean;
  /** Whether git takes this for a revision; undefined if it cannot be told. */
  isRevision(word: Word): boolean | undefined;
  /** Whether `git switch` would make this branch from a remote's. */
  isRemoteBranch(word: Word): boolean;
  /** The text of this file; undefined if it is none, too large or not known. */
  textOf(word: Word): string | undefined;
  /** Makes this folder: what is put onto it afterwards goes into it. */
  makes(folder: Word): void;
  /** Writes these paths, relative to the command's folder. */
  paths(paths: readonly string[]): void;
  /** Writes something that cannot be told. */
  lost(): void;
  /** Runs a command of git that may write any file of its working tree. */
  tree(command: string): void;
  /** Runs another command, on this input. */
  command(words: readonly Word[], input?: Input): void;
  /** Runs the text of a word, or of a here-document, as a script. */
  script(source: Word | string | undefined, syntax?: ShellSyntax): void;
  /** The same, with another working folder. */
  within(folder: Word): Recorder;
  /** The same at the root of the working tree. */
  atTop(): Recorder;
}

/** A program: its arguments, the recorder, and its input. */
export type Program = (
  words: readonly Word[],
  recorder: Recorder,
  input: Input,
) => void;
