/**
 * An edit's locks, in one transaction: a hook that asks and takes step by step
 * would pay for each, and others could come in between.
 *
 * ```text
 *  for each target: others' holds? others' changes? ──▶ some: said, nothing taken
 *                                 └─ none, or informed ─▶ held for longer, or taken
 * ```
 *
 * @module
 */

import type { LockBoard } from "../coordination/lock_board.ts";
import { guardOf } from "../coordination/precedence.ts";
import { UnknownSessionError } from "../errors.ts";
import { OverlapBudget } from "../lock_overlap.ts";
import type { Session } from "../sessions.ts";
import type { EditObstacle, EditRequest, FileTouch } from "../store.ts";
import { arrayText, type Queryable } from "./connection.ts";
import { refuseUnlessRuns } from "./liveness.ts";
import { acquireOn, countLocks } from "./lock_queue.ts";
import { closeBoard, openBoard } from "./locks.ts";
import { toTouch } from "./notes.ts";
import { findSession, isOnDisk, updateSession } from "./sessions.ts";
import { storable } from "./text.ts";
import type { Transaction } from "./transaction.ts";

/** Takes an edit's locks, or says what speaks against it. */
export async function guardEdit(
  tx: Transaction,
  request: EditRequest,
  locksMax: number,
): Promise<EditObstacle[]> {
  const { session: id } = request;
  const targets = request.targets.map(({ target }) => target);
  const [session, count, touches, board] = await Promise.all([
    findSession(tx.connection, id),
    countLocks(tx.connection, id),
    othersTouches(tx.connection, request),
    openBoard(tx, { targets, numbers: targets.length + 1 }),
  ]);
  const act = "take locks for an edit";
  refuseUnlessRuns(tx, act, id, session);
  if (session === undefined) throw new UnknownSessionError(act, id);
  const cost = new OverlapBudget();
  const obstacles = obstaclesTo(board, touches, request, cost);
  // Taking a lock decides anew what it overlaps, however long that takes.
  if (obstacles.length === 0 && !cost.isSpent) {
    takeLocks(board, request, session, locksMax - count, locksMax);
  }
  await Promise.all([
    updateSession(tx, id, {
      status: "active",
      activeFiles: obstacles.length > 0 ? undefined : request.activeFiles,
    }),
    closeBoard(tx, board),
  ]);
  return obstacles;
}

function obstaclesTo(
  board: LockBoard,
  touched: ReadonlyMap<string, readonly FileTouch[]>,
  { session, informed, targets, alongside }: EditRequest,
  cost: OverlapBudget,
): EditObstacle[] {
  const obstacles: EditObstacle[] = [];
  for (const { target } of targets) {
    const holds = board.near(target, "disk", cost).map(({ hold }) => hold)
      .filter((hold) =>
        hold.session !== session && !alongside.includes(hold.session) &&
        (!informed || hold.type === "exclusive")
      );
    const touches = touched.get(target.path) ?? [];
    if (holds.length > 0 || touches.length > 0) {
      obstacles.push({ target, holds, touches });
    }
  }
  return obstacles;
}

/** Who else changed the targets since they were read, latest first, by path. */
async function othersTouches(
  connection: Queryable,
  { session, informed, targets }: EditRequest,
): Promise<Map<string, FileTouch[]>> {
  const read = targets.filter(({ readAtMs }) => readAtMs !== undefined);
  const found = new Map<string, FileTouch[]>();
  if (informed || read.length === 0) return found;
  const rows = await connection.all(
    `SELECT t.path, t.session_id, t.touched_at, s.host
     FROM unnest($1::text[], $2::float8[]) AS r(path, since)
       JOIN file_touches AS t ON t.path = r.path AND t.touched_at >= r.since
       LEFT JOIN session_registry AS s ON s.session_id = t.session_id
     WHERE t.session_id <> $3 ORDER BY t.touched_at DESC`,
    [
      arrayText(read.map(({ target }) => storable(target.path))),
      arrayText(read.map(({ readAtMs }) => readAtMs!)),
      session,
    ],
  );
  for (const row of rows.filter(isOnDisk)) {
    const path = String(row.path);
    found.set(path, [...found.get(path) ?? [], toTouch(row)]);
  }
  return found;
}

function takeLocks(
  board: LockBoard,
  edit: EditRequest,
  session: Session,
  free: number,
  locksMax: number,
): void {
  for (const { target } of edit.targets) {
    const request = guardOf(edit, target);
    const own = board.own(request);
    if (own !== undefined) board.prolong(own, edit.leaseMs);
    // As many as the session may have; what is beyond has been judged.
    else if (board.taken < free) {
      // Refused where somebody waits to hold it exclusively: then the edit has
      // no lock, as an advisory one stops nobody anyway.
      acquireOn(board, request, session, free, locksMax);
    }
  }
}
