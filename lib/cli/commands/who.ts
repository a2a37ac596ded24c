/**
 * `mbus who`: who touches a file: who holds it or waits for it, who says that
 * it edits it, and what was said of conflicts on it lately.
 *
 * JSON, a line for each, `where` being `here` or, for the same file of the
 * repository elsewhere, `other-worktree`:
 *
 * - `{ does: "holds", where, self, … }` and the fields of `locks`;
 * - `{ does: "waits", where, self, session, state, path, type, vendor, task?,
 *   why?, since, overdue }`;
 * - `{ does: "edits", where, self, session, vendor, path, task?, seen }`, by
 *   what the session itself says; `seen` is its last sign of life;
 * - `{ does: "conflict", where, self, event, path, sessions, at, id }`, a
 *   message of the channel `file_conflict`; of `denied`, the first of
 *   `sessions` is the one whose edit was stopped, the second the holder.
 *
 * @module
 */

import type { MessageBus } from "../../bus/bus.ts";
import { InvalidInputError } from "../../model/errors.ts";
import { lockTarget, type PatternMode } from "../../path/lock_target.ts";
import type { Blocker, Hold } from "../../model/lock.ts";
import type { Session } from "../../model/session.ts";
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

/** One who touches the file, as it is printed. */
interface Touch {
  readonly json: Record<string, unknown>;
  readonly cells: readonly Cell[];
}

const who: Command = defineCommand({
  name: "who",
  summary: "Print who touches a file: locks, waiters, editors, conflicts",
  details: [
    "Looked at are locks that overlap it, here and in other worktrees of the " +
    "repository, who waits for it, which sessions say that they edit it, and " +
    "what was said on the channel file_conflict in the last minutes, and " +
    "edits that were stopped in the last hour.",
  ],
  positionals: [{ name: "PATH", help: "A file, a folder, a glob or an @name" }],
  options: PATTERN_OPTIONS,
  async run({ positionals: [path], options }) {
    const pattern = patternOf(options);
    await using opened = await openBusFor(options);
    const { bus, identity } = opened;
    const pathSets = targetPathSets(
      bus.locks.meaning(path, { pattern }),
      entryKindOf,
    );
    const isSelf = (session: string): boolean =>
      session === identity.joined?.id;
    const touches = [
      ...await holders(bus, pathSets, isSelf),
      ...(await bus.locks.waiters(path, { pattern })).map((waiter) =>
        waiting(waiter, isSelf)
      ),
      ...await editors(bus, pathSets, isSelf),
      ...await conflicts(bus, pathSets, isSelf),
    ];
    if (options.json) touches.forEach(({ json }) => printJson(json));
    else if (touches.length === 0) printLine("Nobody.");
    else {tableLines(COLUMNS, touches.map(({ cells }) => cells)).forEach(
        printLine,
      );}
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

type IsSelf = (session: string) => boolean;

async function holders(
  bus: MessageBus,
  pathSets: ParsedPathSets,
  isSelf: IsSelf,
): Promise<Touch[]> {
  const holds = await bus.locks.list({ allProjects: true });
  return holds.flatMap((hold) => {
    const theirs = tryHoldPathSets(hold, entryKindOf);
    const met = theirs && overlapKind(pathSets, theirs);
    return met === undefined ? [] : [holding(hold, whereOf(met), isSelf)];
  });
}

function holding(hold: Hold, where: Where, isSelf: IsSelf): Touch {
  const self = isSelf(hold.session);
  const how = hold.type === "exclusive" ? "exclusively" : "advisory";
  return {
    json: { does: "holds", where, self, ...holdJson(hold) },
    cells: cells(self, {
      session: hold.session,
      does: `holds ${how}${hold.overdue ? ", overdue" : ""}`,
      where,
      path: hold.path,
      since: hold.since,
      task: hold.task,
      why: hold.why,
    }),
  };
}

function waiting(waiter: Blocker, isSelf: IsSelf): Touch {
  const self = isSelf(waiter.session);
  const { process: _, ...told } = waiter;
  return {
    json: { does: "waits", where: "here", self, ...told },
    cells: cells(self, { ...waiter, does: "waits", where: "here" }),
  };
}

async function editors(
  bus: MessageBus,
  pathSets: ParsedPathSets,
  isSelf: IsSelf,
): Promise<Touch[]> {
  const sessions = await bus.sessions.list({ allProjects: true });
  return sessions.flatMap((session) =>
    session.activeFiles.flatMap((file) => {
      const met = overlapKindAt(pathSets, file, session.worktree, "literal");
      return met === undefined
        ? []
        : [editing(session, file, whereOf(met), isSelf)];
    })
  );
}

function editing(
  session: Session,
  path: string,
  where: Where,
  isSelf: IsSelf,
): Touch {
  const self = isSelf(session.id);
  const { id, vendor, task, heartbeatAt } = session;
  return {
    json: {
      does: "edits",
      where,
      self,
      session: id,
      vendor,
      path,
      task,
      seen: heartbeatAt,
    },
    cells: cells(self, { session: id, does: "edits", where, path, task }),
  };
}

/** What was said of conflicts there, the last first. */
async function conflicts(
  bus: MessageBus,
  pathSets: ParsedPathSets,
  isSelf: IsSelf,
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
      : [conflict(message, said!, whereOf(met), isSelf)];
  }).slice(0, CONFLICTS_SHOWN_MAX);
}

function conflict(
  { id, createdAt }: Message,
  { event, path, sessions }: Conflict,
  where: Where,
  isSelf: IsSelf,
): Touch {
  const self = sessions.some(isSelf);
  return {
    json: {
      does: "conflict",
      where,
      self,
      event,
      path,
      sessions,
      at: createdAt,
      id,
    },
    cells: cells(self, {
      ...inWords(event, sessions),
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
        ? "edit stopped: changed since it was read"
        : `edit stopped: ${holder} held it`,
    }
    : { session: sessions.join(", "), does: `conflict: ${event}` };
}

/** What a message on `file_conflict` says. */
interface Conflict {
  readonly event: string;
  readonly path: string;
  /** Where a name of git's is meant. */
  readonly worktree?: string;
  readonly sessions: readonly string[];
}

/** Any program may write there: what does not fit says nothing. */
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

/** How a path that somebody wrote meets what is asked for. */
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
    // Whatever was written there is no path.
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
