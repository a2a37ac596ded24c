/**
 * `mbus hub`: one listening connection for all sessions of this host.
 *
 * JSON: one line when it stands, `{ location, pid }`.
 *
 * @module
 */

import { resolveOptions } from "../../bus/options.ts";
import { storePlace } from "../../store/place.ts";
import { warn } from "../current_session.ts";
import { type Command, defineCommand, EXIT } from "../command.ts";
import { printJson, printLine } from "../output/output.ts";
import { RefusalError } from "../refusal.ts";
import { untilStopped } from "../signals.ts";
import { visible } from "../output/visible_text.ts";

const hub: Command = defineCommand({
  name: "hub",
  summary: "Listen to a server for all sessions of this host",
  details: [
    "With the bus on a PostgreSQL server, each listening process costs all " +
    "others: from about 50 on, run one hub on each host. Sessions find it by " +
    "themselves, and listen for themselves when it ends.",
    "It runs until it is stopped. It stores nothing and sees no message.",
  ],
  positionals: [],
  options: {},
  async run({ options }) {
    const resolved = resolveOptions({
      home: options.home,
      warn: (text: string): void => warn(text, options.json),
    });
    const { server } = storePlace(resolved);
    if (server === undefined) {
      throw new RefusalError(
        "Cannot run the hub: this bus is a file, whose sessions ring each " +
          "other; it is for one on a server (MBUS_URL=postgres://…).",
      );
    }
    return await untilStopped(async (signal) => {
      await using hub = await server.startHub(resolved);
      if (options.json) printJson({ location: hub.location, pid: Deno.pid });
      else printLine(`Listening for this host to ${visible(hub.location)}.`);
      await new Promise((_, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason));
      });
      return EXIT.done;
    });
  },
});

export default hub;
