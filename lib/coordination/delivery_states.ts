/**
 * The states of a direct message's delivery: only ever forward, and never
 * further than what is proven.
 *
 * @module
 */

import type { Delivery, DeliveryState } from "../inbox.ts";
import type { Columns } from "./columns.ts";

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

/** What a delivery is when its message expires, by its row. */
export function expiredState(row: Columns): DeliveryState {
  const { state, session_status: status } = row;
  // What the model was given, or acknowledged, has arrived.
  if (state === "injected" || state === "acked") return state;
  return status === "terminated" || status === null
    ? "undeliverable"
    : "expired";
}

/** What the row of a delivery says; `isOver`: its message has expired. */
export function toDelivery(row: Columns, isOver: boolean): Delivery {
  return {
    id: String(row.message_id),
    to: String(row.recipient_id),
    state: isOver ? expiredState(row) : row.state as DeliveryState,
    changedAt: new Date(Number(isOver ? row.expires_at : row.changed_at))
      .toISOString(),
    // Gone with its message.
    ...(row.expires_at !== null &&
      { expiresAt: new Date(Number(row.expires_at)).toISOString() }),
  };
}
