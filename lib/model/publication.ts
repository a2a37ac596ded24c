/**
 * Publications as data: options, contents and results.
 *
 * @module
 */

import type { Json } from "./json.ts";
import type { KeysOf } from "./known_keys.ts";

/** Options of publishing a message. */
export interface PublishOptions {
  /**
   * TTL, in seconds: above 0 and at most 30 days.
   * @default {the channel's: `state` 60, `file_conflict` 300, `task_broadcast` 600, `heartbeat` 30, `chat` 86400, others 300}
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

/** Keys of {@linkcode PublishOptions}. */
export const PUBLISH_KEYS: KeysOf<PublishOptions> = {
  ttlSeconds: true,
  project: true,
  to: true,
  replyTo: true,
};

/** One message of several to publish. */
export interface Publication extends PublishOptions {
  /** Name of the channel. */
  readonly channel: string;
  /** Payload: any JSON value. */
  readonly payload: Json;
}

/** Keys of {@linkcode Publication}. */
export const PUBLICATION_KEYS: KeysOf<Publication> = {
  ...PUBLISH_KEYS,
  channel: true,
  payload: true,
};

/** Published message. */
export interface Published {
  /** Id of the message, and the cursor after it. */
  readonly id: string;
  /** Id of the recipient; absent for all sessions. */
  readonly to?: string;
  /** Name of the recipient; absent for all sessions. */
  readonly toName?: string;
  /** Whether the recipient has ended; it gets the message if it resumes in time. */
  readonly notRunning?: boolean;
}
