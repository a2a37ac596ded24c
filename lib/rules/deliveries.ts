/**
 * Deliveries of direct messages. A state only moves forward, and never beyond
 * what is proven.
 *
 * ```text
 *  queued ─▶ noticed ─▶ injected ─▶ acked
 *     └─────────┴──▶ expired, undeliverable (with the message)
 * ```
 *
 * @module
 */

import type { Delivery, DeliveryState } from "../model/delivery.ts";
import type { DeliveryRecord, Records } from "./records.ts";
import type { Moment, Plan } from "./rule.ts";
import { assertActive } from "./sessions.ts";

/** Retention of a delivery after its message is deleted, in milliseconds. */
export const DELIVERY_KEPT_MS = 24 * 60 * 60 * 1000;

const ORDER: readonly DeliveryState[] = [
  "queued",
  "noticed",
  "injected",
  "acked",
];

/** Moves deliveries to a session forward; a later state stays. */
export function* moveDeliveries(
  records: Records,
  at: Moment,
  session: string,
  messages: readonly string[],
  state: DeliveryState,
): Plan<void> {
  yield* assertActive(records, at, "acknowledge a message", session);
  yield* move(records, at, session, messages, state);
}

/** Moves deliveries forward, of a session that is known to be active. */
export function* move(
  records: Records,
  at: Moment,
  session: string,
  messages: readonly string[],
  state: DeliveryState,
): Plan<void> {
  yield messages.map((message) => ({ kind: "delivery", message }));
  for (const message of messages) {
    const delivery = records.deliveries.get(message);
    if (
      delivery === undefined || delivery.to !== session ||
      ORDER.indexOf(delivery.state) < 0 ||
      ORDER.indexOf(delivery.state) >= ORDER.indexOf(state) ||
      // A message that expired unread can no longer be read.
      delivery.state !== "injected" && isOver(delivery, at)
    ) continue;
    change(records, at, delivery, state);
  }
}

/** Returns the delivery of a direct message; undefined after its retention. */
export function* deliveryOf(
  records: Records,
  at: Moment,
  message: string,
): Plan<Delivery | undefined> {
  yield [{ kind: "delivery", message }];
  const delivery = records.deliveries.get(message);
  if (delivery === undefined) return undefined;
  const { to, changedAtMs, expiresAtMs } = delivery;
  const isExpired = expiresAtMs !== null && expiresAtMs <= at.nowMs;
  const state = isExpired
    ? yield* expiredState(records, delivery)
    : delivery.state;
  const changedMs = isExpired ? expiresAtMs : changedAtMs;
  return {
    id: message,
    to,
    state,
    changedAt: new Date(changedMs).toISOString(),
    ...(expiresAtMs !== null &&
      { expiresAt: new Date(expiresAtMs).toISOString() }),
  };
}

/** Settles the deliveries of direct messages that are about to be removed. */
export function* settleDeliveries(
  records: Records,
  at: Moment,
  messages: readonly string[],
): Plan<void> {
  yield messages.map((message) => ({ kind: "delivery", message }));
  for (const message of messages) {
    const delivery = records.deliveries.get(message);
    if (delivery === undefined) continue;
    const state = yield* expiredState(records, delivery);
    if (state !== delivery.state) change(records, at, delivery, state);
  }
}

/** Returns the state of a delivery whose message expires. */
function* expiredState(
  records: Records,
  { state, to }: DeliveryRecord,
): Plan<DeliveryState> {
  // A message that was shown to the model, or acknowledged, has arrived.
  if (state === "injected" || state === "acked") return state;
  yield [{ kind: "session", id: to }];
  const { status = "terminated" } = records.sessions.get(to) ?? {};
  return status === "terminated" ? "undeliverable" : "expired";
}

function isOver({ expiresAtMs }: DeliveryRecord, at: Moment): boolean {
  return expiresAtMs === null || expiresAtMs <= at.nowMs;
}

function change(
  records: Records,
  at: Moment,
  delivery: DeliveryRecord,
  state: DeliveryState,
): void {
  records.deliveries.set(delivery.message, {
    ...delivery,
    state,
    changedAtMs: at.nowMs,
  });
  records.wake("deliveries", delivery.sender);
}
