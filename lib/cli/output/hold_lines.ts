/**
 * Holds and blocked locks, as lines for people and as JSON.
 *
 * @module
 */

import type { Blocker, Hold, LockOverlap } from "../../model/lock.ts";
import { renderDuration } from "../duration.ts";
import { timeOf } from "./message_lines.ts";
import { printToStderr } from "./output.ts";
import { visible, visibleJson } from "./visible_text.ts";

/** A hold in JSON output, without its path sets, which are internal. */
export type HoldJson = Omit<Hold, "pathSets">;

/** Returns a hold for JSON output. */
export function holdJson(hold: Hold): HoldJson {
  const { pathSets: _, ...printed } = hold;
  return printed;
}

/** Returns a path, relative to the working folder if it is below that. */
export function shownPath(path: string): string {
  const folder = Deno.cwd();
  return path.startsWith(`${folder}/`) ? path.slice(folder.length + 1) : path;
}

/** Returns the age of a time, such as `4m 10s`. */
export function ageOf(iso: string): string {
  const age = Date.now() - Date.parse(iso);
  return Number.isNaN(age) ? "?" : renderDuration(Math.max(0, age));
}

/** Returns the remaining time of a lease: `in 4m 10s` or `overdue 3m`. */
export function expiryOf(hold: Pick<Hold, "expiresAt" | "overdue">): string {
  const leftMs = Date.parse(hold.expiresAt) - Date.now();
  return hold.overdue || leftMs < 0
    ? `overdue ${renderDuration(Math.max(0, -leftMs))}`
    : `in ${renderDuration(leftMs)}`;
}

/**
 * Returns a sentence about a hold: `codex-7f3a (codex) holds src/a.ts
 * exclusively since 14:03:10 until 14:13:10, on task T-1 ("refactoring")`.
 */
export function holderPhrase(
  holder: Blocker | Hold,
): string {
  const { name, vendor, type, path, since, expiresAt, task, why } = holder;
  const waits = "state" in holder && holder.state === "waits";
  return visible(
    `${name} (${vendor}) ${waits ? "waits for" : "holds"} ` +
      `${shownPath(path)} ${
        type === "exclusive" ? "exclusively" : "as an advisory lock"
      } since ${timeOf(since)}` +
      (expiresAt === undefined
        ? ""
        : `${holder.overdue ? ", overdue since" : " until"} ${
          timeOf(expiresAt)
        }`) +
      (task === undefined ? "" : `, on task ${task}`) +
      (why === undefined ? "" : ` (${JSON.stringify(why)})`),
  );
}

/** Prints on standard error which sessions block a lock. */
export function printWaiting(
  path: string,
  blockers: readonly Blocker[],
  json: boolean,
): void {
  printToStderr(
    json
      ? visibleJson({ waiting: { path, blockers } })
      : `mbus: waiting for ${visible(path)}: ${
        blockers.map(holderPhrase).join("; ")
      }`,
  );
}

const RISKS: Readonly<Record<LockOverlap["risk"], string>> = {
  "conflict": "conflict",
  "merge-risk": "merge risk, in another worktree",
  "same-session": "another agent of this session",
};

/** Warns on standard error of holds that overlap a new lock. */
export function warnOfOverlaps(overlaps: readonly LockOverlap[]): void {
  for (const { risk, hold } of overlaps) {
    printToStderr(`mbus: ${RISKS[risk]}: ${holderPhrase(hold)}`);
  }
}
