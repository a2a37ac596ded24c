/**
 * Batches in PostgreSQL: several things in one transaction.
 *
 * @module
 */

import type { Operation, OperationResult } from "../store.ts";
import { refuseEnded, updateOne } from "./liveness.ts";
import { giveBack } from "./lock_queue.ts";
import { endClaim, postTask } from "./tasks.ts";
import type { Transaction } from "./transaction.ts";

/**
 * Does one step of a batch. What it appends has no id before the commit, so the
 * result is to be read only then.
 */
export async function perform(
  tx: Transaction,
  operation: Operation,
): Promise<OperationResult> {
  const { kind } = operation;
  switch (kind) {
    case "append":
      await refuseEnded(tx, "publish", operation.message.sender);
      return { kind, appended: await tx.append(operation.message) };
    case "release-lock":
      await giveBack(tx, operation.hold);
      return { kind };
    case "post-task":
      return { kind, task: await postTask(tx, operation.posting) };
    case "end-claim":
      return {
        kind,
        task: await endClaim(tx, operation.claim, operation.end),
      };
    case "update-session":
      return {
        kind,
        session: await updateOne(tx, operation.id, operation.change),
      };
  }
}
