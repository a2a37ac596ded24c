/**
 * `mbus poll`: prints the messages that a channel keeps.
 *
 * JSON: a line for each message, as `tail` has it. The `id` of the last one is
 * what `--after` goes on from.
 *
 * @module
 */

import { type Command, defineCommand, EXIT } from "../command.ts";
import { MessageLines } from "../output/message_lines.ts";
import { openBusFor } from "../open.ts";
import { printJson, printLine } from "../output/output.ts";

const poll: Command = defineCommand({
  name: "poll",
  summary: "Print the messages that a channel keeps",
  examples: ["poll state", "poll build.results --after 41 --limit 10"],
  positionals: [{ name: "CHANNEL", help: "The channel to read" }],
  options: {
    after: {
      kind: "string",
      placeholder: "ID",
      help: "Only what came after this message",
    },
    limit: {
      kind: "integer",
      least: 1,
      placeholder: "N",
      help: "At most so many, the oldest first (else 100)",
    },
  },
  async run({ positionals: [channel], options }) {
    await using opened = await openBusFor(options);
    const { messages } = await opened.bus.poll(channel, {
      after: options.after,
      limit: options.limit,
      allProjects: options["all-projects"],
    });
    const lines = new MessageLines();
    for (const message of messages) {
      if (options.json) printJson(message);
      else printLine(lines.render(message));
    }
    return EXIT.done;
  },
});

export default poll;
