/**
 * Programs that copy, move or link files: `cp`, `mv`, `ln`, `install`, `rsync`,
 * `scp`. Their last operand is a file, or a folder that takes the names of the
 * others; the disk decides.
 *
 * @module
 */

import { Arguments } from "./arguments.ts";
import type { Program, Recorder } from "./recorder.ts";
import { plainWord, type Word } from "./word.ts";

const HERE = plainWord(".");

/** Reads sources, then a file or folder; with `-t`, the folder comes first. */
function put(args: Arguments, recorder: Recorder): void {
  const folder = args.value("t", "target-directory");
  if (folder !== undefined) {
    for (const source of args.operands) recorder.into(folder, source);
    return;
  }
  const target = args.operands.at(-1);
  if (target === undefined) return;
  const sources = args.operands.slice(0, -1);
  const isFile = args.has("T", "no-target-directory");
  for (const source of sources) {
    if (isFile) recorder.file(target);
    else if (sources.length > 1) recorder.into(target, source);
    else recorder.onto(target, source);
  }
}

const PUT_SHORT = "tS";
const PUT_LONG = ["target-directory", "suffix"];

function copy(words: readonly Word[], recorder: Recorder): void {
  put(new Arguments(words, { short: PUT_SHORT, long: PUT_LONG }), recorder);
}

/** `mv` also removes its sources. */
function move(words: readonly Word[], recorder: Recorder): void {
  const args = new Arguments(words, { short: PUT_SHORT, long: PUT_LONG });
  const isInto = args.value("t", "target-directory") !== undefined;
  const sources = isInto ? args.operands : args.operands.slice(0, -1);
  for (const source of sources) recorder.file(source);
  put(args, recorder);
}

/** `ln` with one operand makes a link in the working folder. */
function link(words: readonly Word[], recorder: Recorder): void {
  const args = new Arguments(words, { short: PUT_SHORT, long: PUT_LONG });
  const [source, target] = args.operands;
  const isInto = args.value("t", "target-directory") !== undefined;
  if (!isInto && source !== undefined && target === undefined) {
    recorder.into(HERE, source);
  } else if (args.has("n", "no-dereference") && recorder.isLink(target)) {
    recorder.file(target);
  } else put(args, recorder);
}

/** `install -d` makes its operands as folders. */
function install(words: readonly Word[], recorder: Recorder): void {
  const args = new Arguments(words, {
    short: `${PUT_SHORT}mgo`,
    long: [...PUT_LONG, "mode", "owner", "group", "strip-program"],
  });
  if (!args.has("d", "directory")) return put(args, recorder);
  for (const operand of args.operands) recorder.makes(operand);
}

function makeFolders(words: readonly Word[], recorder: Recorder): void {
  const { operands } = new Arguments(words, { short: "m", long: ["mode"] });
  for (const operand of operands) recorder.makes(operand);
}

const RSYNC_LONG =
  "address backup-dir block-size bwlimit checksum-choice chmod chown compare-dest compress-choice compress-level contimeout copy-as copy-dest debug exclude exclude-from files-from filter groupmap iconv include include-from info link-dest log-file log-file-format max-alloc max-delete max-size min-size modify-window out-format partial-dir password-file port protocol read-batch remote-option rsh rsync-path skip-compress sockopts stop-after stop-at suffix temp-dir timeout usermap write-batch"
    .split(" ");

/** `rsync` copies the content of a folder with a slash at its end. */
function rsync(words: readonly Word[], recorder: Recorder): void {
  const args = new Arguments(words, { short: "efBTM", long: RSYNC_LONG });
  if (args.has("n", "dry-run", "list-only")) return;
  const sources = args.operands.slice(0, -1);
  const target = args.operands.at(-1);
  if (target === undefined || sources.length === 0) return;
  if (args.has("remove-source-files")) {
    for (const source of sources) {
      if (!isRemote(source)) recorder.file(source);
    }
  }
  if (isRemote(target)) return;
  const isWhole = args.has("files-from", "R", "relative") ||
    [...args.names].some((name) => name.startsWith("delete"));
  for (const source of sources) {
    if (isWhole || /(^|\/)\.{0,2}$/.test(source.text)) {
      recorder.file({ ...target, text: `${target.text}/` });
    } else if (sources.length > 1 || recorder.isFolder(source)) {
      recorder.into(target, named(source));
    } else recorder.onto(target, named(source));
  }
}

function scp(words: readonly Word[], recorder: Recorder): void {
  const { operands } = new Arguments(words, { short: "cDFiJloPSX" });
  const sources = operands.slice(0, -1);
  const target = operands.at(-1);
  if (target === undefined || isRemote(target)) return;
  for (const source of sources) {
    if (sources.length > 1) recorder.into(target, named(source));
    else recorder.onto(target, named(source));
  }
}

/** Whether a path such as `host:path` is on another machine. */
function isRemote({ text }: Word): boolean {
  return /^[^/]+:/.test(text);
}

/** Returns a source without its host: its copy has that name. */
function named(source: Word): Word {
  return isRemote(source)
    ? { ...source, text: source.text.replace(/^[^/]+?:+/, "") }
    : source;
}

/** The programs, by name. */
export const COPIES: readonly (readonly [string, Program])[] = [
  ["mv", move],
  ["cp", copy],
  ["ln", link],
  ["install", install],
  ["mkdir", makeFolders],
  ["rsync", rsync],
  ["scp", scp],
];
