/**
 * When a purge is due, and what one step says of itself.
 *
 * @module
 */

import type { Purged } from "../store.ts";

/**
 * Short-lived publishers never publish enough for a step of the purge: whoever
 * does so this long after the last step of anybody takes one, in milliseconds.
 */
export const PURGE_AFTER_MS = 10_000;

/**
 * How long a session's row stays after its end, in milliseconds: "who was that"
 * can still be answered.
 */
export const SESSION_KEPT_MS = 24 * 60 * 60 * 1000;

/** Sessions that one step deletes at the most. */
export const STEP_SESSIONS_MAX = 20;

/**
 * What a step did that deletes `messagesMax` messages at the most; `more`: there
 * is more over its cap.
 */
export function purgedBy(
  step: Purged,
  messagesMax: number,
): Purged {
  return {
    ...step,
    more: step.more || step.expired === messagesMax ||
      step.sessions === STEP_SESSIONS_MAX,
  };
}
