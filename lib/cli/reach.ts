/**
 * Which files something reaches, on disk and in its repository, and how two of
 * them meet: on the same file, or on the same file in two worktrees.
 *
 * @module
 */

import { type Glob, overlaps } from "../glob.ts";
import { extentGlob, type LockTarget } from "../lock_target.ts";
import type { Hold } from "../locks.ts";

/** Which files something reaches. */
export interface Reach {
  /** On disk. */
  readonly disk: Glob;
  /** In its repository, whatever the worktree; absent outside of one. */
  readonly repository?: Glob;
}

/** On the same file on disk, or on the same one in another worktree. */
export type Meeting = "conflict" | "merge-risk";

/** What a target reaches. */
export function reachOf(target: LockTarget): Reach {
  const { kind, disk, repository, foldsCase } = target;
  return {
    disk: extentGlob(kind, disk.text, foldsCase),
    ...(repository !== undefined && {
      repository: extentGlob(kind, repository.text, foldsCase),
    }),
  };
}

/** What a hold reaches; undefined if another program wrote what is no path. */
export function reachOfHold({ kind, covers }: Hold): Reach | undefined {
  const { disk, repository, foldsCase } = covers;
  try {
    return {
      disk: extentGlob(kind, disk, foldsCase),
      ...(repository !== undefined && {
        repository: extentGlob(kind, repository, foldsCase),
      }),
    };
  } catch {
    return undefined;
  }
}

/** How two meet; undefined if they do not. */
export function meeting(a: Reach, b: Reach): Meeting | undefined {
  if (overlaps(a.disk, b.disk)) return "conflict";
  return a.repository !== undefined && b.repository !== undefined &&
      overlaps(a.repository, b.repository)
    ? "merge-risk"
    : undefined;
}
