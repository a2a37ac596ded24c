/**
 * `mbus locks`: lists the locks.
 *
 * JSON, one line per hold: `{ token, kind, path, type, session, agent?,
 * vendor, task?, why?, since, expiresAt, overdue, count, project?, worktree?,
 * self }`; `self` says whether this session holds it.
 *
 * @module
 */

import type { Hold } from "../../model/lock.ts";
import { type Command, defineCommand, EXIT } from "../command.ts";
import { ageOf, expiryOf, holdJson, shownPath } from "../output/hold_lines.ts";
import { openBusFor } from "../open.ts";
import { printJson, printLine } from "../output/output.ts";
import { PATTERN_OPTIONS, patternOf } from "../pattern.ts";
import { visible } from "../output/visible_text.ts";
import { type Cell, tableLines } from "../output/table.ts";

const locks: Command = defineCommand({
  name: "locks",
  details: [
    "An overdue lock is past its time, but its process lives. It is held until " +
    "it is released, or taken over with mbus lock --take-over.",
  ],
  json: [{ object: "hold", fields: ["self"] }],
  positionals: [{
    name: "PATH",
    help: "File, folder, glob or @name to overlap",
    default: "all",
    optional: true,
  }],
  options: {
    quiet: { kind: "flag", short: "q", help: "Print paths only" },
    ...PATTERN_OPTIONS,
  },
  async run({ positionals: [path], options }) {
    const pattern = patternOf(options);
    await using opened = await openBusFor(options);
    const { bus, identity } = opened;
    const holds = path === undefined
      ? await bus.locks.list({ allProjects: options["all-projects"] })
      : await bus.locks.holders(path, { pattern });
    const self = identity.joined?.id;
    if (options.json) {
      for (const hold of holds) {
        printJson({ ...holdJson(hold), self: hold.session === self });
      }
    } else if (options.quiet) {
      holds.forEach(({ path }) => printLine(visible(shownPath(path))));
    } else if (holds.length === 0) printLine("No locks.");
    else {
      tableLines(COLUMNS, holds.map((hold) => row(hold, self, options.long)))
        .forEach(printLine);
    }
    return EXIT.done;
  },
});

export default locks;

const COLUMNS = [
  { heading: "" },
  { heading: "PATH" },
  { heading: "TYPE" },
  { heading: "SESSION" },
  { heading: "TASK" },
  { heading: "HELD", align: "right" },
  { heading: "EXPIRES" },
  { heading: "TOKEN", align: "right" },
  { heading: "WHY", isProse: true },
] as const;

function row(hold: Hold, self: string | undefined, long: boolean): Cell[] {
  const { agent, session } = hold;
  const shown = long ? session : hold.name;
  return [
    { text: session === self ? "*" : "" },
    { text: shownPath(hold.path) + (hold.kind === "folder" ? "/" : "") },
    {
      text: hold.type,
      paint: hold.type === "exclusive" ? "red" : "green",
    },
    { text: agent === undefined ? shown : `${shown} (${agent})` },
    { text: hold.task ?? "-" },
    { text: ageOf(hold.since) },
    { text: expiryOf(hold), paint: hold.overdue ? "yellow" : undefined },
    { text: String(hold.token) },
    { text: hold.why ?? "-" },
  ];
}
