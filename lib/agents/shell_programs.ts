/**
 * Which files the usual programs write, read off their arguments.
 *
 * One small function for each program. It tells a recorder the
 * operands that are written, or that something is written nobody knows where
 * (`lost`): an archive unpacked, a diff from elsewhere applied, a script in
 * another language run. Programs that are not in the table are taken to write
 * nothing that can be read off their command line.
 *
 * Folders made (`mkdir`) and attributes changed (`chmod`) are no writes.
 *
 * @module
 */

import { diffPaths, patchPaths } from "./patch.ts";
import { afterOptions, Arguments } from "./shell_arguments.ts";
import { git } from "./shell_git.ts";
import type { Input, Program, Recorder } from "./shell_recorder.ts";
import type { Word } from "./shell_word.ts";

/** A word whose value nobody knows. */
export const UNKNOWN_WORD: Word = Object.freeze({
  kind: "word",
  text: "",
  isKnown: false,
  isGlob: false,
  isQuoted: false,
  isProcess: false,
  nested: [],
});

const HERE: Word = Object.freeze({
  ...UNKNOWN_WORD,
  text: ".",
  isKnown: true,
});

function allOperands(short = "", long: readonly string[] = []): Program {
  return (words, recorder) => {
    const { operands } = new Arguments(words, { short, long });
    for (const operand of operands) recorder.file(operand);
  };
}

/** Reads files, or without any the input. */
function readAll(
  files: readonly Word[],
  recorder: Recorder,
  input: Input,
): void {
  const shown = files.length > 0 || input.file === undefined
    ? files
    : [input.file];
  for (const file of shown) recorder.reads(file);
}

/** A program that shows the files it names: which options have a value. */
function reader(short = "", long: readonly string[] = []): Program {
  return (words, recorder, input) => {
    const { operands } = new Arguments(words, { short, long });
    readAll(operands, recorder, input);
  };
}

/** A program that shows parts of files: what it looks for comes first. */
function searcher(
  { short, long, given, unseen = [] }: {
    readonly short: string;
    readonly long: readonly string[];
    /** Options that say what to look for. */
    readonly given: readonly string[];
    /** Options with which nothing of the files is shown. */
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

/** `sed`: with -i, all operands but the script. */
function sed(words: readonly Word[], recorder: Recorder, input: Input): void {
  const args = new Arguments(words, {
    short: "efl",
    attached: "iI",
    long: ["expression", "file", "line-length"],
  });
  const isWritten = args.has("i", "I", "in-place");
  // BSD's -i takes its suffix as the next argument, often an empty one.
  const operands = args.operands.filter((word) =>
    word.text !== "" || !word.isKnown
  );
  const hasScript = args.has("e", "f", "expression", "file");
  const files = operands.slice(hasScript ? 0 : 1);
  if (!isWritten) return readAll(files, recorder, input);
  for (const file of files) recorder.file(file);
}

/** `perl` and `ruby`: with -i, all operands but the script. */
function inPlace(words: readonly Word[], recorder: Recorder): void {
  const args = new Arguments(words, { short: "eE", attached: "iIMmFl0xCD" });
  if (!args.has("i")) return;
  const hasScript = args.has("e", "E");
  for (const operand of args.operands.slice(hasScript ? 0 : 1)) {
    recorder.file(operand);
  }
}

/** Sources, then a file or a folder; with `-t`, the folder comes first. */
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

/** `mv`: its sources are gone afterwards. */
function move(words: readonly Word[], recorder: Recorder): void {
  const args = new Arguments(words, { short: PUT_SHORT, long: PUT_LONG });
  const isInto = args.value("t", "target-directory") !== undefined;
  const sources = isInto ? args.operands : args.operands.slice(0, -1);
  for (const source of sources) recorder.file(source);
  put(args, recorder);
}

/** `ln`: one operand alone is linked to from the working folder. */
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

/** `install`: with `-d`, its operands are folders to make. */
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

/** `rsync`: a folder with a slash at its end stands for what is in it. */
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

/** `host:path` is on another machine. */
function isRemote({ text }: Word): boolean {
  return /^[^/]+:/.test(text);
}

/** A source without its host: what its copy is called. */
function named(source: Word): Word {
  return isRemote(source)
    ? { ...source, text: source.text.replace(/^[^/]+?:+/, "") }
    : source;
}

function dd(words: readonly Word[], recorder: Recorder): void {
  for (const word of words) {
    if (word.text.startsWith("of=")) {
      recorder.file({ ...word, text: word.text.slice(3) });
    }
  }
}

/** A shell: the text after -c, or a script on its input. */
function shell(
  words: readonly Word[],
  recorder: Recorder,
  input: Input,
): void {
  let isText = false;
  for (let at = 0; at < words.length; at++) {
    const { text } = words[at];
    if (/^[-+][oO]$/.test(text) || text === "--rcfile") at++;
    else if (/^[-+]\w/.test(text)) isText ||= text.includes("c");
    else if (!text.startsWith("--") && text !== "-") {
      if (isText) recorder.script(words[at]);
      return;
    }
  }
  if (isText) return recorder.lost();
  const script = input.text();
  if (script !== undefined) recorder.script(script);
}

function evaluate(words: readonly Word[], recorder: Recorder): void {
  if (words.some((word) => !word.isKnown)) recorder.lost();
  else recorder.script(words.map((word) => word.text).join(" "));
}

/** A program of another language given on the spot: it may write anywhere. */
function interpreter(flags: readonly string[]): Program {
  return (words, recorder, input) => {
    const isInline = words.some((word) => flags.includes(word.text));
    const isStdin = words.every((word) => word.text.startsWith("-")) &&
      input.text() !== undefined;
    if (isInline || isStdin) recorder.lost();
  };
}

/** A program that runs another: its options, then so many operands. */
function prefix(short: string, operands = 0): Program {
  return (words, recorder, input) =>
    recorder.command(afterOptions(words, short).slice(operands), input);
}

function env(words: readonly Word[], recorder: Recorder, input: Input): void {
  const split = words.findIndex((word) =>
    /^(-S|--split-string)$/.test(word.text)
  );
  if (split >= 0) return recorder.script(words[split + 1]);
  const folder = words.findIndex((word) => /^(-C|--chdir)$/.test(word.text));
  const target = folder < 0 ? recorder : recorder.within(words[folder + 1]);
  const rest = afterOptions(words, "uC");
  const start = rest.findIndex((word) => !/^\w+=/.test(word.text));
  target.command(start < 0 ? [] : rest.slice(start), input);
}

/** `command -v` only looks. */
function command(
  words: readonly Word[],
  recorder: Recorder,
  input: Input,
): void {
  if (!/^-[vV]/.test(words[0]?.text ?? "")) prefix("")(words, recorder, input);
}

/** `xargs` adds operands that nobody knows. */
function xargs(words: readonly Word[], recorder: Recorder): void {
  const rest = afterOptions(words, "adEeIiLlnPs");
  if (rest.length > 0) recorder.command([...rest, UNKNOWN_WORD]);
}

function find(words: readonly Word[], recorder: Recorder): void {
  for (let at = 0; at < words.length; at++) {
    if (words[at].text === "-delete") recorder.lost();
    if (!/^-(exec|execdir|ok|okdir)$/.test(words[at].text)) continue;
    const run: Word[] = [];
    while (++at < words.length && !/^[;+]$/.test(words[at].text)) {
      run.push(words[at].text.includes("{}") ? UNKNOWN_WORD : words[at]);
    }
    recorder.command(run);
  }
}

function applyPatch(
  words: readonly Word[],
  recorder: Recorder,
  input: Input,
): void {
  const word = words.find((each) => !each.text.startsWith("-"));
  const text = word?.isKnown ? word.text : input.text();
  const paths = text === undefined ? [] : patchPaths(text);
  if (paths.length === 0) recorder.lost();
  else recorder.paths(paths);
}

/** `patch`: the file it names, or the paths of a diff that is told. */
function patch(
  words: readonly Word[],
  recorder: Recorder,
  input: Input,
): void {
  const args = new Arguments(words, {
    short: "pdiorBDFgVYz",
    long: ["strip", "directory", "input", "output"],
  });
  if (args.has("dry-run")) return;
  const folder = args.value("d", "directory");
  const target = folder === undefined ? recorder : recorder.within(folder);
  const strip = args.value("p", "strip");
  const output = args.value("o", "output") ?? args.operands[0];
  if (output !== undefined) return target.file(output);
  const file = args.value("i", "input");
  const text = file === undefined ? input.text() : recorder.textOf(file);
  if (text === undefined || strip === undefined) return target.lost();
  const paths = diffPaths(text, Number(strip.text) || 0);
  if (paths.length === 0) target.lost();
  else target.paths(paths);
}

/** Programs that write the file an option names, else elsewhere or nothing. */
function output(
  short: string,
  long: readonly string[],
  isElseLost: (args: Arguments) => boolean,
): Program {
  return (words, recorder) => {
    const args = new Arguments(words, { short, long });
    const file = args.value(short[0], ...long);
    if (file !== undefined) recorder.file(file);
    else if (isElseLost(args)) recorder.lost();
  };
}

/** `tar`: unpacks anywhere; packs into the file of -f. */
function tar(words: readonly Word[], recorder: Recorder): void {
  const mode = words[0]?.text ?? "";
  const flags = mode.startsWith("--") ? "" : mode.replace(/^-/, "");
  if (flags.includes("x") || words.some((each) => each.text === "--extract")) {
    return recorder.lost();
  }
  if (!/[cru]/.test(flags)) return;
  const file = flags.endsWith("f") ? words[1] : undefined;
  if (file === undefined) recorder.lost();
  else recorder.file(file);
}

function lost(_words: readonly Word[], recorder: Recorder): void {
  recorder.lost();
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
const AWK = searcher({
  short: "Ffv",
  long: ["field-separator", "file", "assign"],
  given: ["f", "file"],
});
const JQ = searcher({
  short: "f",
  long: ["from-file", "indent"],
  given: ["f", "from-file"],
});
const PYTHON = interpreter(["-c"]);
const SCRIPT = interpreter(["-e", "--eval", "-p", "eval"]);

/** The programs that are known, by name. */
export const PROGRAMS: ReadonlyMap<string, Program> = new Map<string, Program>([
  ["tee", allOperands()],
  ["rm", allOperands()],
  ["unlink", allOperands()],
  ["rmdir", allOperands()],
  ["shred", allOperands("ns")],
  ["touch", allOperands("drt", ["date", "reference", "time"])],
  ["truncate", allOperands("sr", ["size", "reference"])],
  ["gzip", allOperands("S")],
  ["gunzip", allOperands("S")],
  ["ed", allOperands("p")],
  ["sed", sed],
  ["gsed", sed],
  ["perl", inPlace],
  ["ruby", (words, recorder, input): void => {
    inPlace(words, recorder);
    SCRIPT(words, recorder, input);
  }],
  ["mv", move],
  ["cp", copy],
  ["ln", link],
  ["install", install],
  ["mkdir", makeFolders],
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
  ["awk", AWK],
  ["gawk", AWK],
  ["jq", JQ],
  ["dd", dd],
  ["git", git],
  ["patch", patch],
  ["apply_patch", applyPatch],
  ["applypatch", applyPatch],
  ["sort", output("o", ["output"], () => false)],
  ["curl", output("o", ["output"], (args) => args.has("O", "remote-name"))],
  ["wget", output("O", ["output-document"], () => true)],
  ["tar", tar],
  ["unzip", lost],
  ["rsync", rsync],
  ["scp", scp],
  ["sh", shell],
  ["bash", shell],
  ["dash", shell],
  ["zsh", shell],
  ["ksh", shell],
  ["eval", evaluate],
  ["python", PYTHON],
  ["python3", PYTHON],
  ["node", SCRIPT],
  ["deno", SCRIPT],
  ["bun", SCRIPT],
  ["php", interpreter(["-r"])],
  ["sudo", prefix("ugCDhprtUT")],
  ["doas", prefix("uC")],
  ["env", env],
  ["nohup", prefix("")],
  ["setsid", prefix("")],
  ["command", command],
  ["builtin", prefix("")],
  ["exec", prefix("a")],
  ["nice", prefix("n")],
  ["ionice", prefix("cnp")],
  ["stdbuf", prefix("ioe")],
  ["timeout", prefix("ks", 1)],
  ["time", prefix("fo")],
  ["xargs", xargs],
  ["find", find],
]);
