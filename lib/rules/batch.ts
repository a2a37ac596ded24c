/**
 * A batch: rules composed into one decision, all or nothing.
 *
 * @module
 */

import type { Operation, OperationResult } from "../model/batch.ts";
import { releaseLock } from "./locks.ts";
import { publish } from "./messages.ts";
import type { Records } from "./records.ts";
import type { Moment, Plan } from "./rule.ts";
import { updateSession } from "./sessions.ts";
import { endClaim, postTask } from "./tasks.ts";

/** Performs the steps of a batch in order; each sees the changes of earlier ones. */
export function* together(
  records: Records,
  at: Moment,
  operations: readonly Operation[],
): Plan<readonly OperationResult[]> {
  const results: OperationResult[] = [];
  for (const operation of operations) {
    results.push(yield* perform(records, at, operation));
  }
  return results;
}

function* perform(
  records: Records,
  at: Moment,
  operation: Operation,
): Plan<OperationResult> {
  const { kind } = operation;
  switch (kind) {
    case "append":
      return { kind, appended: yield* publish(records, at, operation.message) };
    case "release-lock":
      yield* releaseLock(records, at, operation.hold);
      return { kind };
    case "post-task":
      return { kind, task: yield* postTask(records, at, operation.posting) };
    case "end-claim": {
      const { claim, end } = operation;
      return { kind, task: yield* endClaim(records, at, claim, end) };
    }
    case "update-session": {
      const { id, change } = operation;
      return { kind, session: yield* updateSession(records, at, id, change) };
    }
  }
}
