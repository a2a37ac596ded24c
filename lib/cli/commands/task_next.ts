/**
 * `mbus task next`: claims the free task that comes first.
 *
 * JSON: the task, with `session`, `token` and `leaseExpiresAt` of the claim.
 * With nothing free it ends with 1.
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
  summary: "Claim the free task that comes first",
  details: [
    "First comes the highest priority, then the oldest. Tasks that wait for " +
    "others are not free. With nothing free it ends with exit code 1.",
  ],
  positionals: [],
  options: {
    ...LEASE_OPTION,
    kind: { kind: "string", placeholder: "K", help: "Only of this kind" },
    "priority-min": {
      kind: "integer",
      least: Number.MIN_SAFE_INTEGER,
      placeholder: "N",
      help: "Only with at least this priority",
    },
  },
  async run({ options }) {
    await using opened = await openBusToHold(options);
    const task = await opened.bus.tasks.claimNext({
      leaseMs: options.for,
      filter: { kind: options.kind, priorityMin: options["priority-min"] },
    });
    if (task === undefined) {
      throw new RefusalError(
        "Cannot claim a task: none is free; try again later, or see what there " +
          'is with "mbus task list".',
      );
    }
    printClaim(task, "Claimed", options.json);
    return EXIT.done;
  },
});

export default next;
