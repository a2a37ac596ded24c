/**
 * `mbus statusline`: prints one line for the status line of an agent or of tmux.
 *
 * It makes no bus, and registers no session. JSON: `name?`, `working` and `idle`
 * (numbers of peers), `blocked` and `needsPerson` (names of peers), and `unread`.
 *
 * @module
 */

import { type ListedSession, nameOf, stateOf } from "../../model/session.ts";
import { storePlace } from "../../store/place.ts";
import { type Command, defineCommand, EXIT } from "../command.ts";
import { openBusFor } from "../open.ts";
import { printJson, printLine } from "../output/output.ts";
import { visible } from "../output/visible_text.ts";

const statusline: Command = defineCommand({
  name: "statusline",
  details: [
    "The line has the name of this session, the numbers of peers at work and " +
    "idle, the peers that wait for a session or need you, and the number of " +
    "unread messages. Without a bus it is empty.",
    'Claude Code: "statusLine": { "type": "command", "command": "mbus ' +
    "statusline\" }. tmux: set -g status-right '#(mbus statusline " +
    "--all-projects)'.",
  ],
  examples: ["statusline", "statusline --all-projects"],
  json: [{
    fields: ["name?", "working", "idle", "blocked", "needsPerson", "unread"],
  }],
  positionals: [],
  options: {},
  async run({ options }) {
    const { home, json, "all-projects": allProjects } = options;
    if (await storePlace({ home }).isNew()) return EXIT.done;
    await using opened = await openBusFor(options);
    const { joined } = opened.identity;
    const sessions = await opened.bus.sessions.list({ allProjects });
    const peers = sessions.filter(({ id }) => id !== joined?.id);
    const namesIn = (state: string) =>
      peers.filter((peer) => stateOf(peer) === state).map(nameOf);
    const facts: Facts = {
      name: joined === undefined ? undefined : nameOf(joined),
      working: namesIn("working").length,
      idle: namesIn("idle").length,
      blocked: namesIn("waiting"),
      needsPerson: namesIn("needs-person"),
      unread: await opened.bus.inbox().count(),
    };
    if (json) printJson(facts);
    else printLine(visible(lineOf(facts)));
    return EXIT.done;
  },
});

export default statusline;

interface Facts {
  readonly name: ListedSession["name"];
  readonly working: number;
  readonly idle: number;
  readonly blocked: readonly string[];
  readonly needsPerson: readonly string[];
  readonly unread: number;
}

function lineOf(facts: Facts): string {
  const { name, working, idle, blocked, needsPerson, unread } = facts;
  return [
    name,
    needsPerson.length > 0 ? `needs you: ${needsPerson.join(", ")}` : undefined,
    blocked.length > 0 ? `blocked: ${blocked.join(", ")}` : undefined,
    `${working} working`,
    `${idle} idle`,
    unread > 0 ? `${unread} unread` : undefined,
  ].filter((part) => part !== undefined).join(" · ");
}
