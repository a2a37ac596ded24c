/**
 * Questions: direct messages whose sender waits for an answer, and the words for
 * their readers.
 *
 * A question is a direct message on the channel {@linkcode ASK_CHANNEL} that answers
 * no other message. Every other direct message is a notice. So an answer to an answer
 * expects none, and two models do not thank each other for ever.
 *
 * @module
 */

import type { Message } from "./message.ts";

/** Channel of questions. */
export const ASK_CHANNEL = "ask";

/** Default wait for an answer, in milliseconds. */
export const ASK_TIMEOUT_MS: number = 5 * 60_000;

/** Returns what a direct message expects of its reader, in words. */
export function expectationOf(message: Message, nowMs: number): string {
  const { id, channel, replyTo, createdAt } = message;
  if (replyTo !== undefined) {
    return `It answers message ${replyTo}; no answer is expected`;
  }
  if (channel !== ASK_CHANNEL) return "No answer is expected";
  const command = `mbus reply ${id} TEXT…`;
  return nowMs - Date.parse(createdAt) < ASK_TIMEOUT_MS
    ? `The sender waits for your answer: ${command}`
    : `The sender may no longer wait, and still gets your answer: ${command}`;
}
