/**
 * `mbus task done`: ends a claimed task, with what came of it.
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
  summary: "End a claimed task as done",
  details: ["What depends on it alone can be claimed from then on."],
  examples: ["task done T-1", `task done T-1 '{"commit":"4f1c2d"}'`],
  positionals: [
    { name: "ID", help: "The task" },
    {
      name: "JSON",
      help: "What came of it; - reads it from standard input",
      optional: true,
    },
  ],
  options: TOKEN_OPTION,
  async run({ positionals: [id, text], options }) {
    const result = text === undefined ? undefined : await readPayload(text, {
      act: `end task "${id}"`,
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
