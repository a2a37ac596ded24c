/**
 * Messages as data, and which of them a reader wants.
 *
 * @module
 */

import type { Json } from "./json.ts";

/** One message, as every reader gets it; immutable. */
export interface Message {
  /** Its place in the store's order, and so the cursor of "after this one". */
  readonly id: string;
  /** The session that published it. */
  readonly sender: string;
  /** The channel that it is on. */
  readonly channel: string;
  /** What was published; `{ raw: text }` for a foreign row that is not JSON. */
  readonly payload: Json;
  /** When it was published, as an ISO 8601 time in UTC. */
  readonly createdAt: string;
  /** When it ceases to be delivered, as an ISO 8601 time in UTC. */
  readonly expiresAt: string;
  /** The project it belongs to; absent when it is for every project. */
  readonly project?: string;
  /** The only session it is for; absent when it is for all. */
  readonly to?: string;
  /** The id of the message that it answers. */
  readonly replyTo?: string;
}

/** A message before the store has given it an id. */
export interface NewMessage {
  /** The session that publishes. */
  readonly sender: string;
  /** A checked channel name. */
  readonly channel: string;
  /** The payload as JSON text, of a checked size. */
  readonly payloadText: string;
  /** Its lifetime in seconds. */
  readonly ttlSeconds: number;
  /** The project it belongs to; `null` for every project. */
  readonly project: string | null;
  /** The only session it is for: its id, a beginning of it, or a short name. */
  readonly to?: string;
  /**
   * The id of the message that it answers: if that is a direct one for its
   * sender, it is acknowledged with it.
   */
  readonly replyTo?: string;
}

/** What became of a message that was to be appended. */
export interface Appended {
  /** Its id. */
  readonly id: string;
  /** The id of the session that it is for. */
  readonly to?: string;
  /** Whether that session has ended: then it is kept in case it resumes. */
  readonly notRunning?: boolean;
}

/** What became of each message that stands for itself. */
export type AppendResult = Appended | { readonly error: Error };

/** Which messages a reader wants. */
export interface Interest {
  /** Checked channel names; `null` for every channel. */
  readonly channels: readonly string[] | null;
  /** The project whose messages are wanted beside those of none; `null` for all. */
  readonly project: string | null;
  /** The recipient of direct messages; `null` for no direct messages. */
  readonly session: string | null;
}

/** Which messages a read returns. */
export interface MessageFilter extends Interest {
  /** Only answers to this message. */
  readonly replyTo?: string;
  /** Only direct messages that are not acknowledged, or were given to no model. */
  readonly pending?: "unacknowledged" | "untold";
  /** Whether the page is to say that it passed over expired messages. */
  readonly seesExpired?: boolean;
}

/** A page of messages. */
export interface Page {
  /** The messages, in order. */
  readonly messages: readonly Message[];
  /** Where to go on: after everything this page has looked at. */
  readonly cursor: string;
  /** Whether messages after the cursor have expired and are still stored. */
  readonly passedExpired?: boolean;
}

/** What a watch of changes is about. */
export type ChangeTopic = "locks" | "grants" | "tasks" | "deliveries";

/** What a purge did in one bounded step. */
export interface Purged {
  /** Messages that were deleted because their TTL was over. */
  readonly expired: number;
  /** Messages that were deleted because their channel was over its cap. */
  readonly overCap: number;
  /** Session rows that nothing refers to any more, deleted. */
  readonly sessions: number;
  /** Whether a further step would find more. */
  readonly more: boolean;
}
