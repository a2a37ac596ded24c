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
import { nameOf } from "../model/session.ts";
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

// At most this many sessions are looked up.
const PARTIES_MAX = 20;

/** Returns the denial of an edit with conflicts; undefined if it passes. */
export async function judgeConflicts(
  hook: HookContext,
  conflicts: readonly EditConflict[],
  reads: ReadonlyMap<string, ReadNote>,
): Promise<HookResult | undefined> {
  const standing = conflicts.map((conflict) => withoutSame(conflict, reads));
  const { idle, nameOf } = await partiesOf(hook, standing);
  const facts: Fact[] = [];
  for (const conflict of standing) {
    const { target, touches: [touch] } = conflict;
    const isUnsure = touch !== undefined &&
      await isUnsureChange(hook, touch.session, target.path);
    const telling = { ...factContext(hook, target, reads), idle, nameOf };
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
    const { id: session } = hook.session;
    const name = nameOf(hook.session);
    const change = { session, name, atMs, by, isUnsure };
    return changedFact(target, change, factContext(hook, target, reads));
  });
  return await denyUntold(hook, facts, adviceOn(facts));
}

/** Returns what the words of facts about a target depend on. */
function factContext(
  { policy, nowMs }: HookContext,
  { path, worktree }: LockTarget,
  reads: ReadonlyMap<string, ReadNote>,
): Omit<FactContext, "idle" | "nameOf"> {
  return {
    policy: policy(worktree),
    nowMs,
    readAtMs: reads.get(path)?.atMs,
  };
}

/** Returns the sessions that have finished their turn, and names. */
async function partiesOf(
  { store }: HookContext,
  conflicts: readonly EditConflict[],
): Promise<Pick<FactContext, "idle" | "nameOf">> {
  const parties = new Set(
    conflicts.flatMap(({ holds, touches }) =>
      [...holds, ...touches.slice(0, 1)].map(({ session }) => session)
    ),
  );
  const idle = new Set<string>();
  const names = new Map<string, string>();
  for (const id of [...parties].slice(0, PARTIES_MAX)) {
    const session = await store.session(id);
    if (session === undefined) continue;
    names.set(id, nameOf(session));
    if (session.status === "idle") idle.add(id);
  }
  return { idle, nameOf: (id) => names.get(id) ?? id };
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
