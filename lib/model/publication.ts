/**
 * Publications as data: what is published, and what came of it.
 *
 * @module
 */

import type { Json } from "./json.ts";

/** How to publish a message. */
export interface PublishOptions {
  /**
   * How long the message is delivered, in seconds, above 0, at most 30 days.
   * @default {the channel's: `state` 60, `file_conflict` 300, `task_broadcast` 600, `heartbeat` 30, others 300}
   */
  readonly ttlSeconds?: number;
  /**
   * What the message belongs to; `null` for every project.
   * @default {the bus's project}
   */
  readonly project?: string | null;
  /**
   * The only session that gets it: its id, a beginning of it that no other has,
   * or its short name.
   */
  readonly to?: string;
  /** The id of the message that it answers. */
  readonly replyTo?: string;
}

/** One message of several to publish. */
export interface Publication extends PublishOptions {
  /** The channel. */
  readonly channel: string;
  /** The payload: any JSON value. */
  readonly payload: Json;
}

/** What became of a message that was published. */
export interface Published {
  /** Its id, and the cursor of "after this one". */
  readonly id: string;
  /** The session that it is for, if it is for one. */
  readonly to?: string;
  /** Whether that session has ended: it gets the message if it resumes in time. */
  readonly notRunning?: boolean;
}
