/**
 * Locks of an edit, in one decision. A hook that asked and acquired in several
 * steps would pay for each, and other sessions could act in between.
 *
 * ```text
 *  each target: holds of others? changes by others? ──▶ some: returned, nothing taken
 *                                    └─ none, or informed ─▶ prolonged, or taken
 * ```
 *
 * @module
 */

import { mayShareDisk } from "../model/process.ts";
import { OverlapBudget } from "../path/lock_overlap.ts";
import type { Hold, LockRequest } from "../model/lock.ts";
import type {
  EditConflict,
  EditRequest,
  EditTarget,
  FileScope,
  FileTouch,
  FolderQuery,
  FolderTouch,
  OthersFile,
  OthersFiles,
} from "../model/edit.ts";
import { nameOf } from "../model/session.ts";
import { isAtOrBelow } from "../path/path_text.ts";
import { askerOf, isDead, processOf } from "./life.ts";
import { hosted, locksLeft } from "./locks.ts";
import { LockTable } from "./lock_table.ts";
import { editRequest, isSame } from "./precedence.ts";
import type { Records, TouchRecord } from "./records.ts";
import type { Moment, Plan, RecordQuery } from "./rule.ts";
import { requireActive, updateSession } from "./sessions.ts";

/** Takes an edit's locks, or returns its conflicts. */
export function* guardEdit(
  records: Records,
  at: Moment,
  asked: EditRequest,
  locksMax: number,
): Plan<readonly EditConflict[]> {
  const act = "take locks for an edit";
  const { session: id, activeFiles, activity } = asked;
  const request = {
    ...asked,
    targets: asked.targets.map(({ target, ...edited }) => ({
      ...edited,
      target: hosted(at, target),
    })),
  };
  yield* requireActive(records, at, act, id);
  yield [
    ...nearAll(request, "disk"),
    ...touchesSinceRead(request),
    { kind: "hold-count", session: id },
    { kind: "waiters-of", session: id },
  ];
  const table = new LockTable(records, at);
  const budget = new OverlapBudget();
  const touches = Map.groupBy(
    touchesOnDisk(records, at),
    ({ path }) => path,
  );
  const conflicts: EditConflict[] = [];
  for (const edited of request.targets) {
    const holds = yield* holdsOfOthers(records, table, request, edited, budget);
    const { target } = edited;
    const changes = othersTouches(
      request,
      edited,
      touches.get(target.path) ?? [],
    );
    if (holds.length > 0 || changes.length > 0) {
      conflicts.push({ target, holds, touches: changes });
    }
  }
  yield* updateSession(records, at, id, {
    status: "active",
    activity,
    activeFiles: conflicts.length > 0 ? undefined : activeFiles,
  });
  // Taking a lock decides its overlaps again, without a budget.
  if (conflicts.length === 0 && !budget.isSpent) {
    yield* takeLocks(records, table, request, locksMax);
  }
  yield* table.grantWaiters();
  return conflicts;
}

function* holdsOfOthers(
  records: Records,
  table: LockTable,
  { informed, session, actingFor }: EditRequest,
  { target }: EditTarget,
  budget: OverlapBudget,
): Plan<Hold[]> {
  const others = records.holds.near(target, "disk", budget).filter((
    { hold },
  ) =>
    hold.session !== session && !actingFor.includes(hold.session) &&
    (!informed || hold.type === "exclusive")
  );
  if (others.length === 0) return [];
  return (yield* table.standing(others)).map(({ hold }) => hold);
}

/** Returns the changes of a target by other sessions since it was read. */
function othersTouches(
  { informed, session }: EditRequest,
  { readAtMs }: EditTarget,
  touches: readonly TouchRecord[],
): FileTouch[] {
  if (informed || readAtMs === undefined) return [];
  return latestFirst(
    touches.filter((touch) =>
      touch.session !== session && touch.touchedAtMs >= readAtMs
    ),
  );
}

function touchesSinceRead({ informed, targets }: EditRequest): RecordQuery[] {
  return targets.flatMap(({ target: { path }, readAtMs: sinceMs }) =>
    informed || sinceMs === undefined
      ? []
      : [{ kind: "touches", path, sinceMs }]
  );
}

/**
 * Returns the changes of a file on this disk, at or after a time, latest first.
 */
export function* touchesOf(
  records: Records,
  at: Moment,
  path: string,
  sinceMs: number,
): Plan<FileTouch[]> {
  yield [{ kind: "touches", path, sinceMs }];
  return latestFirst(
    touchesOnDisk(records, at).filter((touch) =>
      touch.path === path && touch.touchedAtMs >= sinceMs
    ),
  );
}

function touchesOnDisk(records: Records, at: Moment): TouchRecord[] {
  return [...records.touches.values()]
    .filter(({ host }) => mayShareDisk(host, at.self.host));
}

function latestFirst(touches: readonly TouchRecord[]): FileTouch[] {
  return touches.toSorted((a, b) => b.touchedAtMs - a.touchedAtMs)
    .map(({ session, touchedAtMs }) => ({ session, touchedAtMs }));
}

/** Takes as many locks as the limit allows; no target has a conflict. */
function* takeLocks(
  records: Records,
  table: LockTable,
  edit: EditRequest,
  locksMax: number,
): Plan<void> {
  const fresh: LockRequest[] = [];
  for (const { target } of edit.targets) {
    const request = editRequest(edit, target);
    const own = records.holds.near(target, "disk")
      .find(({ hold }) => isSame(request, hold));
    if (own === undefined) fresh.push(request);
    else table.prolong(own, edit.leaseMs);
  }
  if (fresh.length === 0) return;
  const { session } = edit;
  const left = yield* locksLeft(records, session, locksMax, fresh.length);
  const taken = fresh.slice(0, left);
  yield [
    ...nearAll(edit, "repository"),
    { kind: "tokens", count: taken.length },
  ];
  const asker = askerOf(records.sessions.get(session)!);
  for (const request of taken) {
    // A session that waits for an exclusive lock blocks this one. The edit then
    // has no lock, which is harmless, because an advisory lock blocks no edit.
    yield* table.acquire(request, asker, function* () {});
  }
}

function nearAll(
  { targets }: EditRequest,
  where: "disk" | "repository",
): RecordQuery[] {
  return targets.map(({ target }) => ({ kind: "holds-near", target, where }));
}

/** Returns changes below a folder by other sessions that run, latest first. */
export function* touchesBelow(
  records: Records,
  at: Moment,
  query: FolderQuery,
): Plan<readonly FolderTouch[]> {
  yield [{ kind: "touches-below", ...query }];
  const table = new LockTable(records, at);
  const touches: FolderTouch[] = [];
  for (const key of records.listed("touches-below")) {
    const { path, session: id, host, touchedAtMs } = records.touches.get(key)!;
    const session = records.sessions.get(id);
    if (
      session === undefined || session.status === "terminated" ||
      !mayShareDisk(host, at.self.host)
    ) continue;
    if (isDead(processOf(session), at)) {
      yield* table.endSession(id, "died");
      continue;
    }
    const { vendor } = session;
    const name = nameOf(session);
    touches.push({ path, session: id, name, vendor, touchedAtMs });
  }
  yield* table.grantWaiters();
  return touches;
}

/**
 * Returns the holds of other sessions on this disk, and the files that they show
 * as active without a hold. Checks no process.
 */
export function* othersFiles(
  records: Records,
  at: Moment,
  session: string,
  scope: FileScope,
  limit: number,
): Plan<OthersFiles> {
  yield [
    { kind: "files-of-others", session, limit, ...scope },
    { kind: "hold-count", session },
    { kind: "sessions-after", id: "", limit: 2 },
  ];
  const files = records.listed("holds-of-others")
    .map((token) => records.holds.get(token)!)
    .filter(({ host }) => mayShareDisk(host, at.self.host))
    .map(({ hold }) => toOthersFile(hold));
  const isHeld = new Set(
    files.map(({ session, path }) => `${session} ${path}`),
  );
  for (const id of records.listed("sessions-active")) {
    const session = records.sessions.get(id)!;
    const { host = null, project, activeFiles } = session;
    if (!mayShareDisk(host, at.self.host)) continue;
    const isOfProject = scope.project === null || project === undefined ||
      project === scope.project;
    for (const path of activeFiles) {
      const concerns = isOfProject ||
        scope.folders.some((folder) => isAtOrBelow(path, folder));
      if (!concerns || isHeld.has(`${id} ${path}`)) continue;
      files.push({
        path,
        session: id,
        name: nameOf(session),
        kind: "file",
        disk: path,
        foldsCase: false,
        ...(project !== undefined && { project }),
      });
    }
  }
  return {
    files: files.slice(0, limit),
    isAlone: records.listed("sessions-after").every((id) => id === session),
    isHolder: records.holdCount(session) > 0,
  };
}

function toOthersFile(hold: Hold): OthersFile {
  const { path, session, name, kind, type, since, pathSets } = hold;
  const { worktree, project } = hold;
  return {
    path,
    session,
    name,
    kind,
    type,
    since,
    expiresAtMs: Date.parse(hold.expiresAt),
    disk: pathSets.disk,
    foldsCase: pathSets.foldsCase,
    ...(worktree !== undefined && { worktree }),
    ...(project !== undefined && { project }),
  };
}
