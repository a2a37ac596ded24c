/**
 * `mbus task done`: completes a claimed task, with a result.
 *
 * JSON: the task, with its `result`.
 *
 * @module
 */

import { type Command, defineCommand, EXIT } from "../command.ts";
import { openBusToWrite } from "../open.ts";
import { readPayload } from "../payload.ts";
import { claimOf, TOKEN_OPTION } from "../claim_lookup.ts";
import { printTask } from "../output/task_lines.ts";

const done: Command = defineCommand({
  name: "task done",
  details: ["Tasks that wait for no other task can then be claimed."],
  examples: ["task done T-1", `task done T-1 '{"commit":"4f1c2d"}'`],
  exitCodes: { 1: "This session does not hold the claim" },
  json: [{ object: "task" }],
  positionals: [
    { name: "ID", help: "Id of the task", values: "tasks" },
    {
      name: "JSON",
      help: "Result; - reads it from standard input",
      optional: true,
    },
  ],
  options: TOKEN_OPTION,
  async run({ positionals: [id, text], options }) {
    const result = text === undefined ? undefined : await readPayload(text, {
      act: `complete task "${id}"`,
      usage: `mbus task done ${id}`,
    });
    await using opened = await openBusToWrite(options);
    const { bus } = opened;
    const claim = await claimOf(bus, "complete", id, options.token);
    printTask(await bus.tasks.complete(claim, result), "Done", options.json);
    return EXIT.done;
  },
});

export default done;
