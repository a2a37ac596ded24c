/**
 * `mbus task renew`: extends the lease of a claim, from now.
 *
 * JSON: the task, with the claim's new `leaseExpiresAt`.
 *
 * @module
 */

import { type Command, defineCommand, EXIT } from "../command.ts";
import { openBusToWrite } from "../open.ts";
import { LEASE_OPTION } from "./task_claim.ts";
import { claimOf, TOKEN_OPTION } from "../claim_lookup.ts";
import { printClaim } from "../output/task_lines.ts";

const renew: Command = defineCommand({
  name: "task renew",
  exitCodes: { 1: "This session does not hold the claim" },
  json: [{ object: "task" }],
  positionals: [{ name: "ID", help: "Id of the task", values: "tasks" }],
  options: { ...LEASE_OPTION, ...TOKEN_OPTION },
  async run({ positionals: [id], options }) {
    await using opened = await openBusToWrite(options);
    const { bus } = opened;
    const claim = await claimOf(bus, "renew", id, options.token);
    const task = await bus.tasks.renew(claim, options.for);
    printClaim(task, "Renewed", options.json);
    return EXIT.done;
  },
});

export default renew;
