/**
 * `mbus hub`: runs a notification relay, one listening connection for all sessions
 * of this host.
 *
 * JSON: one line once it listens, `{ location, pid }`.
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
  details: [
    "On a PostgreSQL server, each listening process slows down all others. With " +
    "more than about 50, run one relay on each host. Sessions find the relay by " +
    "themselves, and use their own connections when it ends.",
    "The relay runs until it is stopped. It stores and reads no message.",
  ],
  exitCodes: { 1: "The bus is a file, which needs no relay" },
  json: [{ fields: ["location", "pid"] }],
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
        "Cannot run the relay: this bus is a file, which needs no relay. Set " +
          "MBUS_URL=postgres://… to use a server.",
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
