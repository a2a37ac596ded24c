/**
 * What a store says of its own accord: of a session, a conflict or a task, on
 * the channel of that, in the transaction in which it came about.
 *
 * @module
 */

import { ttlOf } from "../channels.ts";
import type { Json } from "../json.ts";
import type { NewMessage } from "../store.ts";

/** A message of a session on a built-in channel. */
export function announcement(
  channel: "heartbeat" | "file_conflict" | "task_broadcast",
  sender: string,
  project: string | undefined,
  payload: Json,
): NewMessage {
  return {
    sender,
    channel,
    payloadText: JSON.stringify(payload),
    ttlSeconds: ttlOf(channel),
    project: project ?? null,
  };
}
