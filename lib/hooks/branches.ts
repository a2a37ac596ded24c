/**
 * Branch changes: each session of a worktree is told once, at its next step, and
 * its row shows the new branch.
 *
 * HEAD is compared with the row after a shell command, at a prompt and at the
 * start of a session. This file is loaded only where the two differ.
 *
 * @module
 */

import { headAt } from "../path/repository.ts";
import type { HookContext } from "./hook_context.ts";
import { hasOtherBranch } from "./registration.ts";
import { type TreeCommand, worktreeAt } from "./whole_tree.ts";

/** Commands after which a worktree may be on another branch. */
const CHANGES_BRANCH =
  /^git (switch|checkout|rebase|bisect|symbolic-ref|pull|stash branch)\b/;

/**
 * Notes the branch of the session's worktree, and of the worktrees in which it
 * has just run one of `commands`. Announces each change.
 */
export async function noteBranches(
  hook: HookContext,
  commands: readonly TreeCommand[],
): Promise<void> {
  const { session, store } = hook;
  const own = new Set(
    commands.filter(({ command }) => CHANGES_BRANCH.test(command))
      .map(({ folder }) => worktreeAt(folder))
      .filter((worktree) => worktree !== undefined),
  );
  const worktrees = new Set(own);
  if (session.worktree !== undefined && hasOtherBranch(session)) {
    worktrees.add(session.worktree);
  }
  for (const worktree of worktrees) {
    const head = headAt(worktree);
    if (head === undefined) continue;
    await store.moveBranch({
      worktree,
      branch: head.branch ?? null,
      session: session.id,
      isOwn: own.has(worktree),
    });
  }
}
