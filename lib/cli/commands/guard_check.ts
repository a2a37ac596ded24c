/**
 * `mbus guard check`: the command of the guard's hooks. It refuses files that
 * another live session holds exclusively. It warns of advisory locks, and of locks
 * on the same file in another worktree.
 *
 * The library lists the locks once and reaps dead sessions. Without a lock of
 * another session git is not called. Files are compared in memory, because no
 * tracked path leads through a symbolic link.
 *
 * An error, such as an unusable bus, is printed on standard error and does not
 * stop git.
 *
 * JSON, one line per conflicting lock: `{ verdict, risk, files, hold }`. `verdict`
 * is `refused` or `warned`, `risk` is `conflict` or `merge-risk`.
 *
 * @module
 */

import { keyOf } from "../../path/case_rules.ts";
import { fileGlob } from "../../glob/glob.ts";
import type { Hold } from "../../model/lock.ts";
import { canonicalPath } from "../../path/project.ts";
import type { GlobalValues } from "../arguments.ts";
import {
  type GitAct,
  pushedFiles,
  stagedFiles,
  worktreeRoot,
} from "../guard/changed_files.ts";
import { type Command, defineCommand, EXIT } from "../command.ts";
import { toFailure } from "../failure.ts";
import { holderPhrase, holdJson } from "../output/hold_lines.ts";
import { openBusFor } from "../open.ts";
import { printJson, printToStderr } from "../output/output.ts";
import {
  type OverlapKind,
  overlapKind,
  type ParsedPathSets,
  tryHoldPathSets,
} from "../../path/lock_overlap.ts";
import { entryKindOf } from "../../path/paths.ts";
import { visible, visibleJson } from "../output/visible_text.ts";
import { delegators } from "../../bus/delegation.ts";

const FILES_SHOWN_MAX = 3;

const check: Command = defineCommand({
  name: "guard check",
  details: [
    "Exit code 1 means that another session holds one of them exclusively. An " +
    "unusable bus exits with 0.",
  ],
  exitCodes: { 1: "Another session holds a file exclusively" },
  json: [{ fields: ["verdict", "risk", "files", "hold"] }],
  positionals: [],
  options: {
    "pre-merge-commit": {
      kind: "flag",
      help: "Check the files of a merge commit",
    },
    "pre-applypatch": {
      kind: "flag",
      help: "Check the files of a patch",
    },
    "pre-push": {
      kind: "flag",
      help: "Check the pushed commits, read from standard input",
    },
  },
  async run({ options }) {
    const act: GitAct = options["pre-push"]
      ? "push"
      : options["pre-merge-commit"]
      ? "merge"
      : options["pre-applypatch"]
      ? "apply"
      : "commit";
    // Read to its end even if it is not needed, because git waits for that.
    const refs = act === "push" ? await readAll() : "";
    try {
      const found = await findLocks(options, act, refs);
      found.forEach((each) => print(each, act, options.json));
      return found.some(isRefused) ? EXIT.refused : EXIT.done;
    } catch (error) {
      const text = `${toFailure(error).message} Locks were not checked.`;
      printToStderr(
        options.json
          ? visibleJson({ warning: text })
          : `mbus: ${visible(text)}`,
      );
      return EXIT.done;
    }
  },
});

export default check;

/** A lock of another session, and the files that it overlaps. */
interface Found {
  readonly hold: Hold;
  readonly risk: OverlapKind;
  readonly files: readonly string[];
}

function isRefused({ hold, risk }: Found): boolean {
  return risk === "conflict" && hold.type === "exclusive";
}

async function findLocks(
  options: GlobalValues,
  act: GitAct,
  refs: string,
): Promise<readonly Found[]> {
  await using opened = await openBusFor(options);
  const { bus } = opened;
  const own = [bus.session, ...delegators()];
  const holds = (await bus.locks.list({ allProjects: true }))
    .filter(({ session }) => !own.includes(session));
  if (holds.length === 0) return [];
  const root = await worktreeRoot();
  if (root === undefined) return [];
  const names = act === "push" ? await pushedFiles(refs) : await stagedFiles();
  const files = filePathSets(root, names);
  return holds.flatMap((hold) => foundAt(hold, files));
}

/** Returns the path sets of each file of a worktree, by its name. */
function filePathSets(
  root: string,
  names: readonly string[],
): ReadonlyMap<string, ParsedPathSets> {
  const top = canonicalPath(root, "/");
  const { project, worktree } = top;
  return new Map(names.map((name) => {
    const key = keyOf({
      absolute: `${top.absolute}/${name}`,
      folder: top.absolute,
      exists: false,
    });
    const below = key.slice(top.absolute.length);
    const { repositoryKey } = top;
    return [name, {
      disk: [fileGlob(key)],
      repository: repositoryKey === undefined
        ? []
        : [fileGlob(repositoryKey + below)],
      project,
      worktree,
    }];
  }));
}

/** Returns the files that a lock overlaps: on disk, and in other worktrees. */
function foundAt(
  hold: Hold,
  files: ReadonlyMap<string, ParsedPathSets>,
): readonly Found[] {
  const theirs = tryHoldPathSets(hold, entryKindOf);
  if (theirs === undefined) return [];
  const met: Record<OverlapKind, string[]> = {
    "conflict": [],
    "merge-risk": [],
  };
  for (const [name, pathSets] of files) {
    const risk = overlapKind(theirs, pathSets);
    if (risk !== undefined) met[risk].push(name);
  }
  return (["conflict", "merge-risk"] as const).flatMap((risk) =>
    met[risk].length === 0 ? [] : [{ hold, risk, files: met[risk] }]
  );
}

function print(found: Found, act: GitAct, json: boolean): void {
  const { hold, risk, files } = found;
  const refused = isRefused(found);
  if (json) {
    const verdict = refused ? "refused" : "warned";
    printJson({ verdict, risk, files, hold: holdJson(hold) });
    return;
  }
  const shown = files.slice(0, FILES_SHOWN_MAX).join(", ") +
    (files.length > FILES_SHOWN_MAX
      ? ` and ${files.length - FILES_SHOWN_MAX} more`
      : "");
  const who = holderPhrase(hold);
  const text = refused
    ? `Cannot ${act} ${shown}: ${who}; ${remedyOf(hold, act)}.`
    : risk === "conflict"
    ? `${shown}: ${who}; talk to it before you ${act}.`
    : `${shown}: ${who} in another worktree; there will be a merge.`;
  printToStderr(`mbus: ${visible(text)}`);
}

function remedyOf(hold: Hold, act: GitAct): string {
  const { overdue } = hold;
  const path = quoted(hold.path);
  const wait = overdue
    ? `it is overdue: take it over (mbus lock ${path} --exclusive --take-over)`
    : `wait for it (mbus lock ${path} --exclusive --wait 10m)`;
  return `${wait}, ask its holder (mbus ask ${quoted(hold.name)} "…")` +
    LEAVE[act];
}

/** Remedies that leave the file out. */
const LEAVE: Readonly<Record<GitAct, string>> = {
  commit: ", or leave the file out (git restore --staged)",
  merge: ", or end the merge (git merge --abort)",
  apply: ", or end it (git am --abort, git rebase --abort)",
  push: "",
};

/** Returns a word quoted for a shell. */
function quoted(word: string): string {
  return /^[\w./~@+:-]+$/.test(word)
    ? word
    : `'${word.replaceAll("'", "'\\''")}'`;
}

async function readAll(): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  const chunk = new Uint8Array(64 * 1024);
  for (;;) {
    const read = await Deno.stdin.read(chunk);
    if (read === null) return text;
    text += decoder.decode(chunk.subarray(0, read), { stream: true });
  }
}
