/**
 * What is said on the `file_conflict` channel, in the transaction in which the
 * conflict came about.
 *
 * | event | when |
 * | --- | --- |
 * | `overlap` | two sessions hold the same file on disk |
 * | `merge-risk` | two sessions hold the same file in two worktrees |
 * | `same-session` | two agents of one session hold the same file |
 * | `wanted` | a session asked for exclusive what others hold |
 * | `taken-over` | a session ended another's overdue hold |
 *
 * Hooks of agents say two more: `denied`, when an edit was stopped
 * (agents/denied.ts), and `overwritten`, when a command changed a file that
 * another session is at (agents/shell_edits.ts).
 *
 * A message names everyone concerned, so that each finds itself in it.
 *
 * @module
 */

import type { Json } from "../json.ts";
import type { Blocker, Hold, LockOverlap, LockRequest } from "../locks.ts";
import type { NewMessage } from "../store.ts";
import { announcement } from "./announcement.ts";

/**
 * How long the same `wanted` is not said again, in milliseconds: who asks again
 * and again is not announced again and again.
 */
export const WANTED_AGAIN_MS = 30_000;

/** Says who else holds what was just taken. */
export function conflictsOf(
  held: Hold,
  overlaps: readonly LockOverlap[],
): NewMessage[] {
  return overlaps.flatMap(({ risk, hold: other }) => {
    // Both are told, even where each works on a project of its own; who works
    // on none sees all.
    const projects = new Set([
      held.project ?? other.project,
      other.project ?? held.project,
    ]);
    return [...projects].map((project) =>
      announcement("file_conflict", held.session, project, {
        event: risk === "conflict" ? "overlap" : risk,
        path: held.path,
        sessions: [held.session, other.session],
        holds: [shown(held), shown(other)],
      })
    );
  });
}

/** Says whose locks somebody wants; undefined if nobody holds any. */
export function wanted(
  request: LockRequest,
  inTheWay: readonly Blocker[],
): NewMessage | undefined {
  const { session, target, why } = request;
  const holders = inTheWay.filter(({ state }) => state === "holds");
  if (holders.length === 0) return undefined;
  return announcement("file_conflict", session, target.project, {
    event: "wanted",
    path: target.path,
    sessions: [session, ...new Set(holders.map((holder) => holder.session))],
    worktree: target.worktree,
    why,
  });
}

/** Says whose overdue lock somebody has taken over. */
export function takenOver(request: LockRequest, ended: Hold): NewMessage {
  const { session, target, why } = request;
  return announcement("file_conflict", session, target.project, {
    event: "taken-over",
    path: target.path,
    sessions: [session, ended.session],
    holds: [shown(ended)],
    why,
  });
}

function shown(hold: Hold): Json {
  return {
    session: hold.session,
    agent: hold.agent,
    vendor: hold.vendor,
    path: hold.path,
    type: hold.type,
    task: hold.task,
    why: hold.why,
    since: hold.since,
    worktree: hold.worktree,
  };
}
