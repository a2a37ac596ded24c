/**
 * Reads off the files that a shell command writes and shows.
 *
 * A model's shell call is one string. This reads the written paths from it, so
 * that they are checked like an edit's. It runs nothing, never throws, and takes
 * time linear in the text. It reads the file system where a name's meaning
 * depends on it: see `disk.ts`.
 *
 * | read | in |
 * | --- | --- |
 * | redirections; `cd`, pipes, `( … )`, `if`, loops, `$(…)`, backquotes | here, `words.ts` |
 * | braces and wildcards, expanded | `expand.ts` |
 * | `mv`, `cp`, `ln`, `install`, `rsync`, `scp` | `copies.ts` |
 * | `sed -i`, `perl -i`, `tee`, `rm`, `touch`, `truncate`, `dd of=`, `patch`, `apply_patch`; output options of `curl`, `wget`, `sort`, `tar` | `programs.ts` |
 * | programs that run others: `sudo`, `env`, `xargs`, `find -exec`, `timeout`, `bash -c`, `eval` | `programs.ts` |
 * | formatters and editors on named files; `npx`, `uv run` | `formatters.ts` |
 * | paths of `git` commands; those that may write any file | `git.ts` |
 * | `cat`, `head`, `tail`, `sed -n`, `rg`, `grep`, `awk` and similar: files shown | `readers.ts` |
 * | PowerShell | `powershell.ts` |
 *
 * `cd` is followed and assumed to succeed; in a subshell or pipeline it ends with
 * it. Words and redirections of zsh and fish are read, too.
 *
 * Not read: variables other than `$HOME`; effects inside programs and scripts
 * (builds, `make`, formatters of a folder); commands inside `${…}` and inside a
 * here-document's body; `cmd.exe`; aliases of shells and of git. A glob without a
 * match is returned as it is. `unknown` is set if a written path is unknown, and
 * for code of another language on the command line (`python -c`).
 *
 * A file is shown if the command's output is: not by `$(cat f)` or `cat f > g`.
 *
 * Bounds: 256 Ki characters, 10,000 writes, 32 reads, 8 nested scripts. Past a
 * bound of writing, `unknown` is set.
 *
 * @module
 */

import { isPath } from "../agents/payload.ts";
import {
  EMPTY_DISK,
  isAbsolutePath,
  placedIn,
  type ShellDisk,
  type ShellRepository,
} from "./disk.ts";
import { Expansion } from "./expand.ts";
import { cmdlet, lexPowerShell, LOCATION_NAMES } from "./powershell.ts";
import { PROGRAMS } from "./programs.ts";
import type { Input, Recorder, ShellSyntax } from "./recorder.ts";
import { lexShell, RESERVED_BEFORE_COMMAND } from "./words.ts";
import type { Redirect, Token, Word } from "./word.ts";

/** One file or folder that a command writes. */
export interface ShellWrite {
  /**
   * The path as in the command, without quotes; for a write into a folder, with
   * the source's name.
   */
  readonly path: string;
  /**
   * The folder of a relative path, if the command changed folder before; itself
   * relative to the shell's.
   */
  readonly base?: string;
  /** Whether the path is a glob. */
  readonly isGlob?: true;
}

/** One file that a command shows. */
export type ShellRead = Pick<ShellWrite, "path" | "base">;

/** A git command that may write any file of its worktree. */
export interface WholeTreeCommand {
  /** The command, without quotes: `git switch main`. */
  readonly command: string;
  /**
   * The folder that it runs in, relative to the shell's; absent for the shell's
   * own.
   */
  readonly folder?: string;
}

/** The effects of a command. */
export interface ShellWrites {
  /** The known writes, in order, each once. */
  readonly writes: readonly ShellWrite[];
  /** The files that are shown, in order, each once. */
  readonly reads: readonly ShellRead[];
  /** The git commands that may write any file of a worktree. */
  readonly wholeTree: readonly WholeTreeCommand[];
  /** Whether a written path is unknown. */
  readonly unknown: boolean;
  /** Whether a bound left out some of the writes, or the command's end. */
  readonly isCut?: boolean;
  /** Whether a process may go on when the command has ended. */
  readonly goesOn?: boolean;
}

/** Options for {@linkcode shellWrites}. */
export interface ShellWritesOptions {
  /**
   * The home directory, for `~/` and `$HOME`.
   *
   * @default {undefined} Both are unknown.
   */
  readonly home?: string;
  /**
   * The syntax of the command.
   *
   * @default {"posix"}
   */
  readonly syntax?: ShellSyntax;
  /**
   * The file system of the command, as seen from its folder.
   *
   * @default {EMPTY_DISK} An empty one.
   */
  readonly disk?: ShellDisk;
}

/** The folder that a command runs in, as given; undefined if unknown. */
interface Site {
  readonly folder?: string;
  readonly isKnown: boolean;
}

const CHARS_MAX = 262_144;
const WRITES_MAX = 10_000;
const SCRIPTS_MAX = 8;
const WHOLE_TREE_MAX = 100;
const COMMAND_CHARS_MAX = 200;
const WRITING = /^(&?>>?[|!]?|>\?|>&[|!]?|<>)$/;
const DEVICES = /^\/dev\/(null|zero|full|tty|stdout|stderr|stdin|fd\/\d+)$/;
const READS_MAX = 32;
const NO_INPUT: Input = Object.freeze({ text: () => undefined });
const START: Site = Object.freeze({ isKnown: true });
const NOWHERE: Site = Object.freeze({ isKnown: false });

/**
 * Reads the writes off a shell command.
 *
 * @example
 * ```ts
 * import { shellWrites } from "./shell.ts";
 * import assert from "node:assert/strict";
 *
 * const { writes } = shellWrites("cd src && sed -i s/a/b/ main.ts");
 * assert.deepEqual(writes, [{ path: "main.ts", base: "src" }]);
 * ```
 *
 * @param command The command, as the model gave it.
 * @param options The home directory, the syntax and the disk.
 * @returns The effects.
 */
export function shellWrites(
  command: string,
  options: ShellWritesOptions = {},
): ShellWrites {
  const reading = new Reading(options);
  if (command.length > CHARS_MAX) reading.cut();
  reading.script(command.slice(0, CHARS_MAX), START, options.syntax);
  return reading.result();
}

/** Programs that start a process which outlives them. */
const LEAVING: ReadonlySet<string> = new Set([
  ...["tmux", "screen", "at", "batch", "coproc", "daemonize", "setsid"],
  ...["systemd-run", "start-stop-daemon", "start-job", "start-process"],
]);

/** Reads one command, with all nested ones. */
class Reading {
  readonly #home: string | undefined;
  readonly #disk: ShellDisk;
  readonly #made = new Set<string>();
  readonly #writes = new Map<string, ShellWrite>();
  readonly #reads = new Map<string, ShellRead>();
  readonly #wholeTree: WholeTreeCommand[] = [];
  readonly #expansion: Expansion;
  #isLost = false;
  #isCut = false;
  #goesOn = false;
  #isSeen = true;
  #syntax: ShellSyntax = "posix";
  #depth = 0;

  constructor({ home, disk = EMPTY_DISK }: ShellWritesOptions) {
    this.#home = home;
    this.#disk = disk;
    this.#expansion = new Expansion(disk);
  }

  result(): ShellWrites {
    return {
      writes: [...this.#writes.values()],
      reads: [...this.#reads.values()],
      wholeTree: this.#wholeTree,
      unknown: this.#isLost,
      ...(this.#isCut ? { isCut: true } : {}),
      ...(this.#goesOn ? { goesOn: true } : {}),
    };
  }

  lose(): void {
    this.#isLost = true;
  }

  /** Records that a bound cut off part of the command. */
  cut(): void {
    this.#isCut = true;
    this.lose();
  }

  script(text: string, site: Site, syntax: ShellSyntax = "posix"): void {
    if (this.#depth >= SCRIPTS_MAX) return this.lose();
    this.#depth++;
    const outer = this.#syntax;
    this.#syntax = syntax;
    this.#list(this.#lexed(text), site);
    this.#syntax = outer;
    this.#depth--;
  }

  #lexed(text: string): readonly Token[] {
    if (this.#syntax === "powershell") return lexPowerShell(text, this.#home);
    const { tokens, isWhole } = lexShell(text, this.#home);
    if (!isWhole) this.lose();
    return tokens;
  }

  /** Reads a list of commands; each `cd` holds for the commands after it. */
  #list(tokens: readonly Token[], start: Site): void {
    const outer: Site[] = [];
    let site = start;
    let words: Word[] = [];
    let redirects: Redirect[] = [];
    let before = "";
    const end = (operator: string): void => {
      // PowerShell's call operator stands before its command.
      if (operator === "&" && words.length > 0) this.#goesOn = true;
      const after = this.#simple(words, redirects, site);
      const isApart = before.startsWith("|") && before !== "||" ||
        operator === "|" || operator === "|&" || operator === "&";
      if (!isApart) site = after;
      words = [];
      redirects = [];
      before = operator;
    };
    for (const token of tokens) {
      if (token.kind === "word") words.push(token);
      else if (token.kind === "redirect") redirects.push(token);
      else {
        end(token.text);
        if (token.text === "(") outer.push(site);
        if (token.text === ")") site = outer.pop() ?? site;
      }
    }
    end("");
  }

  /** Reads one command; returns the shell's folder after it. */
  #simple(
    words: readonly Word[],
    redirects: readonly Redirect[],
    site: Site,
  ): Site {
    for (const word of words) this.#nested(word, site);
    for (const redirect of redirects) this.#redirect(redirect, site);
    const start = words.findIndex((word) => !isBeforeCommand(word));
    if (start < 0) return site;
    const [name, ...args] = words.slice(start);
    if (name.isKnown && this.#changesFolder(name.text)) {
      return this.#enter(args, site);
    }
    if (name.isKnown && /^pop(d|-location)$/i.test(name.text)) return NOWHERE;
    if (!name.isKnown && args[0]?.text === "=") {
      this.#unseen(() => this.#simple(args.slice(1), redirects, site));
      return site;
    }
    const run = () =>
      this.#command([name, ...args], site, this.#input(redirects, site));
    if (redirects.some(takesOutput)) this.#unseen(run);
    else run();
    return site;
  }

  #changesFolder(name: string): boolean {
    if (name === "cd" || name === "pushd") return true;
    return this.#syntax === "powershell" &&
      LOCATION_NAMES.has(name.toLowerCase());
  }

  /** Reads the commands within a word, whose output is not shown. */
  #nested(word: Word, site: Site): void {
    for (const tokens of word.nested) {
      this.#unseen(() => this.#list(tokens, site));
    }
  }

  /** Reads commands whose output the model does not see. */
  #unseen(read: () => void): void {
    const isSeen = this.#isSeen;
    this.#isSeen = false;
    read();
    this.#isSeen = isSeen;
  }

  #redirect(redirect: Redirect, site: Site): void {
    const { target } = redirect;
    if (target === undefined) return;
    this.#nested(target, site);
    if (!WRITING.test(redirect.text)) return;
    if (redirect.text === ">&" && /^(\d+|-)$/.test(target.text)) return;
    this.#file(target, site);
  }

  #enter(args: readonly Word[], site: Site): Site {
    const folder = args.find((word) => !/^-[A-Za-z@-]+$/.test(word.text));
    if (folder === undefined) {
      return this.#home === undefined
        ? NOWHERE
        : { folder: this.#home, isKnown: true };
    }
    const [found, ...others] = this.#expansion.expand(folder, folderOf(site));
    const isOne = found?.isKnown && !found.isGlob && others.length === 0;
    if (!isOne || found.text === "-") return NOWHERE;
    const isWindows = this.#syntax === "powershell";
    return joined(
      site,
      isWindows ? found.text.replaceAll("\\", "/") : found.text,
    );
  }

  /** Returns a command's input. */
  #input(redirects: readonly Redirect[], site: Site): Input {
    const last = redirects.findLast(({ text }) => text.startsWith("<"));
    const target = last?.target;
    if (last === undefined || target === undefined) return NO_INPUT;
    if (last.body !== undefined) return { text: () => last.body };
    if (last.text === "<") {
      return { text: () => this.#textOf(target, site), file: target };
    }
    return last.text === "<<<" && target.isKnown
      ? { text: () => target.text }
      : NO_INPUT;
  }

  #command(
    words: readonly Word[],
    site: Site,
    input: Input = NO_INPUT,
  ): void {
    const start = words.findIndex((word) => !isBeforeCommand(word));
    const name = words[start];
    if (name === undefined || !name.isKnown) return;
    const isPowerShell = this.#syntax === "powershell";
    const own = cmdlet(name.text, isPowerShell);
    const called = /[^/\\]*$/.exec(name.text.replace(/\.exe$/i, ""))?.[0] ?? "";
    if (LEAVING.has(called.toLowerCase())) this.#goesOn = true;
    const program = own ?? PROGRAMS.get(called);
    if (program === undefined) return;
    if (this.#depth >= SCRIPTS_MAX) return this.lose();
    this.#depth++;
    const args = words.slice(start + 1).flatMap((word) =>
      this.#expansion.expand(word, folderOf(site))
    );
    const outer = this.#syntax;
    // PowerShell's commands are read as POSIX programs.
    this.#syntax = "posix";
    program(args, this.#recorder(site), input);
    this.#syntax = outer;
    this.#depth--;
  }

  #recorder(site: Site): Recorder {
    return {
      file: (word) => this.#file(word, site),
      reads: (word) => this.#read(word, site),
      into: (folder, source) => this.#into(folder, source, site),
      onto: (target, source) => this.#onto(target, source, site),
      isFolder: (word) => this.#isFolder(word, site),
      isThere: (word) => this.#asks("isThere", word, site),
      isLink: (word) => this.#asks("isLink", word, site),
      isWholeTree: (word) => {
        const path = this.#placed(word, site);
        const root = this.#repository(site)?.root;
        return path !== undefined && root !== undefined &&
          this.#disk.isAbove(path, root);
      },
      isRevision: (word) => {
        if (!word.isKnown) return undefined;
        if (word.isGlob && /[*?[]/.test(word.text)) return false;
        return this.#repository(site)?.isRevision(word.text);
      },
      isRemoteBranch: (word) =>
        word.isKnown &&
        (this.#repository(site)?.isRemoteBranch(word.text) ?? false),
      textOf: (word) => this.#textOf(word, site),
      makes: (folder) => {
        const path = this.#placed(folder, site);
        if (path !== undefined) this.#made.add(path);
      },
      paths: (paths) => {
        for (const path of paths) this.#add({ path }, site);
      },
      lost: () => this.lose(),
      tree: (command) => this.#tree(command, site),
      command: (words, input) => this.#command(words, site, input),
      script: (source, syntax) => {
        if (typeof source === "string") this.script(source, site, syntax);
        else if (source?.isKnown) this.script(source.text, site, syntax);
        else this.lose();
      },
      within: (folder) =>
        this.#recorder(
          folder?.isKnown && !folder.isGlob
            ? joined(site, folder.text)
            : NOWHERE,
        ),
      atTop: () => {
        const root = this.#repository(site)?.root;
        return this.#recorder(
          root === undefined ? NOWHERE : { folder: root, isKnown: true },
        );
      },
    };
  }

  #into(folder: Word, source: Word, site: Site): void {
    const name = nameOf(source);
    if (name === undefined || !folder.isKnown) return this.lose();
    const text = placedIn(folder.text, name);
    const isGlob = folder.isGlob || source.isGlob;
    this.#file({ ...folder, text, isGlob }, site);
  }

  #onto(target: Word, source: Word, site: Site): void {
    if (this.#isFolder(target, site)) this.#into(target, source, site);
    // A copied folder writes all below its target.
    else if (this.#isFolder(source, site)) {
      this.#file({ ...target, text: `${target.text}/` }, site);
    } else this.#file(target, site);
  }

  #isFolder(word: Word, site: Site): boolean {
    if (!word.isKnown) return false;
    if (/(^|\/)\.{0,2}$/.test(word.text)) return true;
    const path = this.#placed(word, site);
    return path !== undefined &&
      (this.#made.has(path) || this.#disk.isFolder(path));
  }

  #asks(question: "isThere" | "isLink", word: Word, site: Site): boolean {
    const path = this.#placed(word, site);
    return path !== undefined && this.#disk[question](path);
  }

  #textOf(word: Word, site: Site): string | undefined {
    const path = this.#placed(word, site);
    return path === undefined ? undefined : this.#disk.textOf(path);
  }

  #repository(site: Site): ShellRepository | undefined {
    return site.isKnown
      ? this.#disk.repositoryAt(site.folder ?? ".")
      : undefined;
  }

  #tree(command: string, site: Site): void {
    this.lose();
    if (!site.isKnown || this.#wholeTree.length >= WHOLE_TREE_MAX) return;
    this.#wholeTree.push({
      command: command.slice(0, COMMAND_CHARS_MAX),
      ...(site.folder === undefined ? {} : { folder: site.folder }),
    });
  }

  /** Returns the path of a word, relative to the shell's folder. */
  #placed(word: Word, site: Site): string | undefined {
    if (!word.isKnown || word.isGlob) return undefined;
    const { folder, isKnown } = joined(site, word.text);
    return isKnown ? folder?.replace(/(?<=.)\/+$/, "") : undefined;
  }

  #file(word: Word, site: Site): void {
    // The command in `>(…)` was read with the word.
    if (word.isProcess) return;
    if (!word.isKnown) return this.lose();
    if (DEVICES.test(word.text) || word.text === "-") return;
    this.#add({
      path: word.text,
      ...(word.isGlob ? { isGlob: true } : {}),
    }, site);
  }

  #add(write: ShellWrite, site: Site): void {
    if (!isPath(write.path)) return;
    const found = basedAt(site, write);
    if (found === undefined) return this.lose();
    const key = JSON.stringify([found.base, found.path]);
    if (this.#writes.has(key)) return;
    if (this.#writes.size >= WRITES_MAX) return this.cut();
    this.#writes.set(key, found);
  }

  #read(word: Word, site: Site): void {
    const isFile = word.isKnown && !word.isGlob && isPath(word.text) &&
      word.text !== "-" && !DEVICES.test(word.text);
    if (!isFile || !this.#isSeen || this.#reads.size >= READS_MAX) return;
    const found = basedAt<ShellRead>(site, { path: word.text });
    if (found === undefined) return;
    this.#reads.set(JSON.stringify([found.base, found.path]), found);
  }
}

/** Adds the folder of a relative path; undefined if that is unknown. */
function basedAt<Path extends ShellRead>(
  site: Site,
  path: Path,
): Path | undefined {
  if (isAbsolutePath(path.path)) return path;
  if (!site.isKnown) return undefined;
  return site.folder === undefined ? path : { ...path, base: site.folder };
}

/** Returns a site's folder, relative to the shell's; undefined if unknown. */
function folderOf({ folder = ".", isKnown }: Site): string | undefined {
  return isKnown ? folder : undefined;
}

/** Whether a redirection hides a command's output from the model. */
function takesOutput({ text, descriptor, target }: Redirect): boolean {
  if (!WRITING.test(text) || text === "<>" || target === undefined) {
    return false;
  }
  if (text.startsWith(">&") && /^(\d+|-)$/.test(target.text)) return false;
  return descriptor === "" || descriptor === "1";
}

/** Whether a word may precede a command's name: reserved, or an assignment. */
function isBeforeCommand(word: Word): boolean {
  if (/^\w+\+?=/.test(word.text)) return true;
  return !word.isQuoted && RESERVED_BEFORE_COMMAND.has(word.text);
}

function joined(site: Site, folder: string): Site {
  if (isAbsolutePath(folder)) return { folder, isKnown: true };
  if (!site.isKnown) return NOWHERE;
  const base = site.folder === undefined
    ? folder
    : `${site.folder.replace(/\/+$/, "")}/${folder}`;
  return isPath(base) ? { folder: base, isKnown: true } : NOWHERE;
}

/** Returns the last part of a path; for a glob, the last part of the glob. */
function nameOf(word: Word): string | undefined {
  if (!word.isKnown) return undefined;
  const name = word.text.replace(/\/+$/, "").split("/").at(-1);
  return name === "" || name === "." || name === ".." ? undefined : name;
}
