/**
 * `mbus task list`: lists the tasks, in the order in which they are claimed.
 *
 * JSON, one line per task, with the fields that `mbus help task` lists.
 *
 * @module
 */

import type { TaskStatus } from "../../model/task.ts";
import { type Command, defineCommand, EXIT } from "../command.ts";
import { openBusFor } from "../open.ts";
import { printJson, printLine } from "../output/output.ts";
import { visible } from "../output/visible_text.ts";
import { taskTable } from "../output/task_lines.ts";

const list: Command = defineCommand({
  name: "task list",
  json: [{ object: "task" }],
  positionals: [],
  options: {
    status: {
      kind: "choice",
      choices: ["open", "claimed", "done", "failed"],
      help: "Status of the tasks",
      default: "all",
    },
    quiet: { kind: "flag", short: "q", help: "Print ids only" },
    kind: {
      kind: "string",
      placeholder: "K",
      help: "Kind of the tasks",
      default: "all",
    },
  },
  async run({ options }) {
    await using opened = await openBusFor(options);
    const { bus } = opened;
    const tasks = await bus.tasks.list({
      status: options.status as TaskStatus | undefined,
      kind: options.kind,
      allProjects: options["all-projects"],
    });
    if (options.json) tasks.forEach(printJson);
    else if (options.quiet) tasks.forEach(({ id }) => printLine(visible(id)));
    else if (tasks.length === 0) printLine("No tasks.");
    else taskTable(tasks).forEach(printLine);
    return EXIT.done;
  },
});

export default list;
