/**
 * `mbus task edit`: changes fields of an open task.
 *
 * JSON: the changed task.
 *
 * @module
 */

import { UsageError } from "../arguments.ts";
import { type Command, defineCommand, EXIT } from "../command.ts";
import { openBusToWrite } from "../open.ts";
import { printTask } from "../output/task_lines.ts";
import { PAYLOAD_OPTIONS, payloadOf } from "../task_payload.ts";

const edit: Command = defineCommand({
  name: "task edit",
  details: ["A claimed task has to be released first."],
  examples: [
    "task edit T-1 --priority 9",
    "task edit T-1 --title 'write the parser' --body - < notes.md",
  ],
  exitCodes: { 1: "The task does not exist, or is not open" },
  json: [{ object: "task" }],
  positionals: [{ name: "ID", help: "Id of the task", values: "tasks" }],
  options: {
    title: { kind: "string", placeholder: "TEXT", help: "Title, on one line" },
    kind: { kind: "string", placeholder: "K", help: "Kind of work" },
    priority: {
      kind: "integer",
      min: Number.MIN_SAFE_INTEGER,
      placeholder: "N",
      help: "Priority; the highest is claimed first",
    },
    ...PAYLOAD_OPTIONS,
    assign: {
      kind: "string",
      placeholder: "SESSION",
      values: "sessions",
      help: "Only session that may claim it",
    },
    unassign: { kind: "flag", help: "Let any session claim it" },
  },
  async run({ positionals: [id], options }) {
    const { title, kind, priority } = options;
    const payload = await payloadOf(options, {
      act: `edit task "${id}"`,
      usage: `mbus task edit ${id}`,
    });
    if (options.unassign && options.assign !== undefined) {
      throw new UsageError(
        "unassign",
        `Cannot edit task "${id}": --assign and --unassign are both given. Leave ` +
          `one out.`,
      );
    }
    const assign = options.unassign ? null : options.assign;
    const changes = { title, kind, priority, payload, assign };
    if (Object.values(changes).every((value) => value === undefined)) {
      throw new UsageError(
        "option",
        `Cannot edit task "${id}": the changes are missing. Pass --title, --kind, ` +
          `--priority, --payload, --body, --assign or --unassign.`,
      );
    }
    await using opened = await openBusToWrite(options);
    const { bus } = opened;
    printTask(await bus.tasks.edit(id, changes), "Edited", options.json);
    return EXIT.done;
  },
});

export default edit;
