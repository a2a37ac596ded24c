/**
 * `mbus name`: prints the name of this session, or gives it another one.
 *
 * JSON: the session, with the stored fields of `sessions`.
 *
 * @module
 */

import { nameOf } from "../../model/session.ts";
import { type Command, defineCommand, EXIT } from "../command.ts";
import { openBusToWrite } from "../open.ts";
import { printJson, printLine } from "../output/output.ts";
import { visible } from "../output/visible_text.ts";

const name: Command = defineCommand({
  name: "name",
  details: [
    "A chosen name has 1 to 32 letters, digits and . _ - and belongs to the " +
    "project. The next session that takes it gets the messages that this one " +
    "leaves unread.",
  ],
  examples: ["name", "name backend"],
  json: [{ object: "session" }],
  positionals: [{
    name: "NAME",
    help: "New name",
    default: "print the present one",
    optional: true,
  }],
  options: {},
  async run({ positionals: [chosen], options }) {
    await using opened = await openBusToWrite(options);
    const { bus, identity } = opened;
    const present = identity.joined ?? await bus.sessions.register();
    const session = chosen === undefined
      ? present
      : await bus.sessions.rename(chosen);
    if (options.json) printJson(session);
    else printLine(visible(nameOf(session)));
    return EXIT.done;
  },
});

export default name;
