/**
 * The form of every decision: a pure function of records and a moment.
 *
 * A rule is a generator. It yields queries for the records that its next step
 * needs, because the records to look at next often follow from those just seen:
 * a freed lock names its waiters, a waiter names its session. After each yield
 * {@linkcode Records} shows the answer. `yield*` composes rules.
 *
 * What every rule keeps true:
 *
 * - It does no I/O and reads no clock: the time, process lives and new tokens
 *   come from {@linkcode Moment}.
 * - It may be started again from its beginning, on fresh records.
 * - What it throws refuses the operation, and then nothing is changed.
 * - A record is loaded together with the records that refer to it (a hold with
 *   its waiter, a session with its holds) before either is judged.
 *
 * @module
 */

import type { Life } from "../model/process.ts";
import type { LockTarget } from "../model/lock.ts";
import type { Incarnation } from "../model/session.ts";
import type { NewMessage } from "../model/message.ts";
import type { TaskQuery } from "../model/task.ts";
import type { TaskFilter } from "../model/task.ts";
import type { Mark, Records } from "./records.ts";
import type { HostedProcess } from "../model/process.ts";

/** A rule under way: yields queries, returns its result. */
export type Plan<T> = Generator<readonly RecordQuery[], T, void>;

/** A decision: may read and change `records`, and returns its result. */
export type Decide<T> = (records: Records, at: Moment) => Plan<T>;

/** The moment at which a rule decides. */
export interface Moment {
  /** Time of the decision, in milliseconds since 1970. */
  readonly nowMs: number;
  /** This process, as records name it. */
  readonly self: HostedProcess;
  /** Returns whether a process lives; looked up once per moment. */
  life(process: HostedProcess): Life;
  /** Returns the next fencing token or waiter number. They only grow. */
  nextToken(): number;
  /** Processes in which this store registered sessions, by session id. */
  readonly incarnations: ReadonlyMap<string, Incarnation>;
}

/** Part of the records that a rule wants to see. */
export type RecordQuery =
  | SessionQuery
  | HoldQuery
  | WaiterQuery
  | TaskRecordQuery
  | DeliveryQuery
  | DurableQuery
  | NoteQuery
  | TouchQuery
  | MessageQuery
  | MarkQuery
  | TokenQuery;

/** Sessions: one by id, one with its later incarnations, or a list. */
export type SessionQuery =
  | { readonly kind: "session"; readonly id: string }
  /** Sessions with the id `id`, `id~2` and so on. */
  | { readonly kind: "incarnations"; readonly id: string }
  /** Sessions that run, and sessions whose id begins with the text. */
  | { readonly kind: "sessions-named"; readonly text: string }
  | {
    readonly kind: "sessions";
    readonly project: string | null;
    readonly ended: boolean;
  }
  /** Sessions that run in a worktree of this disk. */
  | { readonly kind: "sessions-in"; readonly worktree: string }
  /** Sessions that run, in the order of their ids. */
  | {
    readonly kind: "sessions-after";
    readonly id: string;
    readonly limit: number;
  }
  /** Sessions that are over since a time and that no record refers to. */
  | {
    readonly kind: "sessions-over";
    readonly beforeMs: number;
    readonly limit: number;
  }
  /** Silent sessions whose silence was not announced. */
  | {
    readonly kind: "sessions-silent";
    readonly beforeMs: number;
    readonly limit: number;
  };

/** Holds, each with its session's process. */
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
   * The holds that other sessions have, in a project or reaching into folders:
   * those of several files first, then the latest; and the sessions with active
   * files, those of the project first.
   */
  | {
    readonly kind: "files-of-others";
    readonly session: string;
    readonly project: string | null;
    readonly folders: readonly string[];
    readonly limit: number;
  }
  /**
   * The number of holds of a session, for {@linkcode Records.holdCount}. Unless
   * `exact`, a greater number may stand for it, but none for 0.
   */
  | {
    readonly kind: "hold-count";
    readonly session: string;
    readonly exact?: boolean;
  };

/** Waiters, each with its session. */
export type WaiterQuery =
  | { readonly kind: "waiters" }
  | { readonly kind: "waiters-near"; readonly target: LockTarget }
  | { readonly kind: "waiter"; readonly number: number }
  | { readonly kind: "waiters-of"; readonly session: string };

/** Tasks, each with the ids that it depends on. */
export type TaskRecordQuery =
  | {
    readonly kind: "task";
    readonly project: string | null;
    readonly id: string;
  }
  /** The first tasks that can be claimed, in order. */
  | {
    readonly kind: "tasks-free";
    readonly project: string | null;
    readonly filter: TaskFilter;
    readonly limit: number;
  }
  | { readonly kind: "tasks-of"; readonly session: string }
  | { readonly kind: "tasks-overdue" }
  /** Claimed tasks, for judging their holders. */
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

/** Deliveries of direct messages, each with its message's expiry. */
export type DeliveryQuery =
  | { readonly kind: "delivery"; readonly message: string }
  /** Deliveries older than a time whose message is gone. */
  | {
    readonly kind: "deliveries-settled";
    readonly beforeMs: number;
    readonly limit: number;
  };

/** Durable names. */
export type DurableQuery =
  | {
    readonly kind: "durable";
    readonly project: string | null;
    readonly name: string;
  }
  | { readonly kind: "durables" }
  /** The cursor after all that is committed, for {@linkcode Records.end}. */
  | { readonly kind: "end" };

/** Notes of sessions. */
export type NoteQuery =
  | { readonly kind: "note"; readonly session: string; readonly key: string }
  | {
    readonly kind: "notes-unchanged";
    readonly sinceMs: number;
    readonly limit: number;
  };

/** Changes of files. */
export type TouchQuery =
  | {
    readonly kind: "touches";
    readonly path: string;
    readonly sinceMs: number;
  }
  /**
   * Latest changes below a folder by sessions that run, other than one, each with
   * its session.
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

/** Heads of messages. */
export type MessageQuery =
  /** Messages past their expiry. */
  | {
    readonly kind: "messages-expired";
    readonly after?: string;
    readonly limit: number;
  }
  /** Oldest messages of channels that keep more than the cap. */
  | {
    readonly kind: "messages-over-cap";
    readonly cap: number;
    readonly limit: number;
  }
  /** Whether an equal message was said after a time. */
  | {
    readonly kind: "said";
    readonly message: NewMessage;
    readonly sinceMs: number;
  };

/** A number of the bus itself. */
export interface MarkQuery {
  /** What it is. */
  readonly kind: "mark";
  /** Which number. */
  readonly name: Mark;
}

/** New tokens that the next step may take at most, for stores that fetch them. */
export interface TokenQuery {
  /** What it is. */
  readonly kind: "tokens";
  /** How many at most. */
  readonly count: number;
}
