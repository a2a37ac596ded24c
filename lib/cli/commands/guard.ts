/**
 * `mbus guard`: makes git refuse commits and pushes of files that another session
 * holds exclusively.
 *
 * @module
 */

import type { Command } from "../command.ts";
import { defineGroup } from "./group.ts";

const guard: Command = defineGroup({
  name: "guard",
  details: [
    "Once installed, git refuses commits and pushes of files that another " +
    "live session holds exclusively. Advisory locks and locks in other " +
    "worktrees only cause a warning. An unusable bus stops no commit.",
    "The guard checks git commit (pre-commit: the staged files, also with " +
    "--amend), git merge and git pull with a merge commit (pre-merge-commit), " +
    "git am and git rebase --apply (pre-applypatch), and git push (pre-push).",
    "Commits of git cherry-pick, git revert and git rebase are found by " +
    "pre-push only, because git runs no other hook for them. pre-push checks " +
    "commits that no remote has. A fast-forward, git reset and git switch " +
    "create no commit. git's --no-verify skips the hooks.",
    'Existing hooks are kept and run first, and "mbus guard remove" restores ' +
    "them. husky and lefthook replace all hooks when they are installed again. " +
    'Run "mbus guard install" again after that, or add "mbus guard check" to ' +
    "their configuration (.husky/pre-commit, lefthook.yml).",
  ],
  examples: ["guard install", "guard status", "guard check", "guard remove"],
  commands: {
    install: () => import("./guard_install.ts"),
    status: () => import("./guard_status.ts"),
    remove: () => import("./guard_remove.ts"),
    check: () => import("./guard_check.ts"),
  },
});

export default guard;
