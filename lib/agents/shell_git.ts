/**
 * Which files a `git` command writes in the working tree.
 *
 * Read off: `checkout … -- PATHS`, `restore PATHS`, `rm PATHS`, `mv`, and
 * `apply` of a diff that stands in the command. Commands that change the
 * working tree as a whole (switching, merging, resetting, stashing, pulling)
 * write nobody knows where. What changes only the index or the history writes
 * no file.
 *
 * @module
 */

import { diffPaths } from "./patch.ts";
import { Arguments, isOption } from "./shell_arguments.ts";
import type { Recorder } from "./shell_recorder.ts";
import type { Word } from "./shell_word.ts";

const WHOLE_TREE = new Set([
  "am",
  "bisect",
  "cherry-pick",
  "clean",
  "merge",
  "pull",
  "rebase",
  "revert",
  "switch",
]);

/**
 * Reads a `git` command.
 *
 * @param words The arguments.
 * @param recorder Takes down what it writes.
 * @param input What it reads on its input, if that is known.
 */
export function git(
  words: readonly Word[],
  recorder: Recorder,
  input?: string,
): void {
  let target = recorder;
  let at = 0;
  while (at < words.length && isOption(words[at])) {
    const { text } = words[at];
    if (text === "-C" && words[at + 1] !== undefined) {
      target = target.within(words[at + 1]);
    }
    at += /^(-C|-c|--git-dir|--work-tree|--namespace)$/.test(text) ? 2 : 1;
  }
  const command = words[at]?.text ?? "";
  const rest = words.slice(at + 1);
  if (WHOLE_TREE.has(command)) target.lost();
  else if (command === "checkout") checkout(rest, target);
  else if (command === "restore") restore(rest, target);
  else if (command === "rm") remove(rest, target);
  else if (command === "mv") rename(rest, target);
  else if (command === "apply") apply(rest, target, input);
  else if (command === "reset") reset(rest, target);
  else if (command === "stash") stash(rest, target);
}

/** Without `--` a name may be a branch: then any file may change. */
function checkout(words: readonly Word[], recorder: Recorder): void {
  const dashes = words.findIndex((word) => word.text === "--");
  if (dashes >= 0) {
    for (const word of words.slice(dashes + 1)) recorder.file(word);
    return;
  }
  const isNewBranch = words.some((word) =>
    /^(-b|-B|--orphan)$/.test(word.text)
  );
  if (!isNewBranch && words.length > 0) recorder.lost();
}

function restore(words: readonly Word[], recorder: Recorder): void {
  const args = new Arguments(words, { short: "s", long: ["source"] });
  const isIndexOnly = args.has("S", "staged") && !args.has("W", "worktree");
  if (isIndexOnly) return;
  for (const operand of args.operands) recorder.file(operand);
  if (args.operands.length === 0) recorder.lost();
}

function remove(words: readonly Word[], recorder: Recorder): void {
  const args = new Arguments(words);
  if (args.has("cached", "n", "dry-run")) return;
  for (const operand of args.operands) recorder.file(operand);
}

function rename(words: readonly Word[], recorder: Recorder): void {
  const { operands } = new Arguments(words);
  const target = operands.at(-1);
  if (target === undefined) return;
  const sources = operands.slice(0, -1);
  for (const source of sources) {
    recorder.file(source);
    if (sources.length > 1) recorder.into(target, source);
    else recorder.onto(target, source);
  }
}

function apply(
  words: readonly Word[],
  recorder: Recorder,
  input: string | undefined,
): void {
  const args = new Arguments(words, { short: "pC", long: ["directory"] });
  if (args.has("check", "stat", "numstat", "summary", "cached")) return;
  const strip = Number(args.value("p")?.text ?? "1") || 0;
  const folder = args.value("directory");
  const target = folder === undefined ? recorder : recorder.within(folder);
  const paths = input === undefined ? [] : diffPaths(input, strip);
  if (paths.length === 0) target.lost();
  else target.paths(paths);
}

function reset(words: readonly Word[], recorder: Recorder): void {
  const args = new Arguments(words);
  if (args.has("hard", "merge", "keep")) recorder.lost();
}

/** `stash list`, `show` and `drop` leave the working tree alone. */
function stash(words: readonly Word[], recorder: Recorder): void {
  if (!/^(list|show|drop|clear|create|store)$/.test(words[0]?.text ?? "")) {
    recorder.lost();
  }
}
