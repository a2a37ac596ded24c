/**
 * `mbus poll`: prints the stored messages of a channel.
 *
 * JSON, one line per message, with the fields of `tail`. Pass the `id` of the last
 * one to `--after` for the next page.
 *
 * @module
 */

import { type Command, defineCommand, EXIT } from "../command.ts";
import { MessageLines } from "../output/message_lines.ts";
import { openBusFor } from "../open.ts";
import { printJson, printLine } from "../output/output.ts";
import { SessionNames } from "../session_names.ts";

const poll: Command = defineCommand({
  name: "poll",
  examples: ["poll state", "poll build.results --after 41 --limit 10"],
  json: [{ object: "message" }],
  positionals: [{ name: "CHANNEL", help: "Channel to read" }],
  options: {
    after: {
      kind: "string",
      placeholder: "ID",
      help: "Start after this message",
      default: "the oldest",
    },
    limit: {
      kind: "integer",
      short: "n",
      min: 1,
      placeholder: "N",
      help: "Maximum number of messages",
      default: "100",
    },
  },
  async run({ positionals: [channel], options }) {
    await using opened = await openBusFor(options);
    const { messages } = await opened.bus.poll(channel, {
      after: options.after,
      limit: options.limit,
      allProjects: options["all-projects"],
    });
    const names = new SessionNames(opened.bus, options.long);
    await names.learnFrom(messages);
    const lines = new MessageLines({
      isLive: false,
      shown: (id) => names.shown(id),
    });
    for (const message of messages) {
      if (options.json) printJson(names.named(message));
      else printLine(lines.render(message));
    }
    return EXIT.done;
  },
});

export default poll;
