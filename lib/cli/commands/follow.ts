/**
 * `mbus follow`: follows channels, or lists the followed ones.
 *
 * JSON, one line per followed channel: `{ channel, since }`.
 *
 * @module
 */

import { type Command, defineCommand, EXIT } from "../command.ts";
import { openBusFor, openBusToWrite } from "../open.ts";
import { printFollowed } from "../output/followed_lines.ts";

const follow: Command = defineCommand({
  name: "follow",
  details: [
    "The hooks of this session tell its model each message of a followed channel " +
    "once, from now on. Every session follows chat.",
  ],
  examples: ["follow build.results", "follow"],
  json: [{ fields: ["channel", "since"] }],
  positionals: [{
    name: "CHANNEL",
    help: "Channel to follow",
    default: "list them",
    optional: true,
    repeated: true,
  }],
  options: {},
  async run({ positionals: channels, options }) {
    if (channels.length === 0) {
      await using opened = await openBusFor(options);
      const { sessions } = opened.bus;
      printFollowed(await sessions.followed(), options.json);
      return EXIT.done;
    }
    await using opened = await openBusToWrite(options);
    const { sessions } = opened.bus;
    printFollowed(await sessions.follow(channels), options.json);
    return EXIT.done;
  },
});

export default follow;
