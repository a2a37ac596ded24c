/**
 * Messages of the bus itself about a session, a conflict or a task. They are
 * published in the transaction of the change.
 *
 * @module
 */

import { ttlOf } from "../model/channels.ts";
import type { Json } from "../model/json.ts";
import type { NewMessage } from "../model/message.ts";

/** Returns a message of a session on a built-in channel. */
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
