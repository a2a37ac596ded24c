/**
 * `mbus init`: makes the bus if it is new, and says where it is.
 *
 * JSON: `{ location, home, created, session }`; on a server `home` is the
 * location, too. `session` is the id that this
 * place would act for, nothing is registered.
 *
 * @module
 */

import { messagingDbPath } from "../../sqlite/store.ts";
import { storePlace } from "../../store/url.ts";
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
    const place = storePlace({ home: options.home });
    const created = place.kind === "sqlite"
      ? !isFilled(messagingDbPath(place.home))
      : await isNew(place.url);
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

const ANSWER_MS_MAX = 5_000;

async function isNew(url: string): Promise<boolean> {
  const { Upkeep } = await import("../../postgres/upkeep.ts");
  await using upkeep = new Upkeep(url, ANSWER_MS_MAX);
  return (await upkeep.schema()).state.version === 0;
}

function isFilled(path: string): boolean {
  try {
    return Deno.statSync(path).size > 0;
  } catch {
    // What stands in the way is told by whoever opens it.
    return false;
  }
}
