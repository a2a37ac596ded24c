/**
 * `mbus task release`: returns a claimed task to the queue.
 *
 * JSON: the task, `open` again.
 *
 * @module
 */

import { type Command, defineCommand, EXIT } from "../command.ts";
import { openBusToWrite } from "../open.ts";
import { claimOf, TOKEN_OPTION } from "../claim_lookup.ts";
import { printTask } from "../output/task_lines.ts";

const release: Command = defineCommand({
  name: "task release",
  exitCodes: { 1: "This session does not hold the claim" },
  json: [{ object: "task" }],
  positionals: [{ name: "ID", help: "Id of the task", values: "tasks" }],
  options: TOKEN_OPTION,
  async run({ positionals: [id], options }) {
    await using opened = await openBusToWrite(options);
    const { bus } = opened;
    const claim = await claimOf(bus, "release", id, options.token);
    printTask(await bus.tasks.release(claim), "Released", options.json);
    return EXIT.done;
  },
});

export default release;
