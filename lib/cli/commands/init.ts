/**
 * `mbus init`: makes the bus if it is new, and says where it is.
 *
 * JSON: `{ location, home, created, session }`; on a server `home` is the
 * location, too. `session` is the id that this
 * place would act for, nothing is registered.
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
  summary: "Make the bus, if it is new, and say where it is",
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
          ? `Made the bus in ${visible(home)}.`
          : `The bus is in ${visible(home)} already.`,
      );
    }
    return EXIT.done;
  },
});

export default init;
