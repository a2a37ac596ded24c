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
import type { LockTarget } from "../lock_target.ts";
import type { Hold } from "../locks.ts";
import type { EditObstacle, EditRequest } from "../store.ts";
import type { LockBudget } from "./lock_budget.ts";
import { acquire } from "./lock_queue.ts";
import {
  adoptForeignHolds,
  overlappingHolds,
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
  const obstacles = obstaclesTo(tx, request);
  beat(tx, request.session, {
    status: "active",
    activeFiles: obstacles.length > 0 ? undefined : request.activeFiles,
  });
  if (obstacles.length === 0) takeLocks(tx, request, budget);
  return obstacles;
}

function obstaclesTo(tx: Transaction, request: EditRequest): EditObstacle[] {
  const { informed } = request;
  const obstacles: EditObstacle[] = [];
  for (const { target, readAtMs } of request.targets) {
    const holds = othersHolds(tx, request, target)
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
  target: LockTarget,
): Hold[] {
  const holds = overlappingHolds(tx.connection, target, tx.nowMs, "disk")
    .filter(({ hold }) =>
      hold.session !== session && !alongside.includes(hold.session)
    );
  return standing(tx, holds).map(({ hold }) => hold);
}

function takeLocks(
  tx: Transaction,
  edit: EditRequest,
  budget: LockBudget,
): void {
  for (const { target } of edit.targets) {
    const request = guardOf(edit, target);
    const near = overlappingHolds(tx.connection, target, tx.nowMs, "disk");
    const own = ownHold(tx, request, near);
    if (own === undefined) {
      // Refused where somebody waits to hold it exclusively: then the edit has
      // no lock, as an advisory one stops nobody anyway.
      acquire(tx, request, budget);
    } else {
      tx.connection.sql(
        "UPDATE file_locks SET expires_at = max(expires_at, ?) WHERE token = ?",
      ).run(tx.nowMs + edit.leaseMs, own.token);
    }
  }
}
