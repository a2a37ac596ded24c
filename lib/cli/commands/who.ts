/**
 * `mbus who`: lists the sessions that hold a file, wait for it or edit it, and
 * recent conflicts on it.
 *
 * JSON, one line per entry. `where` is `here`, or `other-worktree` for the same file
 * of the repository in another worktree:
 *
 * - `{ does: "holds", where, self, … }` and the fields of `locks`;
 * - `{ does: "waits", where, self, session, name, state, path, type, vendor, task?,
 *   why?, since, overdue }`;
 * - `{ does: "edits", where, self, session, name, vendor, path, task?, seen }`, as the
 *   session reports; `seen` is its last heartbeat;
 * - `{ does: "conflict", where, self, event, path, sessions, names, at, id }`, a
 *   message of the channel `file_conflict`; with the event `denied`, `sessions` is
 *   the session whose edit was denied, then the holder.
 *
 * @module
 */

import type { MessageBus } from "../../bus/bus.ts";
import { InvalidInputError } from "../../model/errors.ts";
import { lockTarget, type PatternMode } from "../../path/lock_target.ts";
import type { Blocker, Hold } from "../../model/lock.ts";
import { nameOf, type Session } from "../../model/session.ts";
import { SessionNames } from "../session_names.ts";
import type { Message } from "../../model/message.ts";
import { entryKindOf } from "../../path/paths.ts";
import { type Command, defineCommand, EXIT } from "../command.ts";
import { ageOf, holdJson, shownPath } from "../output/hold_lines.ts";
import { openBusFor } from "../open.ts";
import { printJson, printLine } from "../output/output.ts";
import { PATTERN_OPTIONS, patternOf } from "../pattern.ts";
import {
  type OverlapKind,
  overlapKind,
  type ParsedPathSets,
  targetPathSets,
  tryHoldPathSets,
} from "../../path/lock_overlap.ts";
import { type Cell, tableLines } from "../output/table.ts";

const MESSAGES_MAX = 10_000;
const CONFLICTS_SHOWN_MAX = 20;

/** Use of the file by a session, for output. */
interface Touch {
  readonly json: Record<string, unknown>;
  readonly cells: readonly Cell[];
}

const who: Command = defineCommand({
  name: "who",
  details: [
    "The list has overlapping locks, also of other worktrees of the " +
    "repository, waiting sessions, and sessions that report an edit. It also " +
    "has conflicts of the last minutes, and denied edits of the last hour, " +
    "from the channel file_conflict.",
  ],
  json: [{
    when: "does: holds",
    object: "hold",
    fields: ["does", "where", "self"],
  }, {
    when: "does: waits",
    fields: [
      "does",
      "where",
      "self",
      "session",
      "name",
      "state",
      "path",
      "type",
      "vendor",
      "task?",
      "why?",
      "since",
      "overdue",
    ],
  }, {
    when: "does: edits",
    fields: [
      "does",
      "where",
      "self",
      "session",
      "name",
      "vendor",
      "path",
      "task?",
      "seen",
    ],
  }, {
    when: "does: conflict",
    fields: [
      "does",
      "where",
      "self",
      "event",
      "path",
      "sessions",
      "names",
      "at",
      "id",
    ],
  }],
  positionals: [{ name: "PATH", help: "File, folder, glob or @name" }],
  options: PATTERN_OPTIONS,
  async run({ positionals: [path], options }) {
    const pattern = patternOf(options);
    await using opened = await openBusFor(options);
    const { bus, identity } = opened;
    const pathSets = targetPathSets(
      bus.locks.meaning(path, { pattern }),
      entryKindOf,
    );
    const names = new SessionNames(bus, options.long);
    await names.learnAll();
    const viewer: Viewer = {
      isSelf: (session) => session === identity.joined?.id,
      shown: (session) => names.shown(session),
      nameOf: (session) => names.nameOf(session),
    };
    const touches = [
      ...await holders(bus, pathSets, viewer),
      ...(await bus.locks.waiters(path, { pattern })).map((waiter) =>
        waiting(waiter, viewer)
      ),
      ...await editors(bus, pathSets, viewer),
      ...await conflicts(bus, pathSets, viewer),
    ];
    if (options.json) touches.forEach(({ json }) => printJson(json));
    else if (touches.length === 0) printLine("No session uses it.");
    else {
      const rows = touches.map(({ cells }) => cells);
      tableLines(COLUMNS, rows).forEach(printLine);
    }
    return EXIT.done;
  },
});

export default who;

const COLUMNS = [
  { heading: "" },
  { heading: "SESSION" },
  { heading: "DOES" },
  { heading: "PATH" },
  { heading: "FOR", align: "right" },
  { heading: "TASK" },
  { heading: "WHY", isProse: true },
] as const;

/** What the output says of a session. */
interface Viewer {
  /** Returns whether it is the session of the command. */
  isSelf(session: string): boolean;
  /** Returns its name, or its id if ids are wanted. */
  shown(session: string): string;
  /** Returns its name. */
  nameOf(session: string): string;
}

async function holders(
  bus: MessageBus,
  pathSets: ParsedPathSets,
  viewer: Viewer,
): Promise<Touch[]> {
  const holds = await bus.locks.list({ allProjects: true });
  return holds.flatMap((hold) => {
    const theirs = tryHoldPathSets(hold, entryKindOf);
    const met = theirs && overlapKind(pathSets, theirs);
    return met === undefined ? [] : [holding(hold, whereOf(met), viewer)];
  });
}

function holding(hold: Hold, where: Where, viewer: Viewer): Touch {
  const self = viewer.isSelf(hold.session);
  const how = hold.type === "exclusive" ? "exclusively" : "advisory";
  return {
    json: { does: "holds", where, self, ...holdJson(hold) },
    cells: cells(self, {
      session: viewer.shown(hold.session),
      does: `holds ${how}${hold.overdue ? ", overdue" : ""}`,
      where,
      path: hold.path,
      since: hold.since,
      task: hold.task,
      why: hold.why,
    }),
  };
}

function waiting(waiter: Blocker, viewer: Viewer): Touch {
  const self = viewer.isSelf(waiter.session);
  const { process: _, ...printed } = waiter;
  return {
    json: { does: "waits", where: "here", self, ...printed },
    cells: cells(self, {
      ...waiter,
      session: viewer.shown(waiter.session),
      does: "waits",
      where: "here",
    }),
  };
}

async function editors(
  bus: MessageBus,
  pathSets: ParsedPathSets,
  viewer: Viewer,
): Promise<Touch[]> {
  const sessions = await bus.sessions.list({ allProjects: true });
  return sessions.flatMap((session) =>
    session.activeFiles.flatMap((file) => {
      const met = overlapKindAt(pathSets, file, session.worktree, "literal");
      return met === undefined
        ? []
        : [editing(session, file, whereOf(met), viewer)];
    })
  );
}

function editing(
  session: Session,
  path: string,
  where: Where,
  viewer: Viewer,
): Touch {
  const self = viewer.isSelf(session.id);
  const { id, vendor, task, heartbeatAt } = session;
  return {
    json: {
      does: "edits",
      where,
      self,
      session: id,
      name: nameOf(session),
      vendor,
      path,
      task,
      seen: heartbeatAt,
    },
    cells: cells(self, {
      session: viewer.shown(id),
      does: "edits",
      where,
      path,
      task,
    }),
  };
}

/** Returns recent conflicts on the path, the latest first. */
async function conflicts(
  bus: MessageBus,
  pathSets: ParsedPathSets,
  viewer: Viewer,
): Promise<Touch[]> {
  const { messages } = await bus.poll("file_conflict", {
    limit: MESSAGES_MAX,
    allProjects: true,
  });
  return messages.toReversed().flatMap((message) => {
    const said = conflictOf(message);
    const met = said && overlapKindAt(pathSets, said.path, said.worktree);
    return met === undefined
      ? []
      : [conflict(message, said!, whereOf(met), viewer)];
  }).slice(0, CONFLICTS_SHOWN_MAX);
}

function conflict(
  { id, createdAt }: Message,
  { event, path, sessions }: Conflict,
  where: Where,
  viewer: Viewer,
): Touch {
  const self = sessions.some((session) => viewer.isSelf(session));
  return {
    json: {
      does: "conflict",
      where,
      self,
      event,
      path,
      sessions,
      names: sessions.map((session) => viewer.nameOf(session)),
      at: createdAt,
      id,
    },
    cells: cells(self, {
      ...inWords(event, sessions.map((session) => viewer.shown(session))),
      where,
      path,
      since: createdAt,
    }),
  };
}

/** Describes a conflict and its sessions, for people. */
function inWords(
  event: string,
  sessions: readonly string[],
): { readonly session: string; readonly does: string } {
  const [denied, holder] = sessions;
  return event === "denied" && denied !== undefined
    ? {
      session: denied,
      does: holder === undefined
        ? "edit denied: changed since it was read"
        : `edit denied: ${holder} held it`,
    }
    : { session: sessions.join(", "), does: `conflict: ${event}` };
}

/** Content of a message on `file_conflict`. */
interface Conflict {
  readonly event: string;
  readonly path: string;
  /** Worktree of a name such as `@git/head`. */
  readonly worktree?: string;
  readonly sessions: readonly string[];
}

/** Returns the conflict of a message; undefined for a foreign program's text. */
function conflictOf({ payload }: Message): Conflict | undefined {
  if (payload === null || typeof payload !== "object") return undefined;
  const said = payload as Record<string, unknown>;
  const { event, path, sessions, holds } = said;
  if (typeof event !== "string" || typeof path !== "string") return undefined;
  const named = Array.isArray(sessions) ? sessions : [];
  const [first] = Array.isArray(holds) ? holds : [said];
  const worktree = first?.worktree;
  return {
    event,
    path,
    ...(typeof worktree === "string" && { worktree }),
    sessions: named.filter((each): each is string => typeof each === "string"),
  };
}

type Where = "here" | "other-worktree";

function whereOf(met: "conflict" | "merge-risk"): Where {
  return met === "conflict" ? "here" : "other-worktree";
}

/** Returns how a reported path overlaps the queried one. */
function overlapKindAt(
  pathSets: ParsedPathSets,
  path: string,
  base = Deno.cwd(),
  pattern?: PatternMode,
): OverlapKind | undefined {
  try {
    return overlapKind(
      pathSets,
      targetPathSets(lockTarget(path, base, { pattern }), entryKindOf),
    );
  } catch (error) {
    // The reported text is not a path.
    if (error instanceof InvalidInputError) return undefined;
    throw error;
  }
}

function cells(
  self: boolean,
  touch: {
    readonly session: string;
    readonly does: string;
    readonly where: Where;
    readonly path: string;
    readonly since?: string;
    readonly task?: string;
    readonly why?: string;
  },
): Cell[] {
  const elsewhere = touch.where === "here" ? "" : " in another worktree";
  return [
    { text: self ? "*" : "" },
    { text: touch.session },
    { text: touch.does + elsewhere },
    { text: shownPath(touch.path) },
    { text: touch.since === undefined ? "-" : ageOf(touch.since) },
    { text: touch.task ?? "-" },
    { text: touch.why ?? "-" },
  ];
}
