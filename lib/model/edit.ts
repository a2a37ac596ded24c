/**
 * Edits as data: what a session is about to change, and what others changed.
 *
 * @module
 */

import type { Hold, LockKind, LockTarget, LockType } from "./lock.ts";
import type { SessionChange } from "./session.ts";

/** That a session changed a file. */
export interface FileTouch {
  /** The session. */
  readonly session: string;
  /** When, in milliseconds since 1970. */
  readonly touchedAtMs: number;
}

/** A change of a file below a folder. */
export interface FolderTouch extends FileTouch {
  /** The vendor of the session's agent. */
  readonly vendor: string;
  /** The file's absolute path. */
  readonly path: string;
}

/** Which changes below a folder are listed. */
export interface FolderQuery {
  /** The absolute path of the folder. */
  readonly folder: string;
  /** The session that asks: its own changes are left out. */
  readonly session: string;
  /** The time of the oldest change, in milliseconds since 1970. */
  readonly sinceMs: number;
  /** The largest number of changes. */
  readonly limit: number;
}

/** The branch that a worktree was found on. */
export interface BranchMove {
  /** The root of the worktree. */
  readonly worktree: string;
  /** The branch; `null` on a detached head. */
  readonly branch: string | null;
  /** The session that found it. */
  readonly session: string;
  /** Whether that session has run the command that changed it. */
  readonly isOwn: boolean;
}

/** What a session just did, for itself and for others to find. */
export interface Activity {
  /** What it says of itself, if that changed. */
  readonly change?: SessionChange;
  /** Texts that it keeps, by key; `null` deletes one. */
  readonly notes?: ReadonlyMap<string, string | null>;
  /** Files that it changed just now, by absolute path. */
  readonly touched?: readonly string[];
  /** Nothing is written down unless this note is so; `null`: not there. */
  readonly expects?: { readonly key: string; readonly value: string | null };
}

/** Which files concern a session. */
export interface FileScope {
  /** The project that they are in, beside those of none; `null` for all. */
  readonly project: string | null;
  /** Folders that they lie below or reach into, whatever their project. */
  readonly folders: readonly string[];
}

/** What another session holds, or a file that it shows as active and does not hold. */
export interface OthersFile {
  /** The absolute path or pattern. */
  readonly path: string;
  /** The session. */
  readonly session: string;
  /** How the path is read. */
  readonly kind: LockKind;
  /** What it covers on disk. */
  readonly disk: string;
  /** Whether a glob takes letters of either case for the same. */
  readonly foldsCase: boolean;
  /** The root of the worktree that it lies in; absent outside of one. */
  readonly worktree?: string;
  /** The project that it lies in. */
  readonly project?: string;
  /** The hold's type; absent if the file is not held. */
  readonly type?: LockType;
  /** When it was taken, as an ISO 8601 time in UTC; absent if it is not held. */
  readonly since?: string;
  /** When its lease ends, in milliseconds since 1970; absent if not held. */
  readonly expiresAtMs?: number;
}

/** What other sessions work on, as one session sees it. */
export interface OthersFiles {
  /** Folders and globs first, then held files, the latest first. */
  readonly files: readonly OthersFile[];
  /** Whether no other session is on the bus. */
  readonly isAlone: boolean;
  /** Whether the session itself holds something. */
  readonly isHolder: boolean;
}

/** What is to be edited. */
export interface EditTarget {
  /** The file, or what else may be. */
  readonly target: LockTarget;
  /** When the session read it last, in milliseconds since 1970. */
  readonly readAtMs?: number;
}

/** An edit that a session is about to make. */
export interface EditRequest {
  /** The session. */
  readonly session: string;
  /** The agent of the session, or empty. */
  readonly agent: string;
  /** What it edits. */
  readonly targets: readonly EditTarget[];
  /** How long its locks hold unless renewed, in milliseconds. */
  readonly leaseMs: number;
  /** Sessions on whose behalf the session acts: their holds never conflict. */
  readonly actingFor: readonly string[];
  /** The files that it shows as its active ones then, if they change. */
  readonly activeFiles?: readonly string[];
  /**
   * Whether it was told of advisory holds and changes by others, and edits all
   * the same.
   */
  readonly informed: boolean;
}

/** What speaks against an edit. */
export interface EditObstacle {
  /** Which of the targets. */
  readonly target: LockTarget;
  /** The holds of other sessions that overlap it. */
  readonly holds: readonly Hold[];
  /** Changes of it by other sessions since it was read, latest first. */
  readonly touches: readonly FileTouch[];
}
