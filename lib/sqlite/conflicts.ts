/**
 * Saying what `file_conflict` carries, in SQLite; what that is stands in
 * coordination/conflicts.ts.
 *
 * @module
 */

import {
  conflictsOf,
  takenOver,
  wanted,
  WANTED_AGAIN_MS,
} from "../coordination/conflicts.ts";
import type { Blocker, Hold, LockOverlap, LockRequest } from "../locks.ts";
import type { NewMessage } from "../store.ts";
import type { Transaction } from "./transaction.ts";

/** Says who else holds what was just taken. */
export function announceConflict(
  tx: Transaction,
  held: Hold,
  overlaps: readonly LockOverlap[],
): void {
  for (const message of conflictsOf(held, overlaps)) tx.append(message);
}

/** Tells holders that somebody has taken theirs over. */
export function tellTakenOver(
  tx: Transaction,
  request: LockRequest,
  ended: Hold,
): void {
  tx.append(takenOver(request, ended));
}

/** Tells holders that somebody wants theirs, unless that was just said. */
export function tellWanted(
  tx: Transaction,
  request: LockRequest,
  inTheWay: readonly Blocker[],
): void {
  const message = wanted(request, inTheWay);
  if (message !== undefined && !saidLately(tx, message)) tx.append(message);
}

function saidLately(tx: Transaction, message: NewMessage): boolean {
  return tx.connection.sql(
    `SELECT 1 FROM inter_session_messages
     WHERE channel = ? AND sender_id = ? AND payload = ? AND created_at > ?
     LIMIT 1`,
  ).get(
    message.channel,
    message.sender,
    message.payloadText,
    new Date(tx.nowMs - WANTED_AGAIN_MS).toISOString(),
  ) !== undefined;
}
