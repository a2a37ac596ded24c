/**
 * The facts against an edit of one path, worded for the model: the session, the
 * time, the task, and what to do.
 *
 * @module
 */

import type { Advice, Fact, Force } from "./fact.ts";
import type { LockTarget } from "../model/lock.ts";
import type { Hold } from "../model/lock.ts";
import type { EditObstacle } from "../model/edit.ts";
import { ago } from "./ago.ts";
import { stampOf } from "./file_stamp.ts";
import { plainName, plainPath, plainText } from "./frame.ts";
import type { Policy } from "./policy.ts";

const REASON_CHARS_MAX = 300;

/** By what the facts about one target are told. */
export interface FactContext {
  /** What the person chose for the target's project. */
  readonly policy: Policy;
  /** The time, in milliseconds since 1970. */
  readonly nowMs: number;
  /** When the acting agent read the path, in milliseconds since 1970. */
  readonly readAtMs?: number;
  /** Sessions that have finished their turn. */
  readonly idle: ReadonlySet<string>;
}

/**
 * The facts of which an obstacle consists; `isUnsure` says that its latest change
 * may have come by another hand.
 */
export function factsOf(
  { target: { path, project }, holds, touches }: EditObstacle,
  telling: FactContext,
  isUnsure = false,
): Fact[] {
  const facts = holds.map((hold): Fact => ({
    key: `hold:${hold.token}`,
    ...wordsOf(hold, path, telling),
    session: hold.session,
    path,
    held: true,
    project: hold.project ?? project,
  }));
  // The latest change is the news: what it left is what the file is now.
  const [touch] = touches;
  if (touch === undefined) return facts;
  const { session, touchedAtMs } = touch;
  const by = plainName(session);
  const change = { session, by, atMs: touchedAtMs, isUnsure };
  return [...facts, changedFact({ path, project }, change, telling)];
}

/** What to do about facts that stand against an edit, and what a person is told. */
export function adviceOn(facts: readonly Fact[]): Advice {
  const [first] = facts;
  const more = facts.length > 1 ? `, and ${facts.length - 1} more` : "";
  return {
    retry: "Read the file again; if your edit is still right, retry: the " +
      "retry passes unless there is news of the file.",
    notice: first === undefined
      ? ""
      : `mbus stopped an edit of ${plainPath(first.path)}: ` +
        `${plainName(first.session)} ` +
        `${first.held ? "is working on it" : "has changed it"}${more}.`,
  };
}

function wordsOf(
  hold: Hold,
  path: string,
  telling: FactContext,
): { readonly text: string; readonly force: Force } {
  const said = describe(hold, telling);
  const { onOverlap } = telling.policy;
  if (hold.type === "exclusive") {
    return {
      force: "firm",
      text: `${said}. Do not edit it now: wait for it ` +
        `(mbus lock ${word(plainPath(path))} --wait 60s), ` +
        `${asking(hold.session)}or work elsewhere.`,
    };
  }
  return onOverlap === "block"
    ? {
      force: "firm",
      text: `${said}. Wait until it is released, ${asking(hold.session)}` +
        `or work elsewhere.`,
    }
    : { force: onOverlap === "inform" ? "inform" : "soft", text: `${said}.` };
}

/** That a file was changed. */
export interface FileChange {
  /** The session that changed it. */
  readonly session: string;
  /** The subject of the sentence that says so. */
  readonly by: string;
  /** When, in milliseconds since 1970. */
  readonly atMs: number;
  /** It only ran something meanwhile: another hand may have changed it. */
  readonly isUnsure?: boolean;
}

/**
 * The fact that a file was changed since it was read: told apart by that read and
 * by what the file is now. A touch that left it as it was told is no other fact.
 */
export function changedFact(
  { path, project }: Pick<LockTarget, "path" | "project">,
  { session, by, atMs, isUnsure = false }: FileChange,
  { policy: { onOverlap }, nowMs, readAtMs }: FactContext,
): Fact {
  const { size, mtimeMs, hash } = stampOf(path, { hash: true });
  return {
    key: `changed:${path}:${readAtMs}:${size}:${hash ?? mtimeMs}`,
    text: isUnsure
      ? `${plainPath(path)} changed ${ago(nowMs - atMs)}, after you read it. ` +
        `${by} ran a command or a tool meanwhile.`
      : `${by} has changed ${plainPath(path)} ${ago(nowMs - atMs)}, ` +
        `after you read it.`,
    // A change is over: only a hold blocks.
    force: onOverlap === "inform" ? "inform" : "soft",
    session,
    path,
    project,
  };
}

/** A hold in words for the model. */
export function describe(
  hold: Hold,
  { nowMs, idle }: Pick<FactContext, "nowMs" | "idle">,
): string {
  const how = hold.type === "exclusive" ? "holds exclusively" : "is editing";
  const covered = plainPath(hold.path);
  const isPlain = hold.kind === "file" || hold.kind === "name";
  const what = isPlain ? covered : `${covered} (a ${hold.kind})`;
  const vendor = plainName(hold.vendor) +
    (idle.has(hold.session) ? ", idle now" : "");
  return `${plainName(hold.session)} (${vendor}) ${how} ${what} ` +
    `since ${ago(nowMs - Date.parse(hold.since))}` +
    (hold.task === undefined ? "" : `, on task ${plainName(hold.task)}`) +
    (hold.why === undefined ? "" : `, saying: "${oneLine(hold.why)}"`);
}

/** How to ask a session, if its id is one that the bus gives. */
export function asking(session: string): string {
  return /^[\w.\-/:~@+]{1,128}$/.test(session)
    ? `ask its holder (mbus ask ${session} '"…"'), `
    : "";
}

/** A peer's words on one line that ends where it ends. */
function oneLine(text: string): string {
  return plainText(text.slice(0, REASON_CHARS_MAX)).replace(/[\s"]+/g, " ");
}

/** A path as one word of a shell. */
export function word(path: string): string {
  return /^[\w./:=@%+,-]+$/.test(path)
    ? path
    : `'${path.replaceAll("'", `'\\''`)}'`;
}
