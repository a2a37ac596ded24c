/**
 * Records the files that a command writes.
 *
 * The seam between `shell.ts`, which knows a command's folder and keeps the
 * writes, and the programs, which know the meaning of their arguments.
 *
 * @module
 */

import type { Word } from "./word.ts";

/** Syntax of a script: that of POSIX shells, or PowerShell's. */
export type ShellSyntax = "posix" | "powershell";

/** Input of a command. */
export interface Input {
  /** The text; undefined if unknown. */
  text(): string | undefined;
  /** The file that the input comes from, if it is one. */
  readonly file?: Word;
}

/** Records the effects of a command. */
export interface Recorder {
  /** Records a write of this file. */
  file(word: Word): void;
  /** Records that this file's content is shown. */
  reads(word: Word): void;
  /** Records a write of a file with the source's name in this folder. */
  into(folder: Word, source: Word): void;
  /** Records a write of this file, or of one with the source's name in it. */
  onto(target: Word, source: Word): void;
  /** Whether this is a folder, by its text or on disk. */
  isFolder(word: Word): boolean;
  /** Whether this path exists; a link counts. */
  isThere(word: Word): boolean;
  /** Whether this path is a link. */
  isLink(word: Word): boolean;
  /** Whether this folder contains the whole worktree. */
  isWholeTree(word: Word): boolean;
  /** Whether git takes this for a revision; undefined if unknown. */
  isRevision(word: Word): boolean | undefined;
  /** Whether `git switch` would make this branch from a remote branch. */
  isRemoteBranch(word: Word): boolean;
  /** The text of this file; undefined if missing, too large or unknown. */
  textOf(word: Word): string | undefined;
  /** Records a new folder: later writes onto it go into it. */
  makes(folder: Word): void;
  /** Records writes of these paths, relative to the command's folder. */
  paths(paths: readonly string[]): void;
  /** Records a write of unknown path. */
  lost(): void;
  /** Records a git command that may write any file of its worktree. */
  tree(command: string): void;
  /** Reads another command, with this input. */
  command(words: readonly Word[], input?: Input): void;
  /** Reads the text of a word, or of a here-document, as a script. */
  script(source: Word | string | undefined, syntax?: ShellSyntax): void;
  /** Returns a recorder with another working folder. */
  within(folder: Word): Recorder;
  /** Returns a recorder at the root of the worktree. */
  atTop(): Recorder;
}

/** Reads a program's arguments and input, and tells the recorder. */
export type Program = (
  words: readonly Word[],
  recorder: Recorder,
  input: Input,
) => void;
