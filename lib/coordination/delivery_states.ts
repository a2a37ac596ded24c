/**
 * The states of a direct message's delivery: only ever forward, and never
 * further than what is proven.
 *
 * @module
 */

import type { DeliveryState } from "../inbox.ts";

/** How long a delivery is remembered after its message, in milliseconds. */
export const DELIVERY_KEPT_MS = 24 * 60 * 60 * 1000;

/** The states in the order in which they are reached. */
const ORDER: readonly DeliveryState[] = [
  "queued",
  "noticed",
  "injected",
  "acked",
];

/** The states from which a delivery may move to this one. */
export function statesBefore(state: DeliveryState): readonly DeliveryState[] {
  return ORDER.slice(0, ORDER.indexOf(state));
}

/** What a delivery is when its message expires. */
export function stateAtExpiry(
  state: DeliveryState,
  addresseeRuns: boolean,
): DeliveryState {
  // What the model was given, or acknowledged, has arrived.
  if (state === "injected" || state === "acked") return state;
  return addresseeRuns ? "expired" : "undeliverable";
}
