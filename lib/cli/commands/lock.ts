/**
 * `mbus lock`: locks files, folders, globs or named resources.
 *
 * The caller's session holds the lock, which outlives the command. A waiting
 * command prints the blocking sessions on standard error; Ctrl-C leaves the queue.
 *
 * JSON, one line per lock: `{ token, kind, path, type, session, agent?, vendor,
 * task?, why?, since, expiresAt, overdue, count, project?, worktree?, overlaps:
 * [{ risk, hold }] }`. `risk` is `conflict`, `merge-risk` or `same-session`, and
 * `hold` has the same fields. On standard error, at each change of the blockers:
 * `{ waiting: { path, blockers: [{ session, state, path, type, vendor, task?, why?,
 * since, expiresAt?, overdue, process? }] } }`.
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

/** Options of {@linkcode takeLocks}, shared with `mbus with-lock`. */
export const LOCK_OPTIONS = {
  exclusive: {
    kind: "flag",
    help: "Exclusive lock",
    default: "advisory",
  },
  wait: {
    kind: "duration",
    placeholder: "TIME",
    help: "Maximum wait, such as 30s or 5m",
    default: "no wait",
  },
  "take-over": {
    kind: "flag",
    help: "Take over conflicting locks that are overdue",
    aliases: ["force"],
  },
  why: {
    kind: "string",
    placeholder: "TEXT",
    help: "Reason, shown to other sessions",
    short: "m",
    aliases: ["reason"],
  },
  ...PATTERN_OPTIONS,
} as const satisfies OptionDeclarations;

const lock: Command = defineCommand({
  name: "lock",
  details: [
    "An advisory lock shows that you edit a file. It blocks no session, and " +
    "sessions with overlapping locks are warned. An exclusive lock blocks all " +
    "other sessions. Several paths are locked all or none.",
    "The session holds the lock until mbus unlock, or until the session or its " +
    "process ends. After its time the lock is overdue, and another session may " +
    "take it over with --take-over.",
    "A glob has * ? ** [abc] {a,b}; put it in single quotes. An existing file " +
    "with that name comes first, and a name in an existing folder such as " +
    "app/[id] is a path; --glob and --literal override this. A new path is a " +
    "file, unless it ends with /: then it is a folder with all below it.",
    "A name that begins with @ is a resource, not a file: @git/head and " +
    "@git/index are for this worktree, @port/3000 is for this machine, any " +
    "other @name is for the project. Write ./@name for a file.",
  ],
  examples: [
    "lock src/a.ts",
    "lock src/db docs/db.md --exclusive --wait 30s --why 'moving the schema'",
    "lock 'src/**/*.sql' --exclusive --for 1h",
    "lock src/new-module/",
    "lock 'app/[id]/page.tsx' --literal",
    "lock @git/head --exclusive --why 'rebasing'",
  ],
  exitCodes: { 1: "Another session has a conflicting lock" },
  json: [{ object: "hold", fields: ["overlaps"] }, {
    when: "on standard error, with --wait",
    fields: ["waiting"],
  }],
  positionals: [{
    name: "PATH",
    help: "File, folder with all below it, glob or @name",
    repeated: true,
  }],
  options: {
    ...LOCK_OPTIONS,
    for: {
      kind: "duration",
      placeholder: "TIME",
      help: "Lease; locking again renews it",
      default: "10m",
    },
    quiet: { kind: "flag", short: "q", help: "Print no result" },
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
    if (options.quiet) locks.forEach(warnOfLock);
    else printLocks(locks, options.json);
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
  locks.forEach(warnOfLock);
}

/** Warns of overlapping locks, and of a file that may be meant as a folder. */
function warnOfLock({ hold, overlaps }: Lock): void {
  warnOfOverlaps(overlaps);
  if (!mayBeFolder(hold)) return;
  printToStderr(
    `mbus: ${visible(shownPath(hold.path))} does not exist yet and is ` +
      `locked as a file. Write it with / at the end if it will be a folder.`,
  );
}

/** Returns whether a new file may be meant as a folder: its name has no dot. */
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
