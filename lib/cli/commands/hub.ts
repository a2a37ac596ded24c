/**
 * `mbus hub`: runs the notification relay of this host.
 *
 * JSON: one line when it runs, `{ location, pid }`.
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
  summary: "Run a notification relay for this host (PostgreSQL)",
  details: [
    "On a PostgreSQL server, each listening process slows down all others. " +
    "From about 50 on, run one relay on each host. Sessions find it by " +
    "themselves, and use their own connections when it ends.",
    "The relay runs until it is stopped. It stores and sees no message.",
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
        "Cannot run the relay: this bus is a file and needs no relay. Name a " +
          "server with MBUS_URL=postgres://….",
      );
    }
    return await untilStopped(async (signal) => {
      await using relay = await server.startRelay(resolved);
      if (options.json) printJson({ location: relay.location, pid: Deno.pid });
      else printLine(`Relaying notifications of ${visible(relay.location)}.`);
      await new Promise((_, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason));
      });
      return EXIT.done;
    });
  },
});

export default hub;
