/**
 * Reads off the files that the usual programs write.
 *
 * One small function for each program tells a recorder the operands that are
 * written. It calls `lost` if the path is unknown: an archive is unpacked, a diff
 * from elsewhere applied, a script in another language run. Other programs count
 * as writing nothing that their command line tells.
 *
 * Making a folder (`mkdir`) and changing attributes (`chmod`) are not writes.
 *
 * @module
 */

import { diffPaths, patchPaths } from "../agents/patch.ts";
import { afterOptions, Arguments } from "./arguments.ts";
import { COPIES } from "./copies.ts";
import { FORMATTERS, rewrites } from "./formatters.ts";
import { git } from "./git.ts";
import { powerShell } from "./powershell.ts";
import { readAll, READERS } from "./readers.ts";
import type { Input, Program, Recorder } from "./recorder.ts";
import type { Word } from "./word.ts";

/** A word of unknown value. */
export const UNKNOWN_WORD: Word = Object.freeze({
  kind: "word",
  text: "",
  isKnown: false,
  isGlob: false,
  isQuoted: false,
  isProcess: false,
  nested: [],
});

function allOperands(short = "", long: readonly string[] = []): Program {
  return (words, recorder) => {
    const { operands } = new Arguments(words, { short, long });
    for (const operand of operands) recorder.file(operand);
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
  // The -i of BSD takes its suffix as the next argument, often an empty one.
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

/** An interpreter that gets code on the command line may write anywhere. */
function interpreter(flags: readonly string[]): Program {
  return (words, recorder, input) => {
    const isInline = words.some((word) => flags.includes(word.text));
    const isStdin = words.every((word) => word.text.startsWith("-")) &&
      input.text() !== undefined;
    if (isInline || isStdin) recorder.lost();
  };
}

/** `python -m black` runs the program `black`. */
function python(
  words: readonly Word[],
  recorder: Recorder,
  input: Input,
): void {
  const rest = afterOptions(words, "WX");
  const module = words.indexOf(rest[0]) - 1;
  if (words[module]?.text === "-m") recorder.command(rest, input);
  else PYTHON(words, recorder, input);
}

/** `deno fmt` formats; `deno eval` may write anywhere. */
function deno(words: readonly Word[], recorder: Recorder, input: Input): void {
  if (words[0]?.text === "fmt") DENO_FMT(words, recorder, input);
  else SCRIPT(words, recorder, input);
}

/** `gh pr checkout` is `git checkout` of a branch. */
function gh(words: readonly Word[], recorder: Recorder): void {
  const [subject, command, name] = words;
  if (subject?.text === "pr" && command?.text === "checkout") {
    recorder.tree(`gh pr checkout ${name?.isKnown ? name.text : "…"}`);
  }
}

/** `su -c` and `flock -c` run a script; `flock FILE` a command. */
function scripted(short: string, operands: number): Program {
  return (words, recorder, input) => {
    const at = words.findIndex(({ text }) => text === "-c");
    if (at >= 0) recorder.script(words[at + 1]);
    else prefix(short, operands)(words, recorder, input);
  };
}

/** A program that runs another one behind its options and `operands`. */
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

/** `command -v` only looks up a program. */
function command(
  words: readonly Word[],
  recorder: Recorder,
  input: Input,
): void {
  if (!/^-[vV]/.test(words[0]?.text ?? "")) prefix("")(words, recorder, input);
}

/** `xargs` adds operands of unknown value. */
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

/** `patch`: the file that it names, or the paths of a known diff. */
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

/** Programs that write an option's file, otherwise elsewhere or nothing. */
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

const DENO_FMT = rewrites({
  commands: ["fmt"],
  unless: ["check"],
  short: "c",
  long: ["config", "ext", "ignore"],
});
const PYTHON = interpreter(["-c"]);
const SCRIPT = interpreter(["-e", "--eval", "-p", "eval"]);

/** The known programs, by name. */
export const PROGRAMS: ReadonlyMap<string, Program> = new Map<string, Program>([
  ...COPIES,
  ...READERS,
  ...FORMATTERS,
  ["tee", allOperands()],
  ["rm", allOperands()],
  ["unlink", allOperands()],
  ["rmdir", allOperands()],
  ["shred", allOperands("ns")],
  ["touch", allOperands("drt", ["date", "reference", "time"])],
  ["truncate", allOperands("sr", ["size", "reference"])],
  ["ed", allOperands("p")],
  ["sed", sed],
  ["gsed", sed],
  ["perl", inPlace],
  ["ruby", (words, recorder, input): void => {
    inPlace(words, recorder);
    SCRIPT(words, recorder, input);
  }],
  ["dd", dd],
  ["git", git],
  ["gh", gh],
  ["patch", patch],
  ["apply_patch", applyPatch],
  ["applypatch", applyPatch],
  ["sort", output("oktST", ["output"], () => false)],
  ["curl", output("o", ["output"], (args) => args.has("O", "remote-name"))],
  ["wget", output("O", ["output-document"], () => true)],
  ["tar", tar],
  ["unzip", lost],
  ["sh", shell],
  ["bash", shell],
  ["dash", shell],
  ["zsh", shell],
  ["ksh", shell],
  ["pwsh", powerShell],
  ["powershell", powerShell],
  ["eval", evaluate],
  ["python", python],
  ["python3", python],
  ["node", SCRIPT],
  ["deno", deno],
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
  ["su", scripted("gGsw", 1)],
  ["flock", scripted("EwW", 1)],
  ["watch", prefix("nq")],
  ["unbuffer", prefix("")],
  ["caffeinate", prefix("tw")],
  ["busybox", prefix("")],
  ["xargs", xargs],
  ["find", find],
]);
