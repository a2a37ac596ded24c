/**
 * Words the facts against an edit of one path for the model: the session, the
 * time, the task, and the next step.
 *
 * @module
 */

import type { Advice, Fact, Force } from "./fact.ts";
import type { LockTarget } from "../model/lock.ts";
import type { Hold } from "../model/lock.ts";
import type { EditConflict } from "../model/edit.ts";
import { ago } from "../text/ago.ts";
import { stampOf } from "./file_stamp.ts";
import { plainName, plainPath, plainText } from "./frame.ts";
import type { Policy } from "./policy.ts";

const REASON_CHARS_MAX = 300;

/** What the words of facts about one target depend on. */
export interface FactContext {
  /** The policy of the target's project. */
  readonly policy: Policy;
  /** The time, in milliseconds since 1970. */
  readonly nowMs: number;
  /** Time at which the acting agent read the path, in milliseconds since 1970. */
  readonly readAtMs?: number;
  /** Sessions that have finished their turn. */
  readonly idle: ReadonlySet<string>;
  /** Returns the name of a session. */
  nameOf(session: string): string;
}

/**
 * Returns the facts of a conflict. `isUnsure` marks its latest change as one that
 * another process may have made.
 */
export function factsOf(
  { target: { path, project }, holds, touches }: EditConflict,
  telling: FactContext,
  isUnsure = false,
): Fact[] {
  const facts = holds.map((hold): Fact => ({
    key: `hold:${hold.token}`,
    ...wordsOf(hold, path, telling),
    session: hold.session,
    name: hold.name,
    path,
    held: true,
    project: hold.project ?? project,
  }));
  // Only the latest change counts: it left the file as it is now.
  const [touch] = touches;
  if (touch === undefined) return facts;
  const { session, touchedAtMs } = touch;
  const name = telling.nameOf(session);
  const by = plainName(name);
  const change = { session, name, by, atMs: touchedAtMs, isUnsure };
  return [...facts, changedFact({ path, project }, change, telling)];
}

/** Returns the advice to the model, and the notice to the person. */
export function adviceOn(facts: readonly Fact[]): Advice {
  const [first] = facts;
  const more = facts.length > 1 ? `, and ${facts.length - 1} more` : "";
  return {
    retry: "Read the file again; if your edit is still right, retry: the " +
      "retry passes unless there is a new conflict on the file.",
    notice: first === undefined
      ? ""
      : `mbus stopped an edit of ${plainPath(first.path)}: ` +
        `${plainName(first.name)} ` +
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
        `${asking(hold.name)}or work elsewhere.`,
    };
  }
  return onOverlap === "block"
    ? {
      force: "firm",
      text: `${said}. Wait until it is released, ${asking(hold.name)}` +
        `or work elsewhere.`,
    }
    : { force: onOverlap === "inform" ? "inform" : "soft", text: `${said}.` };
}

/** A change of a file. */
export interface FileChange {
  /** The session that changed it. */
  readonly session: string;
  /** Name of that session. */
  readonly name: string;
  /** Subject of the sentence. */
  readonly by: string;
  /** Time of the change, in milliseconds since 1970. */
  readonly atMs: number;
  /** Whether the session only ran a command or tool while the file changed. */
  readonly isUnsure?: boolean;
}

/**
 * Returns the fact that a file changed since it was read. Its key is that read
 * and the file's present content: a touch that keeps both makes no new fact.
 */
export function changedFact(
  { path, project }: Pick<LockTarget, "path" | "project">,
  { session, name, by, atMs, isUnsure = false }: FileChange,
  { policy: { onOverlap }, nowMs, readAtMs }: Omit<
    FactContext,
    "idle" | "nameOf"
  >,
): Fact {
  const { size, mtimeMs, hash } = stampOf(path, { hash: true });
  return {
    key: `changed:${path}:${readAtMs}:${size}:${hash ?? mtimeMs}`,
    text: isUnsure
      ? `${plainPath(path)} changed ${ago(nowMs - atMs)}, after you read it. ` +
        `${by} ran a command or a tool meanwhile.`
      : `${by} has changed ${plainPath(path)} ${ago(nowMs - atMs)}, ` +
        `after you read it.`,
    // A change has ended: only a hold blocks.
    force: onOverlap === "inform" ? "inform" : "soft",
    session,
    name,
    path,
    project,
  };
}

/** Describes a hold for the model. */
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
  return `${plainName(hold.name)} (${vendor}) ${how} ${what}, ` +
    `locked ${ago(nowMs - Date.parse(hold.since))}` +
    (hold.task === undefined ? "" : `, on task ${plainName(hold.task)}`) +
    (hold.why === undefined ? "" : `, saying: "${oneLine(hold.why)}"`);
}

/** Returns the command that asks a session, if its name needs no quoting. */
export function asking(name: string): string {
  return /^[\w.\-/:~@+]{1,128}$/.test(name)
    ? `ask its holder (mbus ask ${name} "…"), `
    : "";
}

/** Returns a peer's words on one line, without double quotes. */
function oneLine(text: string): string {
  return plainText(text.slice(0, REASON_CHARS_MAX)).replace(/[\s"]+/g, " ");
}

/** Quotes a path as one word of a shell. */
export function word(path: string): string {
  return /^[\w./:=@%+,-]+$/.test(path)
    ? path
    : `'${path.replaceAll("'", `'\\''`)}'`;
}
