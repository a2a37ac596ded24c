/**
 * `mbus lock`: says whose a file, a folder, a glob or a named resource is.
 *
 * The lock is the caller's session's and outlives the command. While it waits
 * it says on standard error whom it waits for; Ctrl-C leaves the queue.
 *
 * JSON: a line for each lock: `{ token, kind, path, type, session, agent?,
 * vendor, task?, why?, since, expiresAt, overdue, count, project?, worktree?,
 * overlaps: [{ risk, hold }] }`, with `risk` `conflict`, `merge-risk` or
 * `same-session` and the same fields in `hold`. On standard error, whenever it
 * changes: `{ waiting: { path, blockers: [{ session, state, path, type, vendor,
 * task?, why?, since, expiresAt?, overdue, process? }] } }`.
 *
 * @module
 */

import type { Lock } from "../../bus/locks.ts";
import type { Hold } from "../../model/lock.ts";
import type { OptionDeclarations } from "../arguments.ts";
import { type Command, defineCommand, EXIT } from "../command.ts";
import {
  expiryOf,
  holdJson,
  shownPath,
  warnOfOverlaps,
} from "../output/hold_lines.ts";
import { openBusToHold } from "../open.ts";
import { printJson, printLine, printToStderr } from "../output/output.ts";
import { PATTERN_OPTIONS, patternOf } from "../pattern.ts";
import { untilStopped } from "../signals.ts";
import { tableLines } from "../output/table.ts";
import { takeLocks } from "../lock_set.ts";
import { visible } from "../output/visible_text.ts";
import { delegators } from "../../bus/delegation.ts";

/** The options of taking a lock. */
export const LOCK_OPTIONS = {
  exclusive: {
    kind: "flag",
    help: "Shut all others out (else they are only told)",
  },
  wait: {
    kind: "duration",
    placeholder: "TIME",
    help: "Wait so long for others to release: 30s, 5m",
  },
  "take-over": {
    kind: "flag",
    help: "End holds in the way that are overdue; their holders are told",
  },
  why: {
    kind: "string",
    placeholder: "TEXT",
    help: "What it is for, shown to who meets it",
  },
  ...PATTERN_OPTIONS,
} as const satisfies OptionDeclarations;

const lock: Command = defineCommand({
  name: "lock",
  summary: "Lock files, folders, globs or @names",
  details: [
    "An advisory lock says that you edit there: it blocks nobody, and where " +
    "two overlap both are told. An exclusive one shuts all others out. Several " +
    "paths are locked all or none.",
    "The lock is the session's: it is held until mbus unlock, the end of the " +
    "session or of its process; past its time it is overdue, and others may " +
    "take it over with --take-over.",
    "A glob has * ? ** [abc] {a,b}; put it into single quotes. What exists " +
    "under the name that is written is meant before a glob, and what lies in an " +
    "existing folder such as app/[id] is a path; --glob and --literal decide " +
    "otherwise. What does not exist yet is taken for a file, unless its name " +
    "ends in /: then it is a folder with all below it.",
    "A name begins with @ and is no file: @git/head and @git/index are this " +
    "worktree's, @port/3000 the machine's, any other @name the project's. " +
    "Write ./@name for a file.",
  ],
  examples: [
    "lock src/a.ts",
    "lock src/db docs/db.md --exclusive --wait 30s --why 'moving the schema'",
    "lock 'src/**/*.sql' --exclusive --for 1h",
    "lock src/new-module/",
    "lock 'app/[id]/page.tsx' --literal",
    "lock @git/head --exclusive --why 'rebasing'",
  ],
  positionals: [{
    name: "PATH",
    help: "A file, a folder with all below it, a glob or an @name",
    repeated: true,
  }],
  options: {
    ...LOCK_OPTIONS,
    for: {
      kind: "duration",
      placeholder: "TIME",
      help: "How long it is held unless taken again (else 10m)",
    },
  },
  async run({ positionals, options }) {
    await using opened = await openBusToHold(options);
    const locks = await untilStopped((signal) =>
      takeLocks(opened.bus, positionals, {
        type: options.exclusive ? "exclusive" : "advisory",
        waitMs: options.wait,
        leaseMs: options.for,
        takeOver: options["take-over"],
        why: options.why,
        pattern: patternOf(options),
        actingFor: delegators(),
        signal,
        json: options.json,
      })
    );
    if (typeof locks === "number") return locks;
    printLocks(locks, options.json);
    return EXIT.done;
  },
});

export default lock;

function printLocks(locks: readonly Lock[], json: boolean): void {
  if (json) {
    for (const { hold, overlaps } of locks) {
      printJson({
        ...holdJson(hold),
        overlaps: overlaps.map(({ risk, hold }) => ({
          risk,
          hold: holdJson(hold),
        })),
      });
    }
    return;
  }
  const rows = locks.map(({ hold }) => [
    { text: shownPath(hold.path) },
    { text: hold.type },
    { text: String(hold.token) },
    { text: expiryOf(hold) },
  ]);
  tableLines(
    [
      { heading: "LOCKED" },
      { heading: "TYPE" },
      { heading: "TOKEN", align: "right" },
      { heading: "EXPIRES" },
    ],
    rows,
  ).forEach(printLine);
  locks.forEach(({ hold, overlaps }) => {
    warnOfOverlaps(overlaps);
    if (mayBeFolder(hold)) {
      printToStderr(
        `mbus: ${visible(shownPath(hold.path))} does not exist yet and is ` +
          `taken for a file; end it with / if it will be a folder.`,
      );
    }
  });
}

/** Whether a file is to come that is called like a folder: without a dot. */
function mayBeFolder({ kind, path }: Hold): boolean {
  if (kind !== "file" || path.includes(".", path.lastIndexOf("/"))) {
    return false;
  }
  try {
    Deno.lstatSync(path);
    return false;
  } catch (error) {
    return error instanceof Deno.errors.NotFound;
  }
}
