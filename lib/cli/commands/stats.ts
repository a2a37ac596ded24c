/**
 * `mbus stats`: prints the size of the bus, of all projects.
 *
 * JSON: `{ location, messages, channels: [{ channel, messages }], sessions,
 * durableNames, storeBytes, walBytes }`.
 *
 * @module
 */

import { renderBytes } from "../output/bytes.ts";
import { type Command, defineCommand, EXIT } from "../command.ts";
import { openBusFor } from "../open.ts";
import { printJson, printLine } from "../output/output.ts";
import { type Cell, tableLines } from "../output/table.ts";

const stats: Command = defineCommand({
  name: "stats",
  json: [{
    fields: [
      "location",
      "messages",
      "channels",
      "sessions",
      "durableNames",
      "storeBytes",
      "walBytes",
    ],
  }],
  positionals: [],
  options: {},
  async run({ options }) {
    await using opened = await openBusFor(options);
    const { bus } = opened;
    const held = await bus.stats();
    if (options.json) {
      printJson(held);
      return EXIT.done;
    }
    const rows: [string, string][] = [
      ["location", held.location],
      ["messages", String(held.messages)],
      ...held.channels.map(({ channel, messages }): [string, string] => [
        `  ${channel}`,
        String(messages),
      ]),
      ["sessions", String(held.sessions)],
      ["durable names", String(held.durableNames)],
      ["size", renderBytes(held.storeBytes)],
      ["WAL", renderBytes(held.walBytes)],
    ];
    tableLines(
      [{}, {}],
      rows.map(([name, value]): Cell[] => [
        { text: name, paint: "bold" },
        { text: value },
      ]),
    ).forEach(printLine);
    return EXIT.done;
  },
});

export default stats;
