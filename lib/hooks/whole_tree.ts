/**
 * Judges git commands that change a whole worktree, such as `git switch`: they
 * concern every session that works in it.
 *
 * The session is denied before the command, as for an overlapping edit, if
 *
 * - another living session holds a lock in the worktree, or has changed a file
 *   there in the last 10 minutes. It is denied once until there is new work, or
 *   as long as an exclusive lock lasts;
 * - another session holds `@git/head` or `@git/index` of the worktree.
 *
 * New work is a lock taken, or a change made, after this agent was last told of
 * the worktree. A session that only reads causes no denial.
 *
 * A linked worktree below the root of another one has its own HEAD and files, so
 * the two are separate.
 *
 * @module
 */

import type { Fact, Force } from "./fact.ts";
import { lockTarget, resourceTarget } from "../path/lock_target.ts";
import type { Hold } from "../model/lock.ts";
import { parentOf } from "../path/path_text.ts";
import { canonicalPath } from "../path/project.ts";
import { headAt, repositoryOf } from "../path/repository.ts";
import { ago } from "../text/ago.ts";
import {
  type HookContext,
  type HookResult,
  notesOf,
  readNote,
} from "./hook_context.ts";
import { denyUntold } from "./deny_once.ts";
import { plainName, plainPath } from "./frame.ts";
import { asking, describe, word } from "./deny_message.ts";

/** A command that changes a whole worktree. */
export interface TreeCommand {
  /** The command as shown to the model. */
  readonly command: string;
  /** Absolute path of the folder that it runs in. */
  readonly folder: string;
}

/** Time for which a change counts as current work, in milliseconds. */
const WORK_MS = 10 * 60 * 1000;

// More than a thousand sessions change in that time.
const TOUCHES_MAX = 10_000;

const SESSIONS_SHOWN_MAX = 10;
const FILES_SHOWN_MAX = 5;
const COMMAND_CHARS_MAX = 80;

/** Named locks on the parts of a repository that these commands change. */
const NAMES = ["@git/head", "@git/index"] as const;

/** Another session's work in a worktree. */
interface Work {
  readonly session: string;
  readonly name: string;
  readonly vendor: string;
  readonly holds: Hold[];
  readonly files: Set<string>;
  /** Time of its latest lock or change, in milliseconds since 1970. */
  newsAtMs: number;
}

/** Returns the denial of commands before they run; undefined if they pass. */
export async function beforeWholeTree(
  hook: HookContext,
  commands: readonly TreeCommand[],
): Promise<HookResult | undefined> {
  const { store, session, event } = hook;
  const worktrees = new Map(
    commands.map((each) => [worktreeAt(each.folder), each]),
  );
  const facts: Fact[] = [];
  for (const [worktree, { command }] of worktrees) {
    if (worktree === undefined) continue;
    const works = await worksIn(hook, worktree);
    if (works.length === 0) continue;
    const key = `tree:${event.agentId ?? ""}:${worktree}`;
    const toldMs = await readNote<number>(hook, key) ?? 0;
    // Ended work is not new: the fact that was told stands for the rest.
    const newsMs = Math.max(toldMs, ...works.map(({ newsAtMs }) => newsAtMs));
    facts.push(factOf(hook, worktree, command, works, newsMs));
    if (newsMs === toldMs) continue;
    await store.noteActivity(session.id, { notes: notesOf({ [key]: newsMs }) });
  }
  const [first] = facts;
  if (first === undefined) return undefined;
  const more = first.others?.length ?? 0;
  return await denyUntold(hook, facts, {
    retry:
      "Wait until they are done, ask them, or use a worktree of your own " +
      "(git worktree add). If it must run now, retry: the retry passes unless " +
      "they change or lock another file there.",
    notice: `mbus stopped a git command that changes all of ` +
      `${plainPath(first.path)}: ${plainName(first.name)} is working there` +
      (more > 0 ? `, and ${more} more.` : "."),
  });
}

/** Returns the root of a folder's worktree, spelled as in session rows. */
export function worktreeAt(folder: string): string | undefined {
  return canonicalPath(folder, "/").worktree;
}

/** Returns other sessions' work in a worktree, one entry a session. */
async function worksIn(hook: HookContext, worktree: string): Promise<Work[]> {
  const { store, session, actingFor, nowMs } = hook;
  const targets = [
    ...NAMES.map((name) => resourceTarget(name, worktree)),
    lockTarget(worktree, "/", { pattern: "literal" }),
  ];
  const works = new Map<string, Work>();
  const workOf = (id: string, name: string, vendor: string): Work => {
    const work = works.get(id) ??
      { session: id, name, vendor, holds: [], files: new Set(), newsAtMs: 0 };
    works.set(id, work);
    return work;
  };
  const isOther = (id: string) => id !== session.id && !actingFor.includes(id);
  for (const overlapping of targets) {
    for (const hold of await store.locks({ project: null, overlapping })) {
      const isThere = (hold.worktree ?? worktree) === worktree;
      if (!isOther(hold.session) || !isThere) continue;
      const work = workOf(hold.session, hold.name, hold.vendor);
      work.holds.push(hold);
      work.files.add(hold.path);
      work.newsAtMs = Math.max(work.newsAtMs, Date.parse(hold.since));
    }
  }
  const touches = await store.touchesBelow({
    folder: worktree,
    session: session.id,
    sinceMs: nowMs - WORK_MS,
    limit: TOUCHES_MAX,
  });
  for (const { session: id, name, vendor, path, touchedAtMs } of touches) {
    const isThere = repositoryOf(parentOf(path))?.worktree === worktree;
    if (!isOther(id) || !isThere) continue;
    const work = workOf(id, name, vendor);
    // The hold of the file was told, and its changes add no fact.
    if (work.files.has(path)) continue;
    work.files.add(path);
    work.newsAtMs = Math.max(work.newsAtMs, touchedAtMs);
  }
  return [...works.values()];
}

function factOf(
  { policy, nowMs }: HookContext,
  worktree: string,
  command: string,
  works: readonly Work[],
  newsMs: number,
): Fact {
  const { onOverlap } = policy(worktree);
  const sorted = works.toSorted((a, b) =>
    Number(isExclusive(b)) - Number(isExclusive(a)) || b.newsAtMs - a.newsAtMs
  );
  const [first, ...others] = sorted;
  const force: Force = isExclusive(first) ||
      onOverlap === "block" && works.some(({ holds }) => holds.length > 0)
    ? "firm"
    : onOverlap === "inform"
    ? "inform"
    : "soft";
  const more = works.length - SESSIONS_SHOWN_MAX;
  // A deferred text is stored until it is told; commands are never stored.
  const cause = force === "inform"
    ? "Your git command changes"
    : `\`${shown(command)}\` changes`;
  const text = `${cause} the whole worktree ` +
    `${plainPath(worktree)}${onBranch(worktree)}, where ` +
    sorted.slice(0, SESSIONS_SHOWN_MAX)
      .map((work) => describeWork(worktree, work, nowMs)).join("; ") +
    (more > 0 ? `; and ${more} more sessions work there` : "");
  return {
    key: `tree:${worktree}:${newsMs}`,
    text: `${text}.${force === "firm" ? ` ${remedyFor(first)}` : ""}`,
    force,
    session: first.session,
    name: first.name,
    others: others.map(({ session }) => session),
    path: worktree,
    held: true,
    isWholeTree: true,
    project: repositoryOf(worktree)?.project,
  };
}

function isExclusive({ holds }: Work): boolean {
  return holds.some(({ type }) => type === "exclusive");
}

/** Returns the advice while another session's work denies the command. */
function remedyFor({ name, holds }: Work): string {
  const exclusive = holds.find(({ type }) => type === "exclusive");
  const wait = exclusive === undefined
    ? "wait until it is done"
    : `wait for it (mbus lock ${word(plainPath(exclusive.path))} --wait 60s)`;
  return `Do not run it now: ${wait}, ${asking(name)}or use a worktree of ` +
    `your own (git worktree add).`;
}

function describeWork(
  worktree: string,
  { name, vendor, holds, files, newsAtMs }: Work,
  nowMs: number,
): string {
  const exclusive = holds.find(({ type }) => type === "exclusive");
  const names = [...files].filter((file) => file !== exclusive?.path)
    .map((file) => plainPath(below(worktree, file)));
  const more = names.length - FILES_SHOWN_MAX;
  const list = names.slice(0, FILES_SHOWN_MAX).join(", ") +
    (more > 0 ? ` and ${more} more` : "");
  if (exclusive === undefined) {
    return `${plainName(name)} (${plainName(vendor)}) is working on ` +
      `${list} (the latest ${ago(nowMs - newsAtMs)})`;
  }
  return describe(exclusive, { nowMs, idle: new Set() }) +
    (names.length === 0 ? "" : `, and is working on ${list}`);
}

function below(worktree: string, path: string): string {
  return path.startsWith(`${worktree}/`)
    ? path.slice(worktree.length + 1)
    : path;
}

function onBranch(worktree: string): string {
  const branch = headAt(worktree)?.branch;
  return branch === undefined ? "" : ` (branch ${plainName(branch)})`;
}

function shown(command: string): string {
  const text = plainPath(command).replaceAll("`", "'");
  return text.length > COMMAND_CHARS_MAX
    ? `${text.slice(0, COMMAND_CHARS_MAX)}…`
    : text;
}
