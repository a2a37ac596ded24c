/**
 * All that a hook loads where its fast path (fast_path.ts) declines.
 *
 * It is one part, because each part that is loaded by itself splits what it
 * shares with others off into files of its own, and each file costs a tenth of a millisecond.
 *
 * @module
 */

export { respondToCall } from "./respond.ts";
export { waitForMessage } from "./wake/wake_on_message.ts";
