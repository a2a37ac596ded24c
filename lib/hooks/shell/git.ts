/**
 * Reads off the files that a `git` command writes in the worktree.
 *
 * Read: the paths of `checkout`, `restore`, `rm`, `mv`, `clean`, `stash push`,
 * `checkout-index` and `worktree remove`, and the paths in the diff of `apply`. A
 * name is a path, as in git, if it follows `--` or if no revision has that name
 * (`git_refs.ts`). `--pathspec-from-file` is followed. Pathspecs with wildcards
 * become globs; with magic (`:/`, `:(top)`) they start at the worktree's root.
 *
 * Commands that change the whole worktree are recorded as such (`Recorder.tree`),
 * because their writes depend on the history. So are commands that only change
 * the branch, because other sessions work on the same branch.
 *
 * Not read: aliases and git's hooks. A change of only the index or the history
 * writes no file.
 *
 * @module
 */

import { diffPaths } from "../agents/patch.ts";
import { Arguments, isOption } from "./arguments.ts";
import type { Input, Recorder } from "./recorder.ts";
import type { Word } from "./word.ts";

/** Commands that may change any file, and arguments with which they do not. */
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

/** One `git` command and its recorder. */
interface GitCall {
  readonly words: readonly Word[];
  readonly recorder: Recorder;
  readonly input: Input;
  /** Records that any file of the worktree may change. */
  tree(): void;
}

/**
 * Reads a `git` command.
 *
 * @param words The arguments.
 * @param recorder Records the writes.
 * @param input Its input, if that is known.
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
    // If the first word may be both, it is judged as a path as well.
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

/** Without `-f` git refuses to clean, unless it is configured otherwise. */
function clean({ words, recorder, tree }: GitCall): void {
  const args = new Arguments(words, { short: "e", long: ["exclude"] });
  if (args.has("n", "dry-run")) return;
  if (args.operands.length > 0) writeSpecs(args.operands, recorder, tree);
  else if (args.has("f", "force", "i", "interactive")) tree();
}

/** `stash list`, `show` and `drop` leave the worktree alone. */
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

/** With paths, `reset` changes the index alone. */
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

/** `worktree remove` and `move` remove a folder. */
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

/** Returns the pathspecs of `--pathspec-from-file`; undefined if not given. */
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
 * Records the writes of pathspecs. A pathspec for the whole tree is not a write of
 * its folder: a lock on the folder would outlast the command.
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

/** Makes the glob of a pathspec: git's wildcards match slashes, too. */
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
