/**
 * Applies the policy to conflicts: the model is stopped and told why, or it goes
 * on and is told later.
 *
 * @module
 */

import type { Fact } from "./fact.ts";
import type { ChangeNote, ReadNote } from "./file_notes.ts";
import { isUnsureChange } from "./file_notes.ts";
import type { LockTarget } from "../model/lock.ts";
import type { EditConflict } from "../model/edit.ts";
import type { HookContext, HookResult } from "./hook_context.ts";
import { denyUntold } from "./deny_once.ts";
import { hasChanged } from "./file_stamp.ts";
import { plainName } from "./frame.ts";
import {
  adviceOn,
  changedFact,
  type FactContext,
  factsOf,
} from "./deny_message.ts";

// The status of at most this many holders is looked up.
const HOLDERS_MAX = 20;

/** Returns the denial of an edit with conflicts; undefined if it passes. */
export async function judgeConflicts(
  hook: HookContext,
  conflicts: readonly EditConflict[],
  reads: ReadonlyMap<string, ReadNote>,
): Promise<HookResult | undefined> {
  const standing = conflicts.map((conflict) => withoutSame(conflict, reads));
  const idle = await idleHolders(hook, standing);
  const facts: Fact[] = [];
  for (const conflict of standing) {
    const { target, touches: [touch] } = conflict;
    const isUnsure = touch !== undefined &&
      await isUnsureChange(hook, touch.session, target.path);
    const telling = factContext(hook, target, reads, idle);
    facts.push(...factsOf(conflict, telling, isUnsure));
  }
  return await denyUntold(hook, facts, adviceOn(facts));
}

/**
 * Returns the denial if another agent of the session changed a file that this one
 * has read. It runs before the locks are taken: a denied edit takes none.
 */
export async function judgeSiblings(
  hook: HookContext,
  targets: readonly LockTarget[],
  changes: ReadonlyMap<string, ChangeNote>,
  reads: ReadonlyMap<string, ReadNote>,
): Promise<HookResult | undefined> {
  const changed = targets.filter(({ path }) => {
    const read = reads.get(path);
    return changes.has(path) && read !== undefined && hasChanged(path, read);
  });
  if (changed.length === 0) return undefined;
  const facts = changed.map((target) => {
    const { agent, atMs, isUnsure } = changes.get(target.path)!;
    const by = agent === ""
      ? "The main agent of this session"
      : `Another agent of this session (${plainName(agent)})`;
    const change = { session: hook.session.id, atMs, by, isUnsure };
    return changedFact(target, change, factContext(hook, target, reads));
  });
  return await denyUntold(hook, facts, adviceOn(facts));
}

/** Returns what the words of facts about a target depend on. */
function factContext(
  { policy, nowMs }: HookContext,
  { path, worktree }: LockTarget,
  reads: ReadonlyMap<string, ReadNote>,
  idle: ReadonlySet<string> = new Set(),
): FactContext {
  return {
    policy: policy(worktree),
    nowMs,
    readAtMs: reads.get(path)?.atMs,
    idle,
  };
}

/** Returns the holders that have finished their turn. */
async function idleHolders(
  { store }: HookContext,
  conflicts: readonly EditConflict[],
): Promise<Set<string>> {
  const holders = new Set(
    conflicts.flatMap(({ holds }) => holds.map(({ session }) => session)),
  );
  const idle = new Set<string>();
  for (const holder of [...holders].slice(0, HOLDERS_MAX)) {
    const status = (await store.session(holder))?.status;
    if (status === "idle") idle.add(holder);
  }
  return idle;
}

/** Drops changes that left the file as it was when it was read. */
function withoutSame(
  conflict: EditConflict,
  reads: ReadonlyMap<string, ReadNote>,
): EditConflict {
  const { path } = conflict.target;
  const read = reads.get(path);
  const differs = conflict.touches.length > 0 && read !== undefined &&
    hasChanged(path, read);
  return differs ? conflict : { ...conflict, touches: [] };
}
