/**
 * Messages as data, and filters of readers.
 *
 * @module
 */

import type { Json } from "./json.ts";

/** Immutable message, as every reader gets it. */
export interface Message {
  /** Place in the store's order, and the cursor after this message. */
  readonly id: string;
  /** Id of the publishing session. */
  readonly sender: string;
  /** Name of the channel. */
  readonly channel: string;
  /** Published value; `{ raw: text }` for a foreign row that is not JSON. */
  readonly payload: Json;
  /** Time of publishing, as ISO 8601 in UTC. */
  readonly createdAt: string;
  /** Expiry, as ISO 8601 in UTC. */
  readonly expiresAt: string;
  /** Project of the message; absent for every project. */
  readonly project?: string;
  /** Id of the recipient; absent for all sessions. */
  readonly to?: string;
  /** Id of the message that it answers. */
  readonly replyTo?: string;
}

/** Message without an id, before it is stored. */
export interface NewMessage {
  /** Id of the publishing session. */
  readonly sender: string;
  /** Valid channel name. */
  readonly channel: string;
  /** Payload as JSON text, within the size limit. */
  readonly payloadText: string;
  /** TTL, in seconds. */
  readonly ttlSeconds: number;
  /** Project of the message; `null` for every project. */
  readonly project: string | null;
  /**
   * Recipient: a session's id or name, a unique beginning of one, or a vendor with
   * one living session in the project.
   */
  readonly to?: string;
  /**
   * Id of the message that it answers. A direct message for the sender is
   * acknowledged by its answer.
   */
  readonly replyTo?: string;
}

/** Stored message. */
export interface Appended {
  /** Id of the message. */
  readonly id: string;
  /** Id of the recipient. */
  readonly to?: string;
  /** Name of the recipient. */
  readonly toName?: string;
  /** Whether the recipient has ended; the message is kept in case it resumes. */
  readonly notRunning?: boolean;
}

/** Outcome of one message that is appended by itself. */
export type AppendResult = Appended | { readonly error: Error };

/** Messages that a reader wants. */
export interface Interest {
  /** Valid channel names; `null` for every channel. */
  readonly channels: readonly string[] | null;
  /** Project of the messages, beside messages of no project; `null` for every project. */
  readonly project: string | null;
  /** Recipient of direct messages; `null` for no direct messages. */
  readonly session: string | null;
}

/** Direct messages that are not acknowledged, or not shown to a model either. */
export type Pending = "unacknowledged" | "untold";

/** Messages that a read returns. */
export interface MessageFilter extends Interest {
  /** Only answers to this message. */
  readonly replyTo?: string;
  /** Only such direct messages. */
  readonly pending?: Pending;
  /** Only direct messages of this sender, to any recipient. */
  readonly sentBy?: string;
  /** Whether the page reports skipped expired messages. */
  readonly seesExpired?: boolean;
}

/** Page of messages. */
export interface Page {
  /** Messages, in order. */
  readonly messages: readonly Message[];
  /** Cursor after the last message that this page looked at. */
  readonly cursor: string;
  /** Whether it skipped expired messages that are still stored. */
  readonly passedExpired?: boolean;
}

/** Topic of a watch of changes. */
export type ChangeTopic = "locks" | "grants" | "tasks" | "deliveries";

/** Result of one bounded purge step. */
export interface Purged {
  /** Number of messages that were deleted because their TTL ended. */
  readonly expired: number;
  /** Number of messages that were deleted because their channel exceeded its cap. */
  readonly overCap: number;
  /** Number of session rows that were deleted because no row refers to them. */
  readonly sessions: number;
  /** Whether a further step would delete more. */
  readonly more: boolean;
}
