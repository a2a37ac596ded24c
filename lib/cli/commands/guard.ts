/**
 * `mbus guard`: git refuses to commit or push what another session has locked
 * exclusively.
 *
 * @module
 */

import type { Command } from "../command.ts";
import { defineGroup } from "./group.ts";

const guard: Command = defineGroup({
  name: "guard",
  summary: "Keep git from committing what another session has locked",
  details: [
    "Once installed, git refuses commits and pushes of files that another " +
    "living session holds exclusively. Advisory locks, and locks in other " +
    "worktrees, are only warned of. A bus that cannot be used stops nothing.",
    "Checked are git commit, also with --amend (pre-commit: what is staged, " +
    "not what the amended commit has already), git merge and git pull that " +
    "make a commit (pre-merge-commit), git am and git rebase --apply " +
    "(pre-applypatch), and git push (pre-push).",
    "Only pre-push finds what git cherry-pick, git revert and git rebase " +
    "commit, because git runs no hook of these before a commit. It looks at " +
    "commits that no remote has. A fast-forward, git reset and git switch make " +
    "no commit, and git's --no-verify skips the hooks.",
    "Hooks that were there are kept, run first, and put back by remove. husky " +
    "and lefthook replace all hooks when they are installed again, so run " +
    'install again then; or put "mbus guard check" into their own ' +
    "configuration (.husky/pre-commit, lefthook.yml).",
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
