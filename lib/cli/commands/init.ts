/**
 * `mbus init`: creates the bus, unless it exists, and prints its folder.
 *
 * JSON: `{ location, home, created, session }`. On a server, `home` is the
 * location. `session` is the id that a command here acts for; it is not
 * registered.
 *
 * @module
 */

import { storePlace } from "../../store/place.ts";
import { type Command, defineCommand, EXIT } from "../command.ts";
import { openBusFor } from "../open.ts";
import { printJson, printLine } from "../output/output.ts";
import { visible } from "../output/visible_text.ts";

const init: Command = defineCommand({
  name: "init",
  json: [{ fields: ["location", "home", "created", "session"] }],
  positionals: [],
  options: {},
  async run({ options }) {
    const created = await storePlace({ home: options.home }).isNew();
    await using opened = await openBusFor(options);
    const location = opened.bus.location;
    const home = location.replace(/[\\/]db[\\/][^\\/]+$/, "");
    if (options.json) {
      printJson({ location, home, created, session: opened.identity.id });
    } else {
      printLine(
        created
          ? `Created the bus in ${visible(home)}.`
          : `The bus already exists in ${visible(home)}.`,
      );
    }
    return EXIT.done;
  },
});

export default init;
