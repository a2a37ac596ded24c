/**
 * Messages on the `file_conflict` channel, published in the transaction that
 * causes the conflict.
 *
 * | event | when |
 * | --- | --- |
 * | `overlap` | two sessions hold the same file on disk |
 * | `merge-risk` | two sessions hold the same file in two worktrees |
 * | `same-session` | two agents of one session hold the same file |
 * | `wanted` | a session requested an exclusive lock that others block |
 * | `taken-over` | a session ended another's overdue hold |
 *
 * Hooks of agents publish two more: `denied`, when an edit was denied
 * (hooks/denied.ts), and `overwritten`, when a command changed a file that
 * another session works on (hooks/change_notices.ts).
 *
 * A message lists every session concerned, so that each finds its own id.
 *
 * @module
 */

import type { Json } from "../model/json.ts";
import type { Blocker, Hold, LockOverlap, LockRequest } from "../model/lock.ts";
import type { NewMessage } from "../model/message.ts";
import { announcement } from "./announcement.ts";

/** Returns the messages about holds that a lock overlaps. */
export function conflictMessages(
  held: Hold,
  overlaps: readonly LockOverlap[],
): NewMessage[] {
  return overlaps.flatMap(({ risk, hold: other }) => {
    // Two messages if the sessions have different projects. A session without
    // a project reads every message.
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

/** Returns the message to the holders that block a request, if there are any. */
export function wantedMessage(
  request: LockRequest,
  blockers: readonly Blocker[],
): NewMessage | undefined {
  const { session, target, why } = request;
  const holders = blockers.filter(({ state }) => state === "holds");
  if (holders.length === 0) return undefined;
  return announcement("file_conflict", session, target.project, {
    event: "wanted",
    path: target.path,
    sessions: [session, ...new Set(holders.map((holder) => holder.session))],
    worktree: target.worktree,
    why,
  });
}

/** Returns the message to the holder of a lock that was taken over. */
export function takenOverMessage(
  request: LockRequest,
  ended: Hold,
): NewMessage {
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
    name: hold.name,
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
