/**
 * `mbus task post`: posts a task for any session, or several from standard input.
 *
 * JSON: each task, with the fields that `mbus help task` lists.
 *
 * @module
 */

import type { Batch } from "../../bus/batch.ts";
import { InvalidInputError } from "../../model/errors.ts";
import type { NewTask } from "../../model/task.ts";
import { UsageError } from "../arguments.ts";
import { type Command, defineCommand, EXIT } from "../command.ts";
import { openBusToWrite } from "../open.ts";
import { printJson, printLine } from "../output/output.ts";
import { readStdin } from "../payload.ts";
import { lineError, tasksIn } from "../task_input.ts";
import { PAYLOAD_OPTIONS, payloadOf } from "../task_payload.ts";

const post: Command = defineCommand({
  name: "task post",
  details: [
    "With - as the title, tasks come from standard input: a title a line, or a " +
    "JSON object a line with title, id, kind, priority, dependsOn, payload, " +
    "assign and ifAbsent. Options set what a line leaves out. All tasks are posted, or none.",
  ],
  examples: [
    "task post 'write the parser' --id T-1 --kind code --priority 5",
    `task post 'test it' --depends T-1,T-2 --payload '{"on":"src/a.ts"}'`,
    "task post - --kind code < titles.txt",
  ],
  exitCodes: { 1: "A task has this id" },
  json: [{ object: "task" }],
  positionals: [{
    name: "TITLE",
    help: "Title of the task, on one line; - reads several tasks",
  }],
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
    ...PAYLOAD_OPTIONS,
    assign: {
      kind: "string",
      placeholder: "SESSION",
      values: "sessions",
      help: "Only session that may claim it",
      default: "any",
    },
    "if-absent": {
      kind: "flag",
      help: "Print the task that has the id, instead of failing",
    },
  },
  async run({ positionals: [title], options }) {
    const isList = title === "-";
    if (isList) assertListOptions(options);
    const payload = await payloadOf(options, {
      act: "post a task",
      usage: "mbus task post TITLE",
    });
    const fields = {
      id: options.id,
      kind: options.kind,
      priority: options.priority,
      dependsOn: options.depends,
      payload,
      ifAbsent: options["if-absent"],
      assign: options.assign,
    };
    const written = isList
      ? tasksIn(await readStdin("post tasks"), fields)
      : undefined;
    await using opened = await openBusToWrite(options);
    const { bus } = opened;
    const tasks = written === undefined
      ? [await bus.tasks.post({ ...fields, title })]
      : (await bus.batch((batch) => {
        for (const { line, task } of written) postLine(batch, line, task);
      })).tasks;
    if (options.json) tasks.forEach(printJson);
    else tasks.forEach(({ id }) => printLine(id));
    return EXIT.done;
  },
});

function assertListOptions(
  { id, payload, body }: {
    readonly id?: string;
    readonly payload?: string;
    readonly body?: string;
  },
): void {
  const fail = (option: string, state: string, remedy: string) => {
    throw new UsageError(
      option,
      `Cannot post tasks: ${state}. ${remedy}.`,
    );
  };
  if (id !== undefined) {
    fail("id", "--id names one task", "Pipe JSON objects with an id");
  }
  if (payload === "-" || body === "-") {
    fail(
      "payload",
      "standard input has the tasks",
      "Pipe JSON objects with a payload",
    );
  }
}

function postLine(batch: Batch, line: number, task: NewTask): void {
  try {
    batch.post(task);
  } catch (error) {
    if (!(error instanceof InvalidInputError)) throw error;
    throw lineError(line, error.message);
  }
}

export default post;
