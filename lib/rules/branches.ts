/**
 * The announcement that a worktree is on another branch, on `file_conflict`.
 *
 * ```json
 * { "event": "branch", "path": "/repo", "branch": "main", "was": "feature",
 *   "by": "0190…7f3a", "name": "claude-7f3a", "sessions": ["codex-12ab"] }
 * ```
 *
 * `branch` and `was` are absent on a detached head. `by` and `name` are the session
 * that changed the branch; absent if unknown. `sessions` are all others of the
 * worktree.
 *
 * @module
 */

import { nameOf } from "../model/session.ts";
import { mayShareDisk } from "../model/process.ts";
import type { BranchMove } from "../model/edit.ts";
import type { NewMessage } from "../model/message.ts";
import { announcement } from "./announcement.ts";
import type { Records } from "./records.ts";
import type { Moment, Plan } from "./rule.ts";
import { requireActive } from "./sessions.ts";

/** TTL of the announcement, in seconds, because a session may idle for hours. */
const TTL_SECONDS = 24 * 60 * 60;

/** Largest number of sessions in one message, so that its payload stays small. */
const SESSIONS_MAX = 200;

/** Session whose record had another branch. */
interface MovedSession {
  /** Id of the session. */
  readonly id: string;
  /** Branch in its record; absent on a detached head. */
  readonly was?: string;
  /** Project in its record. */
  readonly project?: string;
}

/** Returns the messages that tell sessions of the branch of their worktree. */
function branchMessages(
  { worktree, branch, session, isOwn }: BranchMove,
  name: string,
  moved: readonly MovedSession[],
): NewMessage[] {
  const told = moved.filter(({ id }) => !isOwn || id !== session);
  const messages: NewMessage[] = [];
  const befores = new Set(told.map(({ was }) => was));
  for (const was of befores) {
    const those = told.filter((each) => each.was === was);
    for (let at = 0; at < those.length; at += SESSIONS_MAX) {
      const some = those.slice(at, at + SESSIONS_MAX);
      messages.push({
        ...announcement("file_conflict", session, some[0].project, {
          event: "branch",
          path: worktree,
          branch: branch ?? undefined,
          was,
          ...(isOwn && { by: session, name }),
          sessions: some.map(({ id }) => id),
        }),
        ttlSeconds: TTL_SECONDS,
      });
    }
  }
  return messages;
}

/**
 * Records the branch of a worktree with the sessions that run there, and announces
 * it to sessions whose record had another one.
 *
 * @returns Whether the record of any session changed.
 */
export function* moveBranch(
  records: Records,
  at: Moment,
  move: BranchMove,
): Plan<boolean> {
  const { worktree, branch, session: id } = move;
  const mover = yield* requireActive(records, at, "note a branch", id);
  yield [{ kind: "sessions-in", worktree }];
  const moved: MovedSession[] = [];
  for (const id of records.listed("sessions-in")) {
    const session = records.sessions.get(id)!;
    const { branch: was, project, host = null } = session;
    if (was === (branch ?? undefined)) continue;
    // The same path on another machine is another worktree.
    if (!mayShareDisk(host, at.self.host)) continue;
    const { branch: _was, ...rest } = session;
    records.sessions.set(id, branch === null ? rest : { ...rest, branch });
    moved.push({ id, was, project });
  }
  const messages = branchMessages(move, nameOf(mover), moved);
  for (const message of messages) records.say(message);
  return moved.length > 0;
}
