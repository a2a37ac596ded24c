/**
 * The modules of a hook's slow path, as one part.
 *
 * A part that is loaded by itself splits shared modules off into further files,
 * and each file makes a hook slower.
 *
 * @module
 */

export { respondToCall } from "./respond.ts";
export { waitForMessage } from "./wake/wake_on_message.ts";
