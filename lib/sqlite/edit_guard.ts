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

import { guardOf } from "../coordination/precedence.ts";
import { OverlapBudget } from "../lock_overlap.ts";
import type { Hold, LockRequest } from "../locks.ts";
import type { EditObstacle, EditRequest } from "../store.ts";
import type { LockBudget } from "./lock_budget.ts";
import { acquire, askerOf } from "./lock_queue.ts";
import {
  adoptForeignHolds,
  hold,
  type HoldRow,
  HoldsAround,
  ownHold,
  standing,
} from "./locks.ts";
import { touchesOf } from "./notes.ts";
import { beat } from "./sessions.ts";
import type { Transaction } from "./transaction.ts";

/** Takes an edit's locks, or says what speaks against it. */
export function guardEdit(
  tx: Transaction,
  request: EditRequest,
  budget: LockBudget,
): EditObstacle[] {
  adoptForeignHolds(tx);
  const targets = request.targets.map(({ target }) => target);
  const cost = new OverlapBudget();
  const around = new HoldsAround(
    tx.connection,
    targets,
    tx.nowMs,
    "disk",
    cost,
  );
  const obstacles = obstaclesTo(tx, request, around);
  beat(tx, request.session, {
    status: "active",
    activeFiles: obstacles.length > 0 ? undefined : request.activeFiles,
  });
  if (obstacles.length === 0) takeLocks(tx, request, around, budget, cost);
  return obstacles;
}

function obstaclesTo(
  tx: Transaction,
  request: EditRequest,
  around: HoldsAround,
): EditObstacle[] {
  const { informed } = request;
  const obstacles: EditObstacle[] = [];
  for (const { target, readAtMs } of request.targets) {
    const holds = othersHolds(tx, request, around.overlapping(target))
      .filter(({ type }) => !informed || type === "exclusive");
    const touches = informed || readAtMs === undefined
      ? []
      : touchesOf(tx.connection, target.path, readAtMs)
        .filter((touch) => touch.session !== request.session);
    if (holds.length > 0 || touches.length > 0) {
      obstacles.push({ target, holds, touches });
    }
  }
  return obstacles;
}

function othersHolds(
  tx: Transaction,
  { session, alongside }: EditRequest,
  near: readonly HoldRow[],
): Hold[] {
  const holds = near.filter(({ hold }) =>
    hold.session !== session && !alongside.includes(hold.session)
  );
  return standing(tx, holds).map(({ hold }) => hold);
}

/** Takes as many locks as the session may have; what is beyond has been judged. */
function takeLocks(
  tx: Transaction,
  edit: EditRequest,
  around: HoldsAround,
  budget: LockBudget,
  cost: OverlapBudget,
): void {
  const fresh: LockRequest[] = [];
  for (const { target } of edit.targets) {
    const request = guardOf(edit, target);
    const own = ownHold(tx, request, around.overlapping(target));
    if (own === undefined) fresh.push(request);
    else {
      tx.connection.sql(
        "UPDATE file_locks SET expires_at = max(expires_at, ?) WHERE token = ?",
      ).run(tx.nowMs + edit.leaseMs, own.token);
    }
  }
  // Taking a lock decides anew what it overlaps, however long that takes.
  if (fresh.length === 0 || cost.isSpent) return;
  const left = Math.max(0, budget.left(tx, edit.session));
  takeNew(tx, fresh.slice(0, left), around, budget, cost);
}

function takeNew(
  tx: Transaction,
  fresh: readonly LockRequest[],
  around: HoldsAround,
  budget: LockBudget,
  cost: OverlapBudget,
): void {
  const [first] = fresh;
  if (first === undefined) return;
  const asker = askerOf(tx, first);
  const elsewhere = new HoldsAround(
    tx.connection,
    fresh.map(({ target }) => target),
    tx.nowMs,
    "repository",
    cost,
  );
  for (const request of fresh) {
    const isAlone = !asker.anyWaits &&
      around.overlapping(request.target).length === 0 &&
      elsewhere.overlapping(request.target).length === 0;
    if (isAlone) hold(tx, request, asker, undefined);
    // Refused where somebody waits to hold it exclusively: then the edit has
    // no lock, as an advisory one stops nobody anyway.
    else acquire(tx, request, budget);
  }
}
