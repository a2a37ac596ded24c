/**
 * The wake-ups of one process: its listening link, its doorbell, and the safety
 * poll beneath.
 *
 * @module
 */

import type { ChangeTopic, NewMessage } from "../store.ts";

/** What of a message tells who wants it. */
export type Addressed = Pick<NewMessage, "channel" | "to">;

/**
 * The channel that stands for changes of a topic: nothing is published on it,
 * and no channel's name holds an `@`.
 */
export function topicChannel(topic: ChangeTopic): string {
  return `@${topic}`;
}
