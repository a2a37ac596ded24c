/**
 * Judging what speaks against an edit: whether the model is stopped, and told
 * why, or goes on, and is told after.
 *
 * @module
 */

import type { EditObstacle } from "../store.ts";
import type { Case, Verdict } from "./case.ts";
import { denyUntold } from "./denials.ts";
import type { ReadNote } from "./edits.ts";
import { hasChanged } from "./file_stamp.ts";
import { adviceOn, factsOf } from "./objection.ts";

/** The denial, if the obstacles come to one. */
export async function judgeObstacles(
  hook: Case,
  obstacles: readonly EditObstacle[],
  reads: ReadonlyMap<string, ReadNote>,
): Promise<Verdict | undefined> {
  const policy = hook.policy();
  const facts = obstacles
    .map((obstacle) => withoutSame(obstacle, reads))
    .flatMap((obstacle) => factsOf(obstacle, policy, hook.nowMs));
  return await denyUntold(hook, facts, adviceOn(facts));
}

/** Leaves out changes after which the file is what it was when it was read. */
function withoutSame(
  obstacle: EditObstacle,
  reads: ReadonlyMap<string, ReadNote>,
): EditObstacle {
  const { path } = obstacle.target;
  const read = reads.get(path);
  const differs = obstacle.touches.length > 0 && read !== undefined &&
    hasChanged(path, read);
  return differs ? obstacle : { ...obstacle, touches: [] };
}
