/**
 * `mbus purge`: deletes expired messages and old sessions, all in one call.
 *
 * JSON: `{ expired, overCap, sessions }`: numbers of messages past their TTL, of
 * messages above their channel's cap, and of sessions past their retention.
 *
 * @module
 */

import { type Command, defineCommand, EXIT } from "../command.ts";
import { openBusFor } from "../open.ts";
import { printJson, printLine } from "../output/output.ts";

const purge: Command = defineCommand({
  name: "purge",
  details: [
    "The bus also does this by itself, in small steps with its messages.",
  ],
  json: [{ fields: ["expired", "overCap", "sessions"] }],
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
