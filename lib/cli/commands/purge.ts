/**
 * `mbus purge`: deletes what is over, to the end.
 *
 * JSON: `{ expired, overCap, sessions }`: messages whose TTL was over, messages
 * above their channel's cap, rows of sessions that ended long ago.
 *
 * @module
 */

import { type Command, defineCommand, EXIT } from "../command.ts";
import { openBusFor } from "../open.ts";
import { printJson, printLine } from "../output/output.ts";

const purge: Command = defineCommand({
  name: "purge",
  summary: "Delete what is over",
  details: [
    "The bus does this by itself, a little with each message; nobody needs to.",
  ],
  positionals: [],
  options: {},
  async run({ options }) {
    await using opened = await openBusFor(options);
    const { expired, overCap, sessions } = await opened.bus.purge();
    if (options.json) printJson({ expired, overCap, sessions });
    else {
      printLine(
        `Deleted ${expired} expired messages, ${overCap} above their ` +
          `channel's cap, and ${sessions} ended sessions.`,
      );
    }
    return EXIT.done;
  },
});

export default purge;
