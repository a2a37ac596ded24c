/**
 * `mbus task fail`: ends a claimed task as failed, with the reason.
 *
 * JSON: the task, with the reason as its `result`.
 *
 * @module
 */

import { type Command, defineCommand, EXIT } from "../command.ts";
import { openBusToWrite } from "../open.ts";
import { claimOf, TOKEN_OPTION } from "../claim_lookup.ts";
import { printTask } from "../output/task_lines.ts";

const fail: Command = defineCommand({
  name: "task fail",
  details: [
    "A failed task stays failed, and tasks that depend on it keep waiting. To " +
    "let another session try, run mbus task release instead.",
  ],
  examples: ["task fail T-1 'the API is gone'"],
  exitCodes: { 1: "This session does not hold the claim" },
  json: [{ object: "task" }],
  positionals: [
    { name: "ID", help: "Id of the task", values: "tasks" },
    { name: "REASON", help: "Reason, as plain text", optional: true },
  ],
  options: TOKEN_OPTION,
  async run({ positionals: [id, reason], options }) {
    await using opened = await openBusToWrite(options);
    const { bus } = opened;
    const claim = await claimOf(bus, "fail", id, options.token);
    printTask(await bus.tasks.fail(claim, reason), "Failed", options.json);
    return EXIT.done;
  },
});

export default fail;
