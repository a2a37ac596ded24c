/**
 * `mbus unfollow`: follows channels no longer.
 *
 * JSON, one line per channel that is still followed: `{ channel, since }`.
 *
 * @module
 */

import { type Command, defineCommand, EXIT } from "../command.ts";
import { openBusToWrite } from "../open.ts";
import { printFollowed } from "../output/followed_lines.ts";

const unfollow: Command = defineCommand({
  name: "unfollow",
  examples: ["unfollow build.results", "unfollow chat"],
  json: [{ fields: ["channel", "since"] }],
  positionals: [
    { name: "CHANNEL", help: "Channel to follow no longer", repeated: true },
  ],
  options: {},
  async run({ positionals: channels, options }) {
    await using opened = await openBusToWrite(options);
    const { sessions } = opened.bus;
    printFollowed(await sessions.unfollow(channels), options.json);
    return EXIT.done;
  },
});

export default unfollow;
