/**
 * `mbus task`: a queue of tasks, each claimed by one session at a time.
 *
 * @module
 */

import type { Command } from "../command.ts";
import { defineGroup } from "./group.ts";

const task: Command = defineGroup({
  name: "task",
  details: [
    "Exactly one session gets each task. A claim lasts 30 minutes, or as long as " +
    "--for sets. mbus task renew extends it, and done, fail or release end it. A " +
    "task whose claim expires, or whose session dies, is open again.",
    "Without a subcommand, the tasks are listed.",
  ],
  examples: [
    "task post 'write the parser' --id T-1 --priority 5",
    "task post 'test the parser' --id T-2 --depends T-1",
    "task next --kind test --for 1h",
    `task done T-1 '{"lines":120}'`,
  ],
  fallback: "list",
  json: [{ object: "task" }],
  commands: {
    post: () => import("./task_post.ts"),
    edit: () => import("./task_edit.ts"),
    cancel: () => import("./task_cancel.ts"),
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
