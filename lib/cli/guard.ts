/**
 * `mbus guard`: git refuses to commit or push what another session has locked
 * exclusively.
 *
 * @module
 */

import type { Command } from "./command.ts";
import { defineGroup } from "./group.ts";

const guard: Command = defineGroup({
  name: "guard",
  summary: "Keep git from committing what another session has locked",
  details: [
    "Once installed, git commit and git push are refused for files that " +
    "another living session holds exclusively; advisory locks, and locks in " +
    "other worktrees, are only warned of. A bus that cannot be used stops " +
    "nobody. git's --no-verify passes by.",
    "Hooks that were there are kept, run first, and put back by remove.",
  ],
  examples: ["guard install", "guard check", "guard remove"],
  commands: {
    install: () => import("./guard_install.ts"),
    remove: () => import("./guard_remove.ts"),
    check: () => import("./guard_check.ts"),
  },
});

export default guard;
