/**
 * `mbus task next`: claims the next free task.
 *
 * JSON: the task, with `session`, `token` and `leaseExpiresAt` of the claim. Exit
 * code 1 if no task is free.
 *
 * @module
 */

import { type Command, defineCommand, EXIT } from "../command.ts";
import { openBusToHold } from "../open.ts";
import { RefusalError } from "../refusal.ts";
import { LEASE_OPTION } from "./task_claim.ts";
import { printClaim } from "../output/task_lines.ts";

const next: Command = defineCommand({
  name: "task next",
  details: [
    "The next task is the oldest of the highest priority. Tasks that wait for " +
    "others are not free. Exit code 1 means that no task is free.",
  ],
  exitCodes: { 1: "No task is free" },
  json: [{ object: "task" }],
  positionals: [],
  options: {
    ...LEASE_OPTION,
    kind: {
      kind: "string",
      placeholder: "K",
      help: "Kind of the task",
      default: "any",
    },
    "priority-min": {
      kind: "integer",
      min: Number.MIN_SAFE_INTEGER,
      placeholder: "N",
      help: "Minimum priority",
      default: "any",
    },
  },
  async run({ options }) {
    await using opened = await openBusToHold(options);
    const { bus } = opened;
    const task = await bus.tasks.claimNext({
      leaseMs: options.for,
      filter: { kind: options.kind, priorityMin: options["priority-min"] },
    });
    if (task === undefined) {
      throw new RefusalError(
        "Cannot claim a task: no task is free. Try again later, or list the " +
          'tasks with "mbus task list".',
      );
    }
    printClaim(task, "Claimed", options.json);
    return EXIT.done;
  },
});

export default next;
