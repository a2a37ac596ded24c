/**
 * Locks as data: what is asked for, held, and in conflict.
 *
 * @module
 */

import type { ProcessIdentity } from "./process.ts";

/** How a lock stands to others: it warns them, or shuts them out. */
export type LockType = "advisory" | "exclusive";

/** How long a lock is held unless renewed: 10 minutes. */
export const DEFAULT_LOCK_LEASE_MS = 10 * 60 * 1000;

/** One hold on a path or a named resource. */
export interface Hold {
  /** The fencing token: a later hold has a greater one. */
  readonly token: number;
  /** What it covers. */
  readonly kind: LockKind;
  /** The absolute path or pattern, or the name. */
  readonly path: string;
  /** How it stands to others. */
  readonly type: LockType;
  /** The session that holds it. */
  readonly session: string;
  /** The part of the session that holds it, such as a subagent. */
  readonly agent?: string;
  /** The vendor of the agent of that session. */
  readonly vendor: string;
  /** The task that the session is on. */
  readonly task?: string;
  /** What it is held for, in its holder's words. */
  readonly why?: string;
  /** Since when, as an ISO 8601 time in UTC. */
  readonly since: string;
  /** Until when unless renewed, as an ISO 8601 time in UTC. */
  readonly expiresAt: string;
  /** Whether it is past its expiry, held by a process that lives. */
  readonly overdue: boolean;
  /** How many times it was taken and must be given back. */
  readonly count: number;
  /** The project that it lies in. */
  readonly project?: string;
  /** The root of the worktree that it lies in. */
  readonly worktree?: string;
  /** Path sets of the hold, in the form in which overlaps are decided. */
  readonly pathSets: HoldPathSets;
}

/** Path sets of a hold, as text. */
export interface HoldPathSets {
  /** The path set on disk: a path, a pattern, or a name with its scope. */
  readonly disk: string;
  /** The path set in the repository; absent outside of one. */
  readonly repository?: string;
  /** Whether a glob takes letters of either case for the same. */
  readonly foldsCase: boolean;
}

/** Another hold that a lock overlaps. */
export interface LockOverlap {
  /**
   * `conflict`: the same file on disk. `merge-risk`: the same file of a
   * repository, in another worktree. `same-session`: the same file on disk, by
   * another agent of one's own session.
   */
  readonly risk: "conflict" | "merge-risk" | "same-session";
  /** The other hold. */
  readonly hold: Hold;
}

/** A session that blocks a lock request. */
export interface Blocker {
  /** The session. */
  readonly session: string;
  /** Whether it holds the path, or waits for it since earlier. */
  readonly state: "holds" | "waits";
  /** What it holds or waits for. */
  readonly path: string;
  /** How it holds it or will. */
  readonly type: LockType;
  /** The vendor of the agent of that session. */
  readonly vendor: string;
  /** The task that the session is on. */
  readonly task?: string;
  /** What it is held for, in its holder's words. */
  readonly why?: string;
  /** Since when, as an ISO 8601 time in UTC. */
  readonly since: string;
  /** Until when it is held, as an ISO 8601 time in UTC; absent for a waiter. */
  readonly expiresAt?: string;
  /** Whether it is a hold past its expiry, which may be taken over. */
  readonly overdue: boolean;
  /** The process that must live for it, and where; absent if none is known. */
  readonly process?: ProcessIdentity & { readonly host: string };
}

/** What a store is asked for. */
export interface LockRequest {
  /** The session that asks. */
  readonly session: string;
  /** The part of the session that asks; empty for the session itself. */
  readonly agent: string;
  /** What the lock is put on. */
  readonly target: LockTarget;
  /** How it stands to others. */
  readonly type: LockType;
  /** How long it is held unless renewed, in milliseconds. */
  readonly leaseMs: number;
  /** What it is held for. */
  readonly why?: string;
  /** Whether overdue holds in the way are ended. */
  readonly takeOver: boolean;
  /** Whether to queue where it cannot be had at once. */
  readonly wait: boolean;
  /** The token of the session's own hold that becomes exclusive by it. */
  readonly upgrades?: number;
  /** Sessions on whose behalf the session acts: their holds never conflict. */
  readonly actingFor: readonly string[];
}

/** What became of a request. */
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
 * What a lock covers: a file, a folder with all below it, a glob, or a named
 * resource.
 */
export type LockKind = "file" | "folder" | "glob" | "name";

/** A set of paths, as text. */
export interface PathSet {
  /** A path, for kind `glob` a pattern, for kind `name` the name and its scope. */
  readonly text: string;
  /** What all of them begin with, case folded: what may overlap meets there. */
  readonly prefix: string;
}

/** What a lock is put on. */
export interface LockTarget {
  /** What it covers. */
  readonly kind: LockKind;
  /** The absolute path or pattern, or the name, as people see it. */
  readonly path: string;
  /** The path set on disk. */
  readonly disk: PathSet;
  /** The path set in the repository; absent outside of one. */
  readonly repository?: PathSet;
  /** Whether a glob takes letters of either case for the same. */
  readonly foldsCase: boolean;
  /** The project that it lies in; absent outside of a repository. */
  readonly project?: string;
  /** The root of the worktree that it lies in; absent outside of one. */
  readonly worktree?: string;
  /** The host on whose disk it is; absent for this process's own. */
  readonly host?: string;
}

/** Which locks to list. */
export interface LockQuery {
  /** The project that they are in, beside those of none; `null` for all. */
  readonly project: string | null;
  /** The folder below which they lie, whatever their project. */
  readonly below?: string;
  /** Only this session's. */
  readonly session?: string;
  /** Only those on exactly this path. */
  readonly path?: string;
  /** Only the one with this token. */
  readonly token?: number;
  /** Only those that overlap this on disk. */
  readonly overlapping?: LockTarget;
}

/** Returns whether what a person wrote is the name of a resource. */
export function isName(path: string): boolean {
  return path.startsWith("@");
}

/** Returns whether a name is a resource of a project, on whatever machine. */
export function spansMachines(text: string): boolean {
  return text.startsWith("@project/");
}
