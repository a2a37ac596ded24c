/**
 * `mbus guard check`: what the hooks run. Refuses files that another living
 * session holds exclusively; warns of advisory locks and of locks on the same
 * file in another worktree.
 *
 * The locks are read once, by the library, which buries the dead as it looks.
 * Without a lock of somebody else's git is not even asked, and the files are
 * compared in memory: git has resolved them already, as no tracked path leads
 * through a symbolic link.
 *
 * Whatever keeps it from checking, such as a bus that cannot be used, is told
 * on standard error and stops nobody.
 *
 * JSON: a line for each lock that meets a file: `{ verdict, risk, files, hold
 * }`, `verdict` being `refused` or `warned`, `risk` `conflict` or `merge-risk`.
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
  summary: "Refuse what is staged if another session has locked it",
  details: [
    "With 1 it is refused. A bus that cannot be used refuses nothing.",
  ],
  positionals: [],
  options: {
    "pre-merge-commit": {
      kind: "flag",
      help: "Check what a merge is about to commit",
    },
    "pre-applypatch": {
      kind: "flag",
      help: "Check what a patch is about to commit",
    },
    "pre-push": {
      kind: "flag",
      help: "Check what is pushed, as git tells on standard input",
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
    // Read to its end in any case: git waits until it is.
    const refs = act === "push" ? await readAll() : "";
    try {
      const found = await look(options, act, refs);
      found.forEach((each) => tell(each, act, options.json));
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

/** A lock of somebody else's, and the files that it meets. */
interface Found {
  readonly hold: Hold;
  readonly risk: OverlapKind;
  readonly files: readonly string[];
}

function isRefused({ hold, risk }: Found): boolean {
  return risk === "conflict" && hold.type === "exclusive";
}

async function look(
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

/** The files that a lock meets: those on disk, and those in other worktrees. */
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

function tell(found: Found, act: GitAct, json: boolean): void {
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
  return `${wait}, ask its holder (mbus ask ${quoted(hold.session)} '"…"')` +
    LEAVE[act];
}

/** How to go on without the file. */
const LEAVE: Readonly<Record<GitAct, string>> = {
  commit: ", or leave the file out (git restore --staged)",
  merge: ", or end the merge (git merge --abort)",
  apply: ", or end it (git am --abort, git rebase --abort)",
  push: "",
};

/** A word as a shell takes it, whatever others have put into it. */
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
