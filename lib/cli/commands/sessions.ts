/**
 * `mbus sessions`: lists the sessions.
 *
 * JSON, one line per session: `{ id, vendor, model?, tty?, pid?, host?,
 * processStart?, project?, worktree?, branch?, task?, activeFiles, status,
 * registeredAt, heartbeatAt, endedAt?, stale, life, heartbeatAgeMs, self }`.
 * `stale` means no heartbeat for 30 s and is for display only. `life` tells whether
 * the process lives, as seen from this host: `alive`, `dead` or `unknown`.
 *
 * @module
 */

import { type Session, STALE_AFTER_MS } from "../../model/session.ts";
import { type Command, defineCommand, EXIT } from "../command.ts";
import { SESSION } from "../json_fields.ts";
import { renderDuration } from "../duration.ts";
import { openBusFor } from "../open.ts";
import { printJson, printLine } from "../output/output.ts";
import { type Cell, tableLines } from "../output/table.ts";
import type { Paint } from "../output/terminal.ts";
import { visible } from "../output/visible_text.ts";
import { processContext } from "../process_context.ts";

const sessions: Command = defineCommand({
  name: "sessions",
  details: [
    "A session is stale without a heartbeat for 30 seconds; an agent that " +
    "thinks sends none. A session is dead when its process has ended.",
  ],
  json: [{ fields: [...SESSION, "stale", "life", "heartbeatAgeMs", "self"] }],
  positionals: [],
  options: {
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
    const shown = list.map((session) => ({
      ...session,
      ...standing(session, lifeOf(session), now),
      self: session.id === opened.identity.joined?.id,
    }));
    if (options.json) shown.forEach(printJson);
    else if (options.quiet) shown.forEach(({ id }) => printLine(visible(id)));
    else if (shown.length === 0) {
      printLine(
        options["all-projects"]
          ? "No sessions."
          : "No sessions in this project. --all-projects lists those of others.",
      );
    } else tableLines(COLUMNS, shown.map(row)).forEach(printLine);
    return EXIT.done;
  },
});

export default sessions;

/** Life of a session, shown beside its row. */
interface Standing {
  readonly stale: boolean;
  readonly life: "alive" | "dead" | "unknown";
  readonly heartbeatAgeMs: number | null;
}

function standing(
  session: Session,
  life: Standing["life"],
  now: number,
): Standing {
  const age = now - Date.parse(session.heartbeatAt);
  const ended = session.status === "terminated";
  return {
    stale: !ended && !(age < STALE_AFTER_MS),
    life: ended ? "dead" : life,
    // A foreign program may have written an invalid time.
    heartbeatAgeMs: Number.isNaN(age) ? null : Math.max(0, age),
  };
}

const COLUMNS = [
  { heading: "" },
  { heading: "SESSION" },
  { heading: "VENDOR" },
  { heading: "STATUS" },
  { heading: "SEEN", align: "right" },
  { heading: "PID", align: "right" },
  { heading: "TTY" },
  { heading: "TASK" },
  { heading: "PROJECT" },
  { heading: "FILES", isProse: true },
] as const;

function row(session: Session & Standing & { self: boolean }): Cell[] {
  const [word, paint] = wordFor(session);
  const age = session.heartbeatAgeMs;
  return [
    { text: session.self ? "*" : "" },
    { text: session.id },
    {
      text: session.vendor +
        (session.model === undefined ? "" : ` (${session.model})`),
    },
    { text: word, paint },
    { text: age === null ? "?" : renderDuration(age) },
    { text: session.pid === undefined ? "-" : String(session.pid) },
    { text: session.tty?.replace(/^\/dev\//, "") ?? "-" },
    { text: session.task ?? "-" },
    {
      text: session.project === undefined
        ? "-"
        : session.project.slice(session.project.lastIndexOf("/") + 1) || "/",
    },
    {
      text: session.activeFiles.length === 0
        ? "-"
        : session.activeFiles.join(" "),
    },
  ];
}

function wordFor(session: Session & Standing): [string, Paint] {
  if (session.status === "terminated") return ["ended", "dim"];
  if (session.life === "dead") return ["dead", "red"];
  if (session.stale) return [`${session.status}, stale`, "yellow"];
  return [session.status, "green"];
}
