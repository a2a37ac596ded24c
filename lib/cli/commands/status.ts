/**
 * `mbus status`: says what this session does, or prints where it stands.
 *
 * JSON: the fields of a session, `does?`, `locks` (paths), `tasks` (ids) and
 * `unread`, the number of unread direct messages.
 *
 * @module
 */

import { DOING_MAX, nameOf, stateOf } from "../../model/session.ts";
import { type Command, defineCommand, EXIT } from "../command.ts";
import { openBusFor, openBusToWrite, type OpenedBus } from "../open.ts";
import { shownPath } from "../output/hold_lines.ts";
import { printJson, printLine } from "../output/output.ts";
import { tableLines } from "../output/table.ts";
import { RefusalError } from "../refusal.ts";

const status: Command = defineCommand({
  name: "status",
  details: [
    `The text has at most ${DOING_MAX} characters. Other sessions see it in ` +
    "mbus sessions and when they start. Without a text, the command prints the " +
    "name of this session, its work, locks, tasks and unread messages.",
  ],
  examples: ["status", "status moving the parser to src/parse"],
  json: [{ object: "session", fields: ["does?", "locks", "tasks", "unread"] }],
  positionals: [{
    name: "TEXT",
    help: "What the session does",
    optional: true,
    repeated: true,
  }],
  options: {
    clear: { kind: "flag", help: "Delete the text" },
  },
  async run({ positionals, options }) {
    const text = positionals.join(" ").trim();
    if (text !== "" || options.clear) {
      await using opened = await openBusToWrite(options);
      const { bus, identity } = opened;
      if (identity.joined === undefined) await bus.sessions.register();
      await bus.sessions.update({ doing: text === "" ? null : text });
      await print(opened, options.json);
    } else {
      await using opened = await openBusFor(options);
      await print(opened, options.json);
    }
    return EXIT.done;
  },
});

export default status;

async function print({ bus }: OpenedBus, json: boolean): Promise<void> {
  const sessions = await bus.sessions.list({ allProjects: true });
  const own = sessions.find(({ id }) => id === bus.session);
  if (own === undefined) {
    throw new RefusalError(
      "Cannot show this session: it is not on the bus. Join with " +
        '"mbus status TEXT".',
    );
  }
  const locks = (await bus.locks.held()).map(({ path }) => path);
  const tasks = (await bus.tasks.list({ status: "claimed" }))
    .filter(({ session }) => session === own.id).map(({ id }) => id);
  const unread = await bus.inbox().count();
  if (json) {
    printJson({ ...own, locks, tasks, unread });
    return;
  }
  const listed = (texts: readonly string[]) => texts.join(" ") || "-";
  const facts = [
    ["name", nameOf(own)],
    ["state", stateOf(own)],
    ["work", own.does ?? "-"],
    ["locks", listed(locks.map(shownPath))],
    ["tasks", listed(tasks)],
    ["unread", unread === 0 ? "-" : `${unread} (read with mbus inbox)`],
  ];
  tableLines(
    [{}, { isProse: true }],
    facts.map((cells) => cells.map((text) => ({ text }))),
  ).forEach(printLine);
}
