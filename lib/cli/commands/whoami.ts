/**
 * `mbus whoami`: prints the session that commands here act for.
 *
 * @module
 */

import { nameOf } from "../../model/session.ts";
import { type Command, defineCommand, EXIT } from "../command.ts";
import { openBusFor } from "../open.ts";
import { printJson, printLine, printToStderr } from "../output/output.ts";
import { visible } from "../output/visible_text.ts";

const whoami: Command = defineCommand({
  name: "whoami",
  details: [
    "The session is that of --session or MBUS_SESSION, else of the agent's own " +
    "variable, else of the nearest agent or registered process above this " +
    "command, else of the terminal's shell.",
  ],
  examples: ["whoami", "whoami --json"],
  json: [{ fields: ["session", "name?", "vendor", "registered", "project?"] }],
  positionals: [],
  options: {},
  async run({ options }) {
    await using opened = await openBusFor(options);
    const { id, vendor, joined } = opened.identity;
    const registered = joined !== undefined;
    if (options.json) {
      const { project } = opened.place;
      const name = joined && nameOf(joined);
      printJson({ session: id, name, vendor, registered, project });
      return EXIT.done;
    }
    const isNamed = joined !== undefined && !options.long;
    printLine(visible(isNamed ? nameOf(joined) : id));
    if (!registered) {
      printToStderr(
        `mbus: This session is not registered yet. Its first message, lock or ` +
          `task registers it.`,
      );
    }
    return EXIT.done;
  },
});

export default whoami;
