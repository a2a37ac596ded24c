/**
 * `mbus task`: who does what, exactly one each.
 *
 * @module
 */

import type { Command } from "../command.ts";
import { defineGroup } from "./group.ts";

const task: Command = defineGroup({
  name: "task",
  summary: "Post tasks, and claim them: exactly one session gets each",
  details: [
    "A claim is held for 30 minutes unless --for says otherwise, renewed by " +
    "mbus task renew, and ended by done, fail or release. A task whose holder " +
    "dies or does not renew is open again.",
    "JSON is a task a line: { id, title, kind?, payload, priority, status, " +
    "dependsOn, waitsFor, attempts, postedBy, postedAt, changedAt, session?, " +
    "agent?, token?, leaseExpiresAt?, result?, project? }.",
  ],
  examples: [
    "task post 'write the parser' --id T-1 --priority 5",
    "task post 'test the parser' --id T-2 --depends T-1",
    "task next --kind test --for 1h",
    `task done T-1 '{"lines":120}'`,
  ],
  commands: {
    post: () => import("./task_post.ts"),
    claim: () => import("./task_claim.ts"),
    next: () => import("./task_next.ts"),
    renew: () => import("./task_renew.ts"),
    done: () => import("./task_done.ts"),
    fail: () => import("./task_fail.ts"),
    release: () => import("./task_release.ts"),
    list: () => import("./task_list.ts"),
    show: () => import("./task_show.ts"),
  },
});

export default task;
