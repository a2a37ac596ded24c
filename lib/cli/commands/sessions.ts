/**
 * `mbus sessions`: lists the sessions, those that need a person first.
 *
 * JSON, one line per session: the fields of a session, `does?`, `state`, `stale`,
 * `life`, `heartbeatAgeMs` and `self`. `state` is `needs-person`, `waiting`,
 * `working`, `idle` or `gone`. `stale` means no heartbeat for 30 s and is for
 * display only. `life` tells whether the process lives, as seen from this host:
 * `alive`, `dead` or `unknown`.
 *
 * @module
 */

import {
  type ActivityState,
  type ListedSession,
  nameOf,
  STALE_AFTER_MS,
  stateOf,
} from "../../model/session.ts";
import { ago } from "../../text/ago.ts";
import { type Command, defineCommand, EXIT } from "../command.ts";
import { openBusFor } from "../open.ts";
import { shownPath } from "../output/hold_lines.ts";
import { printJson, printLine } from "../output/output.ts";
import { type Cell, tableLines } from "../output/table.ts";
import type { Paint } from "../output/terminal.ts";
import { visible } from "../output/visible_text.ts";
import { processContext } from "../process_context.ts";

const sessions: Command = defineCommand({
  name: "sessions",
  details: [
    "Sessions that need you come first: they ask for a permission or an answer, " +
    "or a rate limit has stopped them. Then come blocked ones, which wait for a " +
    "lock or an answer of another session, then working ones, then idle ones.",
    "The time of a working session is that of its last step. The work is what " +
    "the session says (mbus status), else its task, else its last tool and file.",
  ],
  examples: ["sessions", "sessions --waiting --json"],
  exitCodes: { 1: "With --waiting: no session needs you" },
  json: [{
    object: "session",
    fields: [...["does?", "state", "stale", "life", "heartbeatAgeMs", "self"]],
  }],
  positionals: [],
  options: {
    waiting: {
      kind: "flag",
      help: "Only those that need you; exit with 1 if none does",
    },
    ended: { kind: "flag", help: "Include ended sessions" },
    quiet: { kind: "flag", short: "q", help: "Print ids only" },
  },
  async run({ options }) {
    await using opened = await openBusFor(options);
    const list = await opened.bus.sessions.list({
      allProjects: options["all-projects"],
      ended: options.ended,
    });
    const { lifeOf } = processContext(undefined, []);
    const now = Date.now();
    const all = list.map((session): ShownSession => ({
      ...session,
      name: nameOf(session),
      ...standing(session, lifeOf(session), now),
      self: session.id === opened.identity.joined?.id,
    }));
    const shown = (options.waiting ? all.filter(needsPerson) : all)
      .toSorted((a, b) => STATES.indexOf(a.state) - STATES.indexOf(b.state));
    if (options.json) shown.forEach(printJson);
    else if (options.quiet) shown.forEach(({ id }) => printLine(visible(id)));
    else if (shown.length > 0) {
      tableLines(COLUMNS, shown.map((each) => row(each, now, options.long)))
        .forEach(printLine);
    } else if (options.waiting) printLine("No session needs you.");
    else {
      printLine(
        options["all-projects"]
          ? "No sessions."
          : "No sessions in this project. --all-projects lists those of others.",
      );
    }
    return options.waiting && shown.length === 0 ? EXIT.refused : EXIT.done;
  },
});

export default sessions;

type ShownState = ActivityState | "gone";

/** States in the order of the list. */
const STATES: readonly ShownState[] = [
  "needs-person",
  "waiting",
  "working",
  "idle",
  "gone",
];

const WORDS: Readonly<Record<ShownState, readonly [string, Paint]>> = {
  "needs-person": ["needs you", "red"],
  waiting: ["blocked", "yellow"],
  working: ["working", "green"],
  idle: ["idle", "cyan"],
  gone: ["gone", "dim"],
};

/** Life of a session, shown beside its row. */
interface Standing {
  readonly state: ShownState;
  readonly stale: boolean;
  readonly life: "alive" | "dead" | "unknown";
  readonly heartbeatAgeMs: number | null;
}

interface ShownSession extends ListedSession, Standing {
  readonly self: boolean;
}

function needsPerson({ state }: ShownSession): boolean {
  return state === "needs-person";
}

function standing(
  session: ListedSession,
  life: Standing["life"],
  now: number,
): Standing {
  const age = now - Date.parse(session.heartbeatAt);
  const ended = session.status === "terminated";
  return {
    state: ended || life === "dead" ? "gone" : stateOf(session),
    stale: !ended && !(age < STALE_AFTER_MS),
    life: ended ? "dead" : life,
    // A foreign program may have written an invalid time.
    heartbeatAgeMs: Number.isNaN(age) ? null : Math.max(0, age),
  };
}

const COLUMNS = [
  { heading: "" },
  { heading: "SESSION" },
  { heading: "STATE" },
  { heading: "WORK" },
  { heading: "PROJECT" },
  { heading: "FILES", isProse: true },
] as const;

function row(session: ShownSession, now: number, long: boolean): Cell[] {
  const [word, paint] = WORDS[session.state];
  const age = now - Date.parse(sinceOf(session));
  return [
    { text: session.self ? "*" : "" },
    { text: long ? session.id : nameOf(session) },
    { text: Number.isNaN(age) ? word : `${word} ${ago(age)}`, paint },
    { text: workOf(session) },
    {
      text: session.project === undefined
        ? "-"
        : session.project.slice(session.project.lastIndexOf("/") + 1) || "/",
    },
    {
      text: session.activeFiles.length === 0
        ? "-"
        : session.activeFiles.map(shownPath).join(" "),
    },
  ];
}

/** Returns the time of a session's state; at work, that of its last step. */
function sinceOf(session: ShownSession): string {
  const { state, activity, heartbeatAt, endedAt } = session;
  if (state === "gone") return endedAt ?? heartbeatAt;
  return state === "working" ? heartbeatAt : activity?.since ?? heartbeatAt;
}

function workOf({ state, activity, does }: ShownSession): string {
  const why = state === "needs-person" || state === "waiting"
    ? activity?.why
    : undefined;
  const parts = [why === undefined ? undefined : `waits for ${why}`, does];
  return parts.filter((part) => part !== undefined).join("; ") || "-";
}
