/**
 * Words for the delivery states of direct messages.
 *
 * @module
 */

import type { DeliveryState } from "../../model/delivery.ts";

/** Words for each state, after "The message is". */
export const STATE_WORDS: Readonly<Record<DeliveryState, string>> = {
  queued: "queued",
  noticed: "noticed",
  injected: "told",
  acked: "acknowledged",
  expired: "expired",
  undeliverable: "undeliverable",
};
