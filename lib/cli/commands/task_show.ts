/**
 * `mbus task show`: prints all fields of a task.
 *
 * JSON: the task, with the fields that `mbus help task` lists.
 *
 * @module
 */

import { type Command, defineCommand, EXIT } from "../command.ts";
import { openBusFor } from "../open.ts";
import { printJson, printLine } from "../output/output.ts";
import { SessionNames } from "../session_names.ts";
import { taskOf } from "../claim_lookup.ts";
import { taskLines } from "../output/task_lines.ts";

const show: Command = defineCommand({
  name: "task show",
  exitCodes: { 1: "No task has this id" },
  json: [{ object: "task" }],
  positionals: [{ name: "ID", help: "Id of the task", values: "tasks" }],
  options: {},
  async run({ positionals: [id], options }) {
    await using opened = await openBusFor(options);
    const task = await taskOf(opened.bus, "show", id);
    const names = new SessionNames(opened.bus, options.long);
    await names.learn([task.postedBy, task.session, task.assignedTo]);
    if (options.json) printJson(names.namedTask(task));
    else taskLines(task, (id) => names.shown(id)).forEach(printLine);
    return EXIT.done;
  },
});

export default show;
