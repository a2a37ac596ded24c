/**
 * `mbus task cancel`: fails a task that has not ended.
 *
 * JSON: the task, with the reason as its `result`.
 *
 * @module
 */

import { type Command, defineCommand, EXIT } from "../command.ts";
import { openBusToWrite } from "../open.ts";
import { printTask } from "../output/task_lines.ts";

const cancel: Command = defineCommand({
  name: "task cancel",
  details: [
    "Any session can cancel an open or a claimed task. Its status is failed, its " +
    "claim is lost, and tasks that depend on it keep waiting.",
  ],
  examples: ["task cancel T-1 'no longer needed'"],
  exitCodes: { 1: "The task does not exist, or has ended" },
  json: [{ object: "task" }],
  positionals: [
    { name: "ID", help: "Id of the task", values: "tasks" },
    {
      name: "REASON",
      help: "Reason, as plain text",
      default: "cancelled",
      optional: true,
    },
  ],
  options: {},
  async run({ positionals: [id, reason], options }) {
    await using opened = await openBusToWrite(options);
    const { bus } = opened;
    printTask(await bus.tasks.cancel(id, reason), "Cancelled", options.json);
    return EXIT.done;
  },
});

export default cancel;
