/**
 * Tasks and claims as data.
 *
 * @module
 */

import type { Json } from "./json.ts";
import type { TaskStatus } from "./task_state.ts";

export type { TaskStatus } from "./task_state.ts";

/** Task on the bus. */
export interface Task {
  /** Id, unique in its project. */
  readonly id: string;
  /** Work to be done, in one line. */
  readonly title: string;
  /** Kind of work, for filtering. */
  readonly kind?: string;
  /** Details for the session that does it. */
  readonly payload: Json;
  /** Priority: a higher one is claimed first. */
  readonly priority: number;
  /** Status of the task. */
  readonly status: TaskStatus;
  /** Ids of the tasks that must be done before it. */
  readonly dependsOn: readonly string[];
  /** Number of these that are not done; at 0 it can be claimed. */
  readonly waitsFor: number;
  /** Number of claims so far. */
  readonly attempts: number;
  /** Id of the only session that may claim it; absent if any may. */
  readonly assignedTo?: string;
  /** Id of the session that posted it. */
  readonly postedBy: string;
  /** Time of posting, as ISO 8601 in UTC. */
  readonly postedAt: string;
  /** Time of the last change, as ISO 8601 in UTC. */
  readonly changedAt: string;
  /** Id of the session that has claimed it, or has done it. */
  readonly session?: string;
  /** Part of that session, such as a subagent. */
  readonly agent?: string;
  /** Fencing token of the claim. */
  readonly token?: number;
  /** Expiry of the claim unless renewed, as ISO 8601 in UTC. */
  readonly leaseExpiresAt?: string;
  /** Result; for a failed task the reason. */
  readonly result?: Json;
  /** Project of the task; absent for none. */
  readonly project?: string;
}

/** Task to post. */
export interface NewTask {
  /**
   * Id, unique in its project.
   * @default {a random id}
   */
  readonly id?: string;
  /** Work to be done, in one line of at most 500 characters. */
  readonly title: string;
  /** Kind of work, for filtering. */
  readonly kind?: string;
  /**
   * Details for the session that does it.
   * @default {null}
   */
  readonly payload?: Json;
  /**
   * Priority: a higher one is claimed first.
   * @default {0}
   */
  readonly priority?: number;
  /** Ids of the tasks that must be done before it. */
  readonly dependsOn?: readonly string[];
  /**
   * Whether posting returns the task that already has this `id`, unchanged, instead
   * of throwing.
   * @default {false}
   */
  readonly ifAbsent?: boolean;
  /**
   * Only session that may claim it, by its id, a unique prefix of it or its name.
   * @default {any session}
   */
  readonly assign?: string;
}

/** Changes of an open task; absent fields stay. */
export interface TaskChanges {
  /** Work to be done, in one line of at most 500 characters. */
  readonly title?: string;
  /** Kind of work; `null` for none. */
  readonly kind?: string | null;
  /** Details for the session that does it. */
  readonly payload?: Json;
  /** Priority: a higher one is claimed first. */
  readonly priority?: number;
  /**
   * Only session that may claim it, by its id, a unique prefix of it or its name;
   * `null` for any session.
   */
  readonly assign?: string | null;
}

/** Filter of tasks. */
export interface TaskFilter {
  /** Only tasks of this kind. */
  readonly kind?: string;
  /** Only tasks with at least this priority. */
  readonly priorityMin?: number;
}

/** Claimed task, with the fencing token that renews or ends the claim. */
export interface Claim extends Task {
  /** Id of the session that has claimed it. */
  readonly session: string;
  /** Fencing token of the claim. */
  readonly token: number;
}

/** Task to post, as a store gets it. */
export interface TaskPosting
  extends Required<Omit<NewTask, "kind" | "payload" | "ifAbsent" | "assign">> {
  /** What kind of work it is. */
  readonly kind?: string;
  /** Whether an existing task of this id is returned. */
  readonly ifAbsent?: boolean;
  /** Only session that may claim it, by any text that names it. */
  readonly assign?: string;
  /** Details for the session that does it, as JSON text. */
  readonly payloadText: string;
  /** Project of the task; `null` for none. */
  readonly project: string | null;
  /** Id of the session that posts it. */
  readonly session: string;
}

/** Task, and the session that changes it without a claim. */
export interface TaskAct {
  /** Id of the task. */
  readonly id: string;
  /** Project of the task; `null` for none. */
  readonly project: string | null;
  /** Id of the session. */
  readonly session: string;
}

/** Changes of an open task, as a store gets them. */
export interface TaskEdit extends Omit<TaskChanges, "payload"> {
  /** Details for the session that does it, as JSON text. */
  readonly payloadText?: string;
}

/** Claimer of a task, as a store gets it. */
export interface Claimer {
  /** Id of the session. */
  readonly session: string;
  /** Part of the session, such as a subagent. */
  readonly agent?: string;
  /** Project of the tasks; `null` for none. */
  readonly project: string | null;
  /** Lease duration, in milliseconds. */
  readonly leaseMs: number;
}

/** End of a claim. */
export type ClaimEnd =
  | { readonly status: "done" | "failed"; readonly resultText: string }
  | { readonly status: "open" };

/** Filter of a list of tasks. */
export interface TaskQuery extends TaskFilter {
  /** Project; `null` for none. */
  readonly project: string | null;
  /** Whether only tasks of that project are listed, not of every project. */
  readonly exactProject: boolean;
  /** Only tasks with this status. */
  readonly status?: TaskStatus;
  /** Only the task with this id. */
  readonly id?: string;
}
