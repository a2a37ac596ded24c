/**
 * Programs that show the content of the files they name. For the caller that is a
 * read, as by a read tool.
 *
 * @module
 */

import { Arguments } from "./arguments.ts";
import type { Input, Program, Recorder } from "./recorder.ts";
import type { Word } from "./word.ts";

/** Records reads of files; without files, a read of the input. */
export function readAll(
  files: readonly Word[],
  recorder: Recorder,
  input: Input,
): void {
  const shown = files.length > 0 || input.file === undefined
    ? files
    : [input.file];
  for (const file of shown) recorder.reads(file);
}

/** Makes a program that shows files; the given options have a value. */
function reader(short = "", long: readonly string[] = []): Program {
  return (words, recorder, input) => {
    const { operands } = new Arguments(words, { short, long });
    readAll(operands, recorder, input);
  };
}

/** Makes a program that shows parts of files; the pattern comes first. */
function searcher(
  { short, long, given, unseen = [] }: {
    readonly short: string;
    readonly long: readonly string[];
    /** Options that contain the pattern. */
    readonly given: readonly string[];
    /** Options that keep the content from being shown. */
    readonly unseen?: readonly string[];
  },
): Program {
  return (words, recorder, input) => {
    const args = new Arguments(words, { short, long });
    if (args.has(...unseen)) return;
    const files = args.operands.slice(args.has(...given) ? 0 : 1);
    readAll(files, recorder, input);
  };
}

const GREP = searcher({
  short: "efmABCDd",
  long: ["regexp", "file", "max-count", "context", "include", "exclude"],
  given: ["e", "f", "regexp", "file"],
  unseen: [
    ..."qlLc",
    "quiet",
    "silent",
    "count",
    "files-with-matches",
    "files-without-match",
  ],
});
const RIPGREP = searcher({
  short: "efmABCgtTjMEr",
  long: ["regexp", "file", "max-count", "context", "glob", "type", "replace"],
  given: ["e", "f", "regexp", "file", "files"],
  unseen: [
    ..."qlc",
    "quiet",
    "count",
    "count-matches",
    "files-with-matches",
    "files-without-match",
  ],
});
const READING_AWK = searcher({
  short: "Ffvi",
  long: ["field-separator", "file", "assign", "include"],
  given: ["f", "file"],
});
const JQ = searcher({
  short: "f",
  long: ["from-file", "indent"],
  given: ["f", "from-file"],
});

/** `awk -i inplace` writes its files instead of showing them. */
function awk(words: readonly Word[], recorder: Recorder, input: Input): void {
  const isInPlace = words.some(({ text }, at) =>
    text === "-iinplace" || text === "inplace" && words[at - 1]?.text === "-i"
  );
  const target = isInPlace ? { ...recorder, reads: recorder.file } : recorder;
  READING_AWK(words, target, input);
}

/** The programs, by name. `done` ends a loop that may read a file. */
export const READERS: readonly (readonly [string, Program])[] = [
  ["cat", reader()],
  ["tac", reader()],
  ["nl", reader("bdfhilnsvw")],
  ["less", reader("bhjkopPtTxyz")],
  ["more", reader("n")],
  ["bat", reader("lrHm", ["language", "line-range", "style", "theme"])],
  ["batcat", reader("lrHm", ["language", "line-range", "style", "theme"])],
  ["head", reader("nc", ["lines", "bytes"])],
  ["tail", reader("ncs", ["lines", "bytes", "pid", "sleep-interval"])],
  ["cut", reader("bcdf", ["delimiter", "fields"])],
  ["diff", reader("UC", ["unified", "context"])],
  ["hexdump", reader("efns")],
  ["od", reader("AjNStw")],
  ["xxd", reader("clogs")],
  ["strings", reader("nt")],
  ["done", reader()],
  ["grep", GREP],
  ["egrep", GREP],
  ["fgrep", GREP],
  ["rg", RIPGREP],
  ["awk", awk],
  ["gawk", awk],
  ["jq", JQ],
];
