/**
 * Which files a `git` command writes in the working tree.
 *
 * Read off: the paths of `checkout`, `restore`, `rm`, `mv`, `clean`,
 * `stash push`, `checkout-index` and `worktree remove`, and of the diff that
 * `apply` gets. A name is told from a revision as git does it: it is a path if
 * it stands behind `--`, or if no revision of that name is there (`git_refs.ts`).
 * `--pathspec-from-file` is followed; pathspecs with wildcards become globs,
 * with magic (`:/`, `:(top)`) they start from the root of the working tree.
 *
 * Commands that change the working tree as a whole are told as such
 * (`Recorder.tree`): what they will write depends on the history. So are those
 * that only move to another branch, as other sessions work on that branch, too.
 *
 * Not read: aliases, and what hooks of git do. What changes only the index or
 * the history writes no file.
 *
 * @module
 */

import { diffPaths } from "../agents/patch.ts";
import { Arguments, isOption } from "./arguments.ts";
import type { Input, Recorder } from "./recorder.ts";
import type { Word } from "./word.ts";

/** Commands that may change any file, and the uses of them that do not. */
const WHOLE_TREE: ReadonlyMap<string, RegExp> = new Map([
  ["am", /^--(quit|show-current-patch)/],
  ["bisect", /^(log|view|visualize|terms|help)$/],
  ["cherry-pick", /^--quit$/],
  ["filter-branch", /^$/],
  ["filter-repo", /^(-n|--dry-run|--analyze)$/],
  ["merge", /^--quit$/],
  ["pull", /^--dry-run$/],
  ["rebase", /^--(quit|show-current-patch|edit-todo)$/],
  ["revert", /^--quit$/],
  ["sparse-checkout", /^(list|check-rules)$/],
  ["submodule", /^(status|summary|init|sync|foreach|absorbgitdirs)$/],
  ["subtree", /^(split|push)$/],
  ["switch", /^$/],
]);

/** One `git` command: its arguments, and where they go. */
interface GitCall {
  readonly words: readonly Word[];
  readonly recorder: Recorder;
  readonly input: Input;
  /** Says that any file of the working tree may change. */
  tree(): void;
}

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
  input: Input,
): void {
  let target = recorder;
  let workTree: Word | undefined;
  let at = 0;
  while (at < words.length && isOption(words[at])) {
    const { text } = words[at];
    if (text === "-C" && words[at + 1] !== undefined) {
      target = target.within(words[at + 1]);
    }
    if (text === "--work-tree") workTree = words[at + 1];
    if (text.startsWith("--work-tree=")) {
      workTree = { ...words[at], text: text.slice("--work-tree=".length) };
    }
    at += /^(-C|-c|--git-dir|--work-tree|--namespace)$/.test(text) ? 2 : 1;
  }
  const command = words[at]?.text ?? "";
  const rest = words.slice(at + 1);
  if (rest.some(({ text }) => text === "-h" || text === "--help")) return;
  const treeOf = workTree === undefined ? target : target.within(workTree);
  const tree = () => treeOf.tree(["git", command, ...shown(rest)].join(" "));
  const harmless = WHOLE_TREE.get(command);
  if (harmless !== undefined) {
    const isRead = command === "submodule" && rest.length === 0 ||
      rest.some(({ text }) => harmless.test(text));
    if (!isRead) tree();
  } else {
    COMMANDS.get(command)?.({ words: rest, recorder: target, input, tree });
  }
}

function shown(words: readonly Word[]): string[] {
  return words.map(({ text, isKnown }) => isKnown ? text : "…");
}

/** `checkout BRANCH`, `checkout PATHS`, `checkout REVISION PATHS`. */
function checkout({ words, recorder, input, tree }: GitCall): void {
  const dashes = words.findIndex((word) => word.text === "--");
  const args = new Arguments(dashes < 0 ? words : words.slice(0, dashes), {
    short: "bBU",
    long: ["orphan", "conflict", "pathspec-from-file", "unified"],
  });
  const listed = pathspecsIn(args, recorder, input);
  const behind = dashes < 0 ? [] : words.slice(dashes + 1);
  if (args.has("b", "B", "orphan", "d", "detach", "t", "track")) return tree();
  if (listed !== undefined) return writeSpecs(listed, recorder, tree);
  if (behind.length > 0) return writeSpecs(behind, recorder, tree);
  const [first, ...others] = args.operands;
  if (first === undefined) {
    if (args.has("f", "force", "p", "patch")) tree();
    return;
  }
  const isPaths = args.has("2", "3", "ours", "theirs");
  if (isPaths) return writeSpecs(args.operands, recorder, tree);
  const isRevision = recorder.isRevision(first);
  if (dashes >= 0) return tree();
  if (others.length > 0) {
    // Where both are possible, the first one is judged as a path as well.
    const specs = isRevision === true ? others : args.operands;
    return writeSpecs(specs, recorder, tree);
  }
  const isThere = recorder.isThere(first);
  const isBranch = isRevision === true ||
    !isThere && recorder.isRemoteBranch(first);
  if (isBranch || isRevision === undefined) tree();
  if (!isBranch && (isThere || isRevision === false)) {
    writeSpecs([first], recorder, tree);
  }
}

function restore({ words, recorder, input, tree }: GitCall): void {
  const args = new Arguments(words, {
    short: "sU",
    long: ["source", "conflict", "pathspec-from-file", "unified"],
  });
  if (args.has("S", "staged") && !args.has("W", "worktree")) return;
  const specs = pathspecsIn(args, recorder, input) ?? args.operands;
  if (specs.length > 0) writeSpecs(specs, recorder, tree);
  else if (args.has("p", "patch")) tree();
}

function remove({ words, recorder, input, tree }: GitCall): void {
  const args = new Arguments(words, { long: ["pathspec-from-file"] });
  if (args.has("cached", "n", "dry-run")) return;
  const specs = pathspecsIn(args, recorder, input) ?? args.operands;
  writeSpecs(specs, recorder, tree);
}

function rename({ words, recorder }: GitCall): void {
  const args = new Arguments(words);
  const target = args.operands.at(-1);
  if (target === undefined || args.has("n", "dry-run")) return;
  const sources = args.operands.slice(0, -1);
  for (const source of sources) {
    recorder.file(source);
    if (sources.length > 1) recorder.into(target, source);
    else recorder.onto(target, source);
  }
}

/** Without `-f` it refuses to do anything, unless it is configured not to. */
function clean({ words, recorder, tree }: GitCall): void {
  const args = new Arguments(words, { short: "e", long: ["exclude"] });
  if (args.has("n", "dry-run")) return;
  if (args.operands.length > 0) writeSpecs(args.operands, recorder, tree);
  else if (args.has("f", "force", "i", "interactive")) tree();
}

/** `stash list`, `show` and `drop` leave the working tree alone. */
function stash({ words, recorder, input, tree }: GitCall): void {
  const [first, ...rest] = words;
  const command = first === undefined || isOption(first) ? "push" : first.text;
  if (/^(list|show|drop|clear|create|store|export)$/.test(command)) return;
  if (command !== "push") return tree();
  const args = new Arguments(first?.text === "push" ? rest : words, {
    short: "mU",
    long: ["message", "pathspec-from-file", "unified"],
  });
  const specs = pathspecsIn(args, recorder, input) ?? args.operands;
  if (specs.length > 0) writeSpecs(specs, recorder, tree);
  else tree();
}

/** With paths, it resets the index alone. */
function reset({ words, tree }: GitCall): void {
  if (new Arguments(words).has("hard", "merge", "keep")) tree();
}

function apply({ words, recorder, input }: GitCall): void {
  const args = new Arguments(words, {
    short: "pC",
    long: ["directory", "exclude", "include", "whitespace"],
  });
  const isOnlyShown = args.has("check", "stat", "numstat", "summary") &&
    !args.has("apply");
  if (isOnlyShown || args.has("cached")) return;
  const strip = Number(args.value("p")?.text ?? "1") || 0;
  const folder = args.value("directory");
  const target = folder === undefined ? recorder : recorder.within(folder);
  const texts = args.operands.length === 0
    ? [input.text()]
    : args.operands.map((operand) =>
      operand.text === "-" ? input.text() : recorder.textOf(operand)
    );
  for (const text of texts) {
    const paths = text === undefined ? [] : diffPaths(text, strip);
    if (paths.length === 0) target.lost();
    else target.paths(paths);
  }
}

function checkoutIndex({ words, recorder, tree }: GitCall): void {
  const args = new Arguments(words, { long: ["prefix", "stage"] });
  if (args.has("prefix", "temp", "n", "no-create")) return;
  if (args.has("a", "all", "stdin")) tree();
  for (const operand of args.operands) recorder.file(operand);
}

function readTree({ words, tree }: GitCall): void {
  if (new Arguments(words).has("u")) tree();
}

function symbolicRef({ words, tree }: GitCall): void {
  const { operands } = new Arguments(words, { short: "m" });
  if (operands.length > 1 && operands[0].text === "HEAD") tree();
}

/** `worktree remove` and `move` take a folder away. */
function worktree({ words, recorder }: GitCall): void {
  const [command, folder, target] = new Arguments(words).operands;
  if (folder === undefined) return;
  if (command.text !== "remove" && command.text !== "move") return;
  recorder.file(folder);
  if (command.text === "move" && target !== undefined) {
    recorder.onto(target, folder);
  }
}

const COMMANDS: ReadonlyMap<string, (call: GitCall) => void> = new Map([
  ["apply", apply],
  ["checkout", checkout],
  ["checkout-index", checkoutIndex],
  ["clean", clean],
  ["mv", rename],
  ["read-tree", readTree],
  ["reset", reset],
  ["restore", restore],
  ["rm", remove],
  ["stash", stash],
  ["symbolic-ref", symbolicRef],
  ["worktree", worktree],
]);

/** The pathspecs of `--pathspec-from-file`; undefined if it is not given. */
function pathspecsIn(
  args: Arguments,
  recorder: Recorder,
  input: Input,
): readonly Word[] | undefined {
  const file = args.value("pathspec-from-file");
  if (file === undefined) return undefined;
  const text = file.text === "-" ? input.text() : recorder.textOf(file);
  // A list that cannot be read may name any file.
  if (text === undefined) return [{ ...file, isKnown: false }];
  const end = args.has("pathspec-file-nul") ? "\0" : /\r?\n/;
  return text.split(end).filter((line) => line !== "")
    .map((line) => ({ ...file, text: line, isKnown: true, isGlob: false }));
}

/**
 * Writes what pathspecs stand for. One for all of the tree is no write of a
 * folder: a lock on that would last longer than the command.
 */
function writeSpecs(
  specs: readonly Word[],
  recorder: Recorder,
  tree: () => void,
): void {
  for (const spec of specs) {
    const magic = spec.isKnown
      ? /^:(?:\(([^)]*)\)|([/!^]*):?)(.*)$/s.exec(spec.text)
      : null;
    const [, names = "", signs = "", path = spec.text] = magic ?? [];
    const marks = new Set(names.split(","));
    if (marks.has("exclude") || /[!^]/.test(signs)) continue;
    const isTop = marks.has("top") || signs.includes("/") ||
      magic?.[0] === ":";
    const target = isTop ? recorder.atTop() : recorder;
    const word = specWord({ ...spec, text: path || "." }, marks, target);
    if (target.isWholeTree(word)) tree();
    else target.file(word);
  }
}

/** A pathspec's wildcards are git's: they match slashes, and quotes are past. */
function specWord(
  word: Word,
  marks: ReadonlySet<string>,
  recorder: Recorder,
): Word {
  const wild = word.text.search(/[*?[]/);
  if (wild < 0 || marks.has("literal") || recorder.isThere(word)) {
    return { ...word, isGlob: false };
  }
  const folder = word.text.slice(0, word.text.lastIndexOf("/", wild) + 1);
  const name = word.text.slice(word.text.lastIndexOf("/") + 1);
  return { ...word, text: `${folder}**/${name || "*"}`, isGlob: true };
}
