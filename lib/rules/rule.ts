/**
 * Form of every decision: a pure function of records and a moment.
 *
 * A rule is a generator. It yields queries for the records that its next step
 * needs, because the records to look at next often follow from those just seen:
 * a freed lock names its waiters, a waiter names its session. After each yield
 * {@linkcode Records} shows the answer. `yield*` composes rules.
 *
 * Invariants of every rule:
 *
 * - It does no I/O and reads no clock. Time, liveness of processes and new tokens
 *   come from {@linkcode Moment}.
 * - It may be restarted from its beginning, on fresh records.
 * - An error that it throws ends the operation, and nothing is changed.
 * - A record is loaded together with the records that refer to it (a hold with
 *   its waiter, a session with its holds) before either is decided on.
 *
 * @module
 */

import type { Life } from "../model/process.ts";
import type { LockTarget } from "../model/lock.ts";
import type { Incarnation } from "../model/session.ts";
import type { NewMessage, Pending } from "../model/message.ts";
import type { TaskQuery } from "../model/task.ts";
import type { TaskFilter } from "../model/task.ts";
import type { Mark, Records } from "./records.ts";
import type { HostedProcess } from "../model/process.ts";

/** Running rule: yields queries, returns its result. */
export type Plan<T> = Generator<readonly RecordQuery[], T, void>;

/** Decision that may read and change `records`, and returns its result. */
export type Decide<T> = (records: Records, at: Moment) => Plan<T>;

/** Moment at which a rule decides. */
export interface Moment {
  /** Time of the decision, in milliseconds since 1970. */
  readonly nowMs: number;
  /** This process, as records name it. */
  readonly self: HostedProcess;
  /** Returns the liveness of a process; checked once per moment. */
  life(process: HostedProcess): Life;
  /** Returns the next fencing token or waiter number; both only grow. */
  nextToken(): number;
  /** Processes in which this store registered sessions, by session id. */
  readonly incarnations: ReadonlyMap<string, Incarnation>;
}

/** Query for the records that a rule needs next. */
export type RecordQuery =
  | SessionQuery
  | HoldQuery
  | WaiterQuery
  | TaskRecordQuery
  | DeliveryQuery
  | InboxCountQuery
  | DurableQuery
  | NoteQuery
  | TouchQuery
  | MessageQuery
  | MarkQuery
  | TokenQuery;

/** Query for sessions: one by id, all incarnations of one, or a list. */
export type SessionQuery =
  | { readonly kind: "session"; readonly id: string }
  /** Sessions with the id `id`, `id~2` and so on. */
  | { readonly kind: "incarnations"; readonly id: string }
  /** Running sessions, and sessions whose id or name begins with the text. */
  | { readonly kind: "sessions-named"; readonly text: string }
  /** Sessions whose name has one of the endings (names.ts). */
  | {
    readonly kind: "sessions-ending";
    readonly endings: readonly string[];
  }
  | {
    readonly kind: "sessions";
    readonly project: string | null;
    readonly ended: boolean;
  }
  /** Running sessions of a worktree on this disk. */
  | { readonly kind: "sessions-in"; readonly worktree: string }
  /** Running sessions, in the order of their ids. */
  | {
    readonly kind: "sessions-after";
    readonly id: string;
    readonly limit: number;
  }
  /**
   * Sessions that ended before a time, to which no record refers, and for which no
   * direct message waits.
   */
  | {
    readonly kind: "sessions-over";
    readonly beforeMs: number;
    /** The time for sessions with a chosen name. */
    readonly namedBeforeMs: number;
    readonly limit: number;
  }
  /**
   * Running sessions with a heartbeat between two times, the latest first. Skips
   * sessions of other programs.
   */
  | {
    readonly kind: "sessions-quiet";
    readonly afterMs: number;
    readonly beforeMs: number;
    readonly limit: number;
  }
  /** Sessions without a recent heartbeat that are not announced as silent. */
  | {
    readonly kind: "sessions-silent";
    readonly beforeMs: number;
    readonly limit: number;
  };

/** Query for holds, each with its session's process. */
export type HoldQuery =
  /** Holds that may overlap the target. */
  | {
    readonly kind: "holds-near";
    readonly target: LockTarget;
    readonly where: "disk" | "repository";
  }
  | { readonly kind: "hold"; readonly token: number }
  | { readonly kind: "holds-of"; readonly session: string }
  | {
    readonly kind: "holds";
    readonly session?: string;
    readonly path?: string;
    readonly token?: number;
  }
  /**
   * Holds of other sessions in a project, or overlapping folders: folders and
   * globs first, then the latest. Also sessions with active files, those of the
   * project first.
   */
  | {
    readonly kind: "files-of-others";
    readonly session: string;
    readonly project: string | null;
    readonly folders: readonly string[];
    readonly limit: number;
  }
  /**
   * Number of holds of a session, for {@linkcode Records.holdCount}. Unless
   * `exact`, a store may answer a greater number, but 0 is always exact.
   */
  | {
    readonly kind: "hold-count";
    readonly session: string;
    readonly exact?: boolean;
  };

/** Query for waiters, each with its session. */
export type WaiterQuery =
  | { readonly kind: "waiters" }
  | { readonly kind: "waiters-near"; readonly target: LockTarget }
  | { readonly kind: "waiter"; readonly number: number }
  | { readonly kind: "waiters-of"; readonly session: string };

/** Query for tasks, each with the ids that it depends on. */
export type TaskRecordQuery =
  | {
    readonly kind: "task";
    readonly project: string | null;
    readonly id: string;
  }
  /** First tasks that a session can claim, in order. */
  | {
    readonly kind: "tasks-free";
    readonly project: string | null;
    readonly session: string;
    readonly filter: TaskFilter;
    readonly limit: number;
  }
  | { readonly kind: "tasks-of"; readonly session: string }
  | { readonly kind: "tasks-overdue" }
  /** Claimed tasks, for checking their holders. */
  | { readonly kind: "tasks-claimed" }
  /** Tasks that depend on this one. */
  | {
    readonly kind: "tasks-after";
    readonly project: string | null;
    readonly id: string;
  }
  | { readonly kind: "tasks"; readonly query: TaskQuery }
  /** Tasks that ended before a time and that no unfinished task depends on. */
  | {
    readonly kind: "tasks-ended";
    readonly beforeMs: number;
    readonly limit: number;
  };

/** Query for deliveries, each with its message's expiry. */
export type DeliveryQuery =
  | { readonly kind: "delivery"; readonly message: string }
  /** Deliveries of a sender's messages, latest first. */
  | {
    readonly kind: "deliveries-from";
    readonly session: string;
    readonly limit: number;
  }
  /** Unacknowledged deliveries to a session. */
  | { readonly kind: "deliveries-open"; readonly session: string }
  /** Deliveries older than a time whose message is deleted. */
  | {
    readonly kind: "deliveries-settled";
    readonly beforeMs: number;
    readonly limit: number;
  };

/**
 * Query for the number of a session's unexpired direct messages. Unless `exact`, a
 * store may answer a greater number.
 */
export interface InboxCountQuery {
  /** Kind of the query. */
  readonly kind: "inbox-count";
  /** Id of the session. */
  readonly session: string;
  /** Messages to count: not acknowledged, or not shown to a model either. */
  readonly pending: Pending;
  /** Whether the number must be exact. */
  readonly exact: boolean;
}

/** Query for durable names. */
export type DurableQuery =
  | {
    readonly kind: "durable";
    readonly project: string | null;
    readonly name: string;
  }
  | { readonly kind: "durables" }
  /** Cursor after the last committed message, for {@linkcode Records.end}. */
  | { readonly kind: "end" };

/** Query for notes of sessions. */
export type NoteQuery =
  | { readonly kind: "note"; readonly session: string; readonly key: string }
  | {
    readonly kind: "notes-unchanged";
    readonly sinceMs: number;
    readonly limit: number;
  };

/** Query for changes of files. */
export type TouchQuery =
  | {
    readonly kind: "touches";
    readonly path: string;
    readonly sinceMs: number;
  }
  /**
   * Latest changes below a folder by other running sessions, each with its
   * session.
   */
  | {
    readonly kind: "touches-below";
    readonly folder: string;
    readonly session: string;
    readonly sinceMs: number;
    readonly limit: number;
  }
  | {
    readonly kind: "touches-old";
    readonly beforeMs: number;
    readonly limit: number;
  };

/** Query for messages without payload. */
export type MessageQuery =
  /**
   * Messages past their expiry, except those that lived at one of the times
   * `livingAtMs`: created at most 30 s (`STALE_AFTER_MS`) after it, and not
   * expired then.
   */
  | {
    readonly kind: "messages-expired";
    readonly after?: string;
    readonly livingAtMs: readonly number[];
    readonly limit: number;
  }
  /**
   * Oldest messages of channels that exceed the cap. Unacknowledged direct messages
   * neither count nor are among them.
   */
  | {
    readonly kind: "messages-over-cap";
    readonly cap: number;
    readonly limit: number;
  }
  /** Whether an equal message was published after a time. */
  | {
    readonly kind: "said";
    readonly message: NewMessage;
    readonly sinceMs: number;
  };

/** Query for a number of the bus itself. */
export interface MarkQuery {
  /** Kind of the query. */
  readonly kind: "mark";
  /** Name of the number. */
  readonly name: Mark;
}

/** Request for new tokens, for stores that fetch them ahead. */
export interface TokenQuery {
  /** Kind of the query. */
  readonly kind: "tokens";
  /** Largest number that the next step takes. */
  readonly count: number;
}
