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
 * A message names everyone concerned, so that each finds itself in it.
 *
 * @module
 */

import { ttlOf } from "../channels.ts";
import type { Json } from "../json.ts";
import type { Blocker, Hold, LockOverlap, LockRequest } from "../locks.ts";
import type { Transaction } from "./transaction.ts";

const CHANNEL = "file_conflict";

// Who asks again and again is not announced again and again.
const WANTED_AGAIN_MS = 30_000;

/** Says who else holds what was just taken. */
export function announceConflict(
  tx: Transaction,
  held: Hold,
  overlaps: readonly LockOverlap[],
): void {
  for (const { risk, hold: other } of overlaps) {
    // Both are told, even where each works on a project of its own; who works
    // on none sees all.
    const projects = new Set([
      held.project ?? other.project,
      other.project ?? held.project,
    ]);
    for (const project of projects) {
      say(tx, held.session, project, {
        event: risk === "conflict" ? "overlap" : risk,
        path: held.path,
        sessions: [held.session, other.session],
        holds: [shown(held), shown(other)],
      });
    }
  }
}

/** Tells holders that somebody wants theirs, or has taken it over. */
export function tellHolders(
  tx: Transaction,
  request: LockRequest,
  inTheWay: readonly Blocker[],
  takenOver?: Hold,
): void {
  const { session, target } = request;
  if (takenOver !== undefined) {
    say(tx, session, target.project, {
      event: "taken-over",
      path: target.path,
      sessions: [session, takenOver.session],
      holds: [shown(takenOver)],
      why: request.why,
    });
    return;
  }
  const holders = inTheWay.filter(({ state }) => state === "holds");
  if (holders.length === 0) return;
  const payload: Json = {
    event: "wanted",
    path: target.path,
    sessions: [session, ...new Set(holders.map((holder) => holder.session))],
    why: request.why,
  };
  if (!saidLately(tx, session, payload)) {
    say(tx, session, target.project, payload);
  }
}

function saidLately(tx: Transaction, session: string, payload: Json): boolean {
  return tx.connection.sql(
    `SELECT 1 FROM inter_session_messages
     WHERE channel = '${CHANNEL}' AND sender_id = ? AND payload = ?
       AND created_at > ? LIMIT 1`,
  ).get(
    session,
    JSON.stringify(payload),
    new Date(tx.nowMs - WANTED_AGAIN_MS).toISOString(),
  ) !== undefined;
}

function say(
  tx: Transaction,
  session: string,
  project: string | undefined,
  payload: Json,
): void {
  tx.append({
    sender: session,
    channel: CHANNEL,
    payloadText: JSON.stringify(payload),
    ttlSeconds: ttlOf(CHANNEL),
    project: project ?? null,
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
