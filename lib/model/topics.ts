/**
 * Topics: changes of records, for which stores ring bells as for messages.
 *
 * @module
 */

import type { ChangeTopic, NewMessage } from "./message.ts";

/** Fields of a message, or of a topic's change, that determine its readers. */
export type Addressed = Pick<NewMessage, "channel" | "project" | "to">;

/**
 * Returns the channel that stands for changes of a topic. No message is published
 * on it, because a channel's name holds no `@`.
 */
export function topicChannel(topic: ChangeTopic): string {
  return `@${topic}`;
}

/** Returns whether a channel stands for a topic. */
export function isTopic(channel: string): boolean {
  return channel.startsWith("@");
}
