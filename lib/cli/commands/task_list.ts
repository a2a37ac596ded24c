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
import { SessionNames } from "../session_names.ts";
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
    if (options.quiet && !options.json) {
      tasks.forEach(({ id }) => printLine(visible(id)));
      return EXIT.done;
    }
    const names = new SessionNames(bus, options.long);
    await names.learn(
      tasks.flatMap(({ session, assignedTo }) => [session, assignedTo]),
    );
    if (options.json) {
      tasks.forEach((task) => printJson(names.namedTask(task)));
    } else if (tasks.length === 0) printLine("No tasks.");
    else taskTable(tasks, (id) => names.shown(id)).forEach(printLine);
    return EXIT.done;
  },
});

export default list;
