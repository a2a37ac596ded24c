/**
 * The announcement that a worktree is on another branch, on `file_conflict`.
 *
 * ```json
 * { "event": "branch", "path": "/repo", "branch": "main", "was": "feature",
 *   "by": "claude-7f3a", "sessions": ["codex-12ab"] }
 * ```
 *
 * `branch` and `was` are absent on a detached head, and `by` if it is not known
 * whose process has changed it. Each session of the worktree is named, except
 * the one that has changed it.
 *
 * @module
 */

import type { BranchMove, NewMessage } from "../store.ts";
import { announcement } from "./announcement.ts";

/** Lifetime of the announcement, in seconds: a session may be idle for long. */
const TTL_SECONDS = 24 * 60 * 60;

/** Sessions that one message names, so that its payload stays small. */
const SESSIONS_MAX = 200;

/** A session whose row had another branch. */
export interface MovedSession {
  /** Its id. */
  readonly id: string;
  /** The branch in its row; absent on a detached head. */
  readonly was?: string;
  /** The project in its row. */
  readonly project?: string;
}

/** Returns the messages that tell sessions of the branch of their worktree. */
export function branchNews(
  { worktree, branch, session, isOwn }: BranchMove,
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
          by: isOwn ? session : undefined,
          sessions: some.map(({ id }) => id),
        }),
        ttlSeconds: TTL_SECONDS,
      });
    }
  }
  return messages;
}
