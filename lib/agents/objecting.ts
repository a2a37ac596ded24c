/**
 * Judging what speaks against an edit: whether the model is stopped, and told
 * why, or goes on, and is told after.
 *
 * @module
 */

import type { LockTarget } from "../lock_target.ts";
import type { EditObstacle } from "../store.ts";
import type { Case, Verdict } from "./case.ts";
import { denyUntold } from "./denials.ts";
import type { ChangeNote, ReadNote } from "./edits.ts";
import { hasChanged } from "./file_stamp.ts";
import { plainName } from "./frame.ts";
import { adviceOn, changedFact, factsOf } from "./objection.ts";

/** The denial, if the obstacles come to one. */
export async function judgeObstacles(
  hook: Case,
  obstacles: readonly EditObstacle[],
  reads: ReadonlyMap<string, ReadNote>,
): Promise<Verdict | undefined> {
  const facts = obstacles
    .map((obstacle) => withoutSame(obstacle, reads))
    .flatMap((obstacle) => {
      const policy = hook.policy(obstacle.target.worktree);
      return factsOf(obstacle, policy, hook.nowMs);
    });
  return await denyUntold(hook, facts, adviceOn(facts));
}

/**
 * The denial, if other agents of the session changed what this one has read. It
 * comes first: an edit that is denied takes no lock.
 */
export async function judgeSiblings(
  hook: Case,
  targets: readonly LockTarget[],
  changes: ReadonlyMap<string, ChangeNote>,
  reads: ReadonlyMap<string, ReadNote>,
): Promise<Verdict | undefined> {
  const changed = targets.filter(({ path }) => {
    const read = reads.get(path);
    return changes.has(path) && read !== undefined && hasChanged(path, read);
  });
  if (changed.length === 0) return undefined;
  const policy = hook.policy();
  const facts = changed.map(({ path, project }) => {
    const { agent, atMs } = changes.get(path)!;
    const by = agent === ""
      ? "The main agent of this session"
      : `Another agent of this session (${plainName(agent)})`;
    const change = { session: hook.session.id, atMs, by };
    return changedFact({ path, project }, change, policy, hook.nowMs);
  });
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
