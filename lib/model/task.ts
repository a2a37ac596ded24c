/**
 * Tasks and claims as data.
 *
 * @module
 */

import type { Json } from "./json.ts";

/** How a task stands. */
export type TaskStatus = "open" | "claimed" | "done" | "failed";

/** One task. */
export interface Task {
  /** Its id, unique in its project. */
  readonly id: string;
  /** What is to be done, in a line. */
  readonly title: string;
  /** What kind of work it is, for choosing. */
  readonly kind?: string;
  /** What the doer needs to know. */
  readonly payload: Json;
  /** The higher, the sooner. */
  readonly priority: number;
  /** How it stands. */
  readonly status: TaskStatus;
  /** The tasks that must be done before it. */
  readonly dependsOn: readonly string[];
  /** How many of these are not done yet: it can be claimed when none is. */
  readonly waitsFor: number;
  /** How often it was claimed. */
  readonly attempts: number;
  /** The session that posted it. */
  readonly postedBy: string;
  /** When it was posted, as an ISO 8601 time in UTC. */
  readonly postedAt: string;
  /** When it last changed, as an ISO 8601 time in UTC. */
  readonly changedAt: string;
  /** The session that has claimed it, or did it. */
  readonly session?: string;
  /** The part of that session, such as a subagent. */
  readonly agent?: string;
  /** The fencing token of the claim. */
  readonly token?: number;
  /** Until when it is claimed unless renewed, as an ISO 8601 time in UTC. */
  readonly leaseExpiresAt?: string;
  /** What came of it; for a failed one why. */
  readonly result?: Json;
  /** The project that it belongs to; absent for none. */
  readonly project?: string;
}

/** A task to post. */
export interface NewTask {
  /**
   * Its id, unique in its project.
   * @default {a random one}
   */
  readonly id?: string;
  /** What is to be done, in a line of at most 500 characters. */
  readonly title: string;
  /** What kind of work it is, for choosing. */
  readonly kind?: string;
  /**
   * What the doer needs to know.
   * @default {null}
   */
  readonly payload?: Json;
  /**
   * The higher, the sooner.
   * @default {0}
   */
  readonly priority?: number;
  /** The tasks that must be done before it. */
  readonly dependsOn?: readonly string[];
}

/** Which tasks to choose from. */
export interface TaskFilter {
  /** Only those of this kind. */
  readonly kind?: string;
  /** Only those with at least this priority. */
  readonly priorityMin?: number;
}

/** A task that this session has claimed: what it takes to renew or end it. */
export interface Claim extends Task {
  /** The session that has claimed it. */
  readonly session: string;
  /** The fencing token of the claim. */
  readonly token: number;
}

/** What a store is told of a task to post. */
export interface TaskPosting
  extends Required<Omit<NewTask, "kind" | "payload">> {
  /** What kind of work it is. */
  readonly kind?: string;
  /** What the doer needs to know, as JSON text. */
  readonly payloadText: string;
  /** The project that it belongs to; `null` for none. */
  readonly project: string | null;
  /** The session that posts it. */
  readonly session: string;
}

/** The session that claims a task, as the store gets it. */
export interface Claimer {
  /** The session. */
  readonly session: string;
  /** The part of it. */
  readonly agent?: string;
  /** The project whose tasks it claims; `null` for none. */
  readonly project: string | null;
  /** How long, in milliseconds. */
  readonly leaseMs: number;
}

/** How a claim ends. */
export type ClaimEnd =
  | { readonly status: "done" | "failed"; readonly resultText: string }
  | { readonly status: "open" };

/** Which tasks to list. */
export interface TaskQuery extends TaskFilter {
  /** The project; `null` for none. */
  readonly project: string | null;
  /** Whether only that project's are listed, or all. */
  readonly exactProject: boolean;
  /** Only those that stand so. */
  readonly status?: TaskStatus;
  /** Only the one with this id. */
  readonly id?: string;
}
