/**
 * Locks as data: requests, holds and conflicts.
 *
 * @module
 */

import type { ProcessIdentity } from "./process.ts";

/** Type of a lock: `advisory` warns other sessions, `exclusive` blocks them. */
export type LockType = "advisory" | "exclusive";

/** Default lease duration of a lock: 10 minutes, in milliseconds. */
export const DEFAULT_LOCK_LEASE_MS = 10 * 60 * 1000;

/** Hold of a session on a path or a named resource. */
export interface Hold {
  /** Fencing token: a later hold has a greater one. */
  readonly token: number;
  /** Kind of path. */
  readonly kind: LockKind;
  /** Absolute path or pattern, or name of a resource. */
  readonly path: string;
  /** Type of the lock. */
  readonly type: LockType;
  /** Id of the holder. */
  readonly session: string;
  /** Name of that session. */
  readonly name: string;
  /** Part of the session that holds it, such as a subagent. */
  readonly agent?: string;
  /** Vendor of that session's agent. */
  readonly vendor: string;
  /** Task of that session. */
  readonly task?: string;
  /** Reason, in the holder's words. */
  readonly why?: string;
  /** Start of the hold or wait, as ISO 8601 in UTC. */
  readonly since: string;
  /** Expiry unless renewed, as ISO 8601 in UTC. */
  readonly expiresAt: string;
  /** Whether it has expired while its holder's process lives. */
  readonly overdue: boolean;
  /** Number of acquires that are not released yet. */
  readonly count: number;
  /** Project of the path. */
  readonly project?: string;
  /** Root of the worktree. */
  readonly worktree?: string;
  /** Path sets that decide overlaps. */
  readonly pathSets: HoldPathSets;
}

/** Path sets of a hold, as text. */
export interface HoldPathSets {
  /** Path set on disk: a path, a pattern, or a name with its scope. */
  readonly disk: string;
  /** Path set in the repository; absent outside of one. */
  readonly repository?: string;
  /** Whether a glob ignores case. */
  readonly foldsCase: boolean;
}

/** Overlap of a lock with another hold. */
export interface LockOverlap {
  /**
   * Kind of overlap. `conflict`: one file on disk. `merge-risk`: one file of a
   * repository, in another worktree. `same-session`: one file on disk, held by
   * another agent of the same session.
   */
  readonly risk: "conflict" | "merge-risk" | "same-session";
  /** Other hold. */
  readonly hold: Hold;
}

/** Session that blocks a lock request. */
export interface Blocker {
  /** Id of the session. */
  readonly session: string;
  /** Name of that session. */
  readonly name: string;
  /** Whether it holds the path, or waits since earlier. */
  readonly state: "holds" | "waits";
  /** Path or pattern that it holds or waits for. */
  readonly path: string;
  /** Type of its lock. */
  readonly type: LockType;
  /** Vendor of that session's agent. */
  readonly vendor: string;
  /** Task of that session. */
  readonly task?: string;
  /** Reason, in the holder's words. */
  readonly why?: string;
  /** Start of the hold or wait, as ISO 8601 in UTC. */
  readonly since: string;
  /** Expiry of the hold, as ISO 8601 in UTC; absent for a waiter. */
  readonly expiresAt?: string;
  /** Whether it is an overdue hold, which may be taken over. */
  readonly overdue: boolean;
  /** Process of the session and its host; absent if unknown. */
  readonly process?: ProcessIdentity & { readonly host: string };
}

/** Request for a lock. */
export interface LockRequest {
  /** Id of the asking session. */
  readonly session: string;
  /** Part of the session that asks; empty for the session itself. */
  readonly agent: string;
  /** Target of the lock. */
  readonly target: LockTarget;
  /** Type of the lock. */
  readonly type: LockType;
  /** Lease duration, in milliseconds. */
  readonly leaseMs: number;
  /** Reason, shown to other sessions. */
  readonly why?: string;
  /** Whether conflicting overdue holds are ended. */
  readonly takeOver: boolean;
  /** Whether a conflict queues the request. */
  readonly wait: boolean;
  /** Token of the session's own hold that becomes exclusive. */
  readonly upgrades?: number;
  /** Sessions on whose behalf the session acts: their holds never conflict. */
  readonly actingFor: readonly string[];
}

/** Outcome of a request. */
export type LockOutcome =
  | {
    readonly state: "held";
    readonly hold: Hold;
    readonly overlaps: readonly LockOverlap[];
  }
  | { readonly state: "refused"; readonly blockers: readonly Blocker[] }
  | {
    readonly state: "waiting";
    readonly waiter: string;
    readonly blockers: readonly Blocker[];
  };

/**
 * Kind of path: a file, a folder with everything below it, a glob, or the name of
 * a resource.
 */
export type LockKind = "file" | "folder" | "glob" | "name";

/** Set of paths, as text. */
export interface PathSet {
  /** A path; for kind `glob` a pattern, for kind `name` the name with its scope. */
  readonly text: string;
  /** Common beginning of all paths, case folded, for finding possible overlaps. */
  readonly prefix: string;
}

/** Target of a lock. */
export interface LockTarget {
  /** Kind of path. */
  readonly kind: LockKind;
  /** Absolute path or pattern, or name, as people see it. */
  readonly path: string;
  /** Path set on disk. */
  readonly disk: PathSet;
  /** Path set in the repository; absent outside of one. */
  readonly repository?: PathSet;
  /** Whether a glob ignores case. */
  readonly foldsCase: boolean;
  /** Project of the path; absent outside of a repository. */
  readonly project?: string;
  /** Root of the worktree; absent outside of one. */
  readonly worktree?: string;
  /** Host of the disk; absent for this process's own. */
  readonly host?: string;
}

/** Filter of a list of locks. */
export interface LockQuery {
  /** Project of the locks, beside locks of no project; `null` for every project. */
  readonly project: string | null;
  /** Folder that contains further locks, in any project. */
  readonly below?: string;
  /** Only holds of this session. */
  readonly session?: string;
  /** Only holds on exactly this path. */
  readonly path?: string;
  /** Only the hold with this token. */
  readonly token?: number;
  /** Only holds that overlap this target on disk. */
  readonly overlapping?: LockTarget;
}

/** Returns whether a text is the name of a resource. */
export function isName(path: string): boolean {
  return path.startsWith("@");
}

/** Returns whether a name is one resource on all machines of a project. */
export function spansMachines(text: string): boolean {
  return text.startsWith("@project/");
}
