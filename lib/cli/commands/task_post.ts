/**
 * `mbus task post`: posts a task for any session.
 *
 * JSON: the task, with the fields that `mbus help task` lists.
 *
 * @module
 */

import { type Command, defineCommand, EXIT } from "../command.ts";
import { TASK } from "../json_fields.ts";
import { openBusToWrite } from "../open.ts";
import { printJson, printLine } from "../output/output.ts";
import { readPayload } from "../payload.ts";

const post: Command = defineCommand({
  name: "task post",
  examples: [
    "task post 'write the parser' --id T-1 --kind code --priority 5",
    `task post 'test it' --depends T-1,T-2 --payload '{"on":"src/a.ts"}'`,
  ],
  exitCodes: { 1: "A task has this id" },
  json: [{ fields: TASK }],
  positionals: [{ name: "TITLE", help: "Title of the task, on one line" }],
  options: {
    id: {
      kind: "string",
      placeholder: "ID",
      help: "Id, unique in the project",
      default: "generated",
    },
    kind: {
      kind: "string",
      placeholder: "K",
      help: "Kind of work, by which sessions choose",
      default: "none",
    },
    priority: {
      kind: "integer",
      min: Number.MIN_SAFE_INTEGER,
      placeholder: "N",
      help: "Priority; the highest is claimed first",
      default: "0",
    },
    depends: {
      kind: "list",
      placeholder: "ID,…",
      values: "tasks",
      help: "Tasks that must be done first; can be given repeatedly",
    },
    payload: {
      kind: "string",
      placeholder: "JSON",
      help: "Data of the task; - reads it from standard input",
    },
  },
  async run({ positionals: [title], options }) {
    const { id, kind, priority, depends } = options;
    const payload = options.payload === undefined
      ? undefined
      : await readPayload(options.payload, {
        act: "post a task",
        usage: "mbus task post TITLE --payload",
      });
    await using opened = await openBusToWrite(options);
    const { bus } = opened;
    const task = await bus.tasks.post({
      id,
      title,
      kind,
      priority,
      dependsOn: depends,
      payload,
    });
    if (options.json) printJson(task);
    else printLine(task.id);
    return EXIT.done;
  },
});

export default post;
