/**
 * Edits as data: intended changes of a session, and changes by others.
 *
 * @module
 */

import type { Hold, LockKind, LockTarget, LockType } from "./lock.ts";
import type { SessionChange } from "./session.ts";

/** Change of a file by a session. */
export interface FileTouch {
  /** Id of the session. */
  readonly session: string;
  /** Time of the change, in milliseconds since 1970. */
  readonly touchedAtMs: number;
}

/** Change of a file below a folder. */
export interface FolderTouch extends FileTouch {
  /** Name of the session. */
  readonly name: string;
  /** Vendor of the session's agent. */
  readonly vendor: string;
  /** Absolute path of the file. */
  readonly path: string;
}

/** Filter of changes below a folder. */
export interface FolderQuery {
  /** Absolute path of the folder. */
  readonly folder: string;
  /** Id of the asking session, whose own changes are left out. */
  readonly session: string;
  /** Time of the oldest change, in milliseconds since 1970. */
  readonly sinceMs: number;
  /** Largest number of changes. */
  readonly limit: number;
}

/** Branch on which a session found a worktree. */
export interface BranchMove {
  /** Root of the worktree. */
  readonly worktree: string;
  /** Name of the branch; `null` on a detached head. */
  readonly branch: string | null;
  /** Id of the session that found the branch. */
  readonly session: string;
  /** Whether a command of that session changed the branch. */
  readonly isOwn: boolean;
}

/** Recent work of a session, recorded for itself and for others. */
export interface Activity {
  /** Changed statements of the session about itself. */
  readonly change?: SessionChange;
  /** Notes of the session, by key; `null` deletes one. */
  readonly notes?: ReadonlyMap<string, string | null>;
  /** Absolute paths of files that it changed just now. */
  readonly touched?: readonly string[];
  /** Required value of one note (`null`: absent); otherwise nothing is written. */
  readonly expects?: { readonly key: string; readonly value: string | null };
}

/** Files that concern a session. */
export interface FileScope {
  /** Project of the files, beside files of no project; `null` for every project. */
  readonly project: string | null;
  /** Folders that contain or overlap further files, in any project. */
  readonly folders: readonly string[];
}

/** Hold of another session, or a file that it shows as active without a hold. */
export interface OthersFile {
  /** Absolute path or pattern. */
  readonly path: string;
  /** Id of the session. */
  readonly session: string;
  /** Name of the session. */
  readonly name: string;
  /** Kind of path. */
  readonly kind: LockKind;
  /** Path set on disk. */
  readonly disk: string;
  /** Whether a glob ignores case. */
  readonly foldsCase: boolean;
  /** Root of the worktree; absent outside of one. */
  readonly worktree?: string;
  /** Project of the path. */
  readonly project?: string;
  /** Type of the hold; absent if the file is not held. */
  readonly type?: LockType;
  /** Start of the hold, as ISO 8601 in UTC; absent if the file is not held. */
  readonly since?: string;
  /** Expiry of the hold, in milliseconds since 1970; absent if the file is not held. */
  readonly expiresAtMs?: number;
}

/** Work of other sessions, as one session sees it. */
export interface OthersFiles {
  /** Folders and globs first, then held files, the latest first. */
  readonly files: readonly OthersFile[];
  /** Whether no other session is on the bus. */
  readonly isAlone: boolean;
  /** Whether the session itself has a hold. */
  readonly isHolder: boolean;
}

/** Target of an edit. */
export interface EditTarget {
  /** File to change; a folder or glob if the exact file is unknown. */
  readonly target: LockTarget;
  /** Time of the session's last read, in milliseconds since 1970. */
  readonly readAtMs?: number;
}

/** Edit that a session is about to make. */
export interface EditRequest {
  /** Id of the session. */
  readonly session: string;
  /** Agent of the session; empty for the session itself. */
  readonly agent: string;
  /** Targets of the edit. */
  readonly targets: readonly EditTarget[];
  /** Lease duration of its locks, in milliseconds. */
  readonly leaseMs: number;
  /** Sessions on whose behalf the session acts: their holds never conflict. */
  readonly actingFor: readonly string[];
  /** New active files of the session, if they change. */
  readonly activeFiles?: readonly string[];
  /** New activity of the session, if it changes. */
  readonly activity?: SessionChange["activity"];
  /**
   * Whether the session was told of advisory holds and changes by others, and
   * still edits.
   */
  readonly informed: boolean;
}

/** Conflict of an edit with other sessions. */
export interface EditConflict {
  /** Target in conflict. */
  readonly target: LockTarget;
  /** Overlapping holds of other sessions. */
  readonly holds: readonly Hold[];
  /** Changes by other sessions since the last read, latest first. */
  readonly touches: readonly FileTouch[];
}
