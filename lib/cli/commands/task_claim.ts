/**
 * `mbus task claim`: claims a task for this session.
 *
 * JSON: the task, with `session`, `token` and `leaseExpiresAt` of the claim.
 *
 * @module
 */

import type { OptionDeclarations } from "../arguments.ts";
import { type Command, defineCommand, EXIT } from "../command.ts";
import { openBusToHold } from "../open.ts";
import { printClaim } from "../output/task_lines.ts";

/** Option with the lease of a claim. */
export const LEASE_OPTION = {
  for: {
    kind: "duration",
    placeholder: "TIME",
    help: "Lease of the claim; renewing extends it",
    default: "30m",
  },
} as const satisfies OptionDeclarations;

const claim: Command = defineCommand({
  name: "task claim",
  exitCodes: { 1: "The task is not free" },
  json: [{ object: "task" }],
  positionals: [{ name: "ID", help: "Id of the task", values: "tasks" }],
  options: LEASE_OPTION,
  async run({ positionals: [id], options }) {
    await using opened = await openBusToHold(options);
    const { bus } = opened;
    const task = await bus.tasks.claim(id, { leaseMs: options.for });
    printClaim(task, "Claimed", options.json);
    return EXIT.done;
  },
});

export default claim;
