/**
 * Publications as data: options, contents and results.
 *
 * @module
 */

import type { Json } from "./json.ts";

/** Options of publishing a message. */
export interface PublishOptions {
  /**
   * TTL, in seconds: above 0 and at most 30 days.
   * @default {the channel's: `state` 60, `file_conflict` 300, `task_broadcast` 600, `heartbeat` 30, others 300}
   */
  readonly ttlSeconds?: number;
  /**
   * Project of the message; `null` for every project.
   * @default {the bus's project}
   */
  readonly project?: string | null;
  /**
   * Recipient of a direct message: the session's id, a unique beginning of it, or
   * its short name.
   */
  readonly to?: string;
  /** Id of the message that it answers. */
  readonly replyTo?: string;
}

/** One message of several to publish. */
export interface Publication extends PublishOptions {
  /** Name of the channel. */
  readonly channel: string;
  /** Payload: any JSON value. */
  readonly payload: Json;
}

/** Published message. */
export interface Published {
  /** Id of the message, and the cursor after it. */
  readonly id: string;
  /** Id of the recipient; absent for all sessions. */
  readonly to?: string;
  /** Whether the recipient has ended; it gets the message if it resumes in time. */
  readonly notRunning?: boolean;
}
