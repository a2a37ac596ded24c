/**
 * Deliveries of direct messages. A state only moves forward, and never beyond
 * what is proven.
 *
 * A process may claim deliveries before it prints them, so that parallel readers
 * of one session print different messages. A note of the session keeps the claim.
 * It ends with the acknowledgement, or lapses with its process.
 *
 * ```text
 *  queued ─▶ noticed ─▶ injected ─▶ acked
 *     └─────────┴──▶ expired, undeliverable (with the message)
 * ```
 *
 * @module
 */

import type {
  Delivery,
  DeliveryState,
  SentDelivery,
} from "../model/delivery.ts";
import { DIRECT_TTL_SECONDS, NOTICE_CHANNEL } from "../model/channels.ts";
import type { HostedProcess } from "../model/process.ts";
import { nameOf } from "../model/session.ts";
import { canCheckLiveness } from "./life.ts";
import {
  type DeliveryRecord,
  type MessageHead,
  noteKey,
  type NoteRecord,
  type Records,
} from "./records.ts";
import type { Moment, Plan } from "./rule.ts";
import { assertActive, requireActive } from "./sessions.ts";

/** Retention of a delivery after its message is deleted, in milliseconds. */
export const DELIVERY_KEPT_MS = 24 * 60 * 60 * 1000;

const ORDER: readonly DeliveryState[] = [
  "queued",
  "noticed",
  "injected",
  "acked",
];

/** Lease duration of a claim whose process cannot be checked, in milliseconds. */
export const CLAIM_LEASE_MS = 30_000;

/**
 * Claims unacknowledged deliveries to a session for this process, at most `limit`.
 * Returns the ids of their messages, in order.
 */
export function* claimDeliveries(
  records: Records,
  at: Moment,
  session: string,
  messages: readonly string[],
  limit: number,
): Plan<readonly string[]> {
  // Loads the session first, so that a second process reads the claims of the first.
  yield* requireActive(records, at, "read the inbox", session);
  yield messages.flatMap((message) => [
    { kind: "delivery", message },
    { kind: "note", session, key: claimKey(message) },
  ]);
  const claimed: string[] = [];
  for (const message of messages) {
    if (claimed.length === limit) break;
    const delivery = records.deliveries.get(message);
    const key = claimKey(message);
    const claim = records.notes.get(noteKey(session, key));
    if (
      delivery === undefined || delivery.to !== session ||
      !["queued", "noticed", "injected"].includes(delivery.state) ||
      isOver(delivery, at) ||
      claim !== undefined && isOthers(claim, at)
    ) continue;
    records.notes.set(noteKey(session, key), {
      session,
      key,
      value: JSON.stringify(at.self),
      changedAtMs: at.nowMs,
    });
    claimed.push(message);
  }
  return claimed;
}

function claimKey(message: string): string {
  return `claimed ${message}`;
}

/** Returns whether a claim is another process's and has not lapsed. */
function isOthers({ value, changedAtMs }: NoteRecord, at: Moment): boolean {
  const { self } = at;
  const reader: HostedProcess = JSON.parse(value);
  if (
    reader.host === self.host && reader.pid === self.pid &&
    reader.startTime === self.startTime
  ) return false;
  const life = canCheckLiveness(reader, at) ? at.life(reader) : "unknown";
  return life === "unknown"
    ? Math.abs(at.nowMs - changedAtMs) < CLAIM_LEASE_MS
    : life === "alive";
}

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
  if (state === "acked") {
    yield messages.map((message) => (
      { kind: "note", session, key: claimKey(message) }
    ));
  }
  for (const message of messages) {
    const claim = noteKey(session, claimKey(message));
    if (state === "acked" && records.notes.get(claim) !== undefined) {
      records.notes.delete(claim);
    }
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
  return delivery && (yield* shown(records, at, delivery));
}

/** Returns the latest deliveries of a sender's messages, latest first. */
export function* deliveriesFrom(
  records: Records,
  at: Moment,
  session: string,
  limit: number,
): Plan<readonly SentDelivery[]> {
  yield [{ kind: "deliveries-from", session, limit }];
  const deliveries = records.listed("deliveries-from").flatMap((message) =>
    records.deliveries.get(message) ?? []
  );
  yield deliveries.map(({ to }) => ({ kind: "session", id: to }));
  const sent: SentDelivery[] = [];
  for (const delivery of deliveries) {
    const addressee = records.sessions.get(delivery.to);
    sent.push({
      ...yield* shown(records, at, delivery),
      ...(addressee !== undefined && { toName: nameOf(addressee) }),
    });
  }
  return sent;
}

/** Returns a delivery as its sender sees it now. */
function* shown(
  records: Records,
  at: Moment,
  delivery: DeliveryRecord,
): Plan<Delivery> {
  const { message, sender, to, changedAtMs, expiresAtMs } = delivery;
  const isExpired = expiresAtMs !== null && expiresAtMs <= at.nowMs;
  const state = isExpired
    ? yield* expiredState(records, delivery)
    : delivery.state;
  const changedMs = isExpired ? expiresAtMs : changedAtMs;
  return {
    id: message,
    sender,
    to,
    state,
    changedAt: new Date(changedMs).toISOString(),
    ...(expiresAtMs !== null &&
      { expiresAt: new Date(expiresAtMs).toISOString() }),
  };
}

/**
 * Settles the deliveries of direct messages that are about to be removed. Reports
 * the unread ones to their senders.
 */
export function* settleDeliveries(
  records: Records,
  at: Moment,
  messages: readonly MessageHead[],
): Plan<void> {
  yield messages.map(({ id }) => ({ kind: "delivery", message: id }));
  const unread: Unread[] = [];
  for (const { id, project } of messages) {
    const delivery = records.deliveries.get(id);
    if (delivery === undefined) continue;
    const state = yield* expiredState(records, delivery);
    if (state === delivery.state) continue;
    change(records, at, delivery, state);
    unread.push({ ...delivery, state, project });
  }
  yield* reportUnread(records, unread);
}

/** Delivery of a message that expired unread. */
interface Unread extends DeliveryRecord {
  readonly project: string | null;
}

/** Tells each sender of its unread messages to one session, in one message. */
function* reportUnread(
  records: Records,
  unread: readonly Unread[],
): Plan<void> {
  const bySession = Map.groupBy(
    // The report itself is a message of a session to itself.
    unread.filter(({ sender, to }) => sender !== to),
    ({ sender, to, state }) => JSON.stringify([sender, to, state]),
  );
  for (const all of bySession.values()) {
    const [{ sender, to, state, project }] = all;
    yield [{ kind: "session", id: to }];
    const addressee = records.sessions.get(to);
    const name = addressee === undefined ? to : nameOf(addressee);
    const reason = state === "undeliverable" ? `: ${name} has ended` : "";
    records.say({
      sender,
      channel: NOTICE_CHANNEL,
      payloadText: JSON.stringify(
        `${messagesNamed(all)} to ${name} expired unread${reason}.`,
      ),
      ttlSeconds: DIRECT_TTL_SECONDS,
      project,
      to: sender,
    });
  }
}

const NAMED_MAX = 5;

/** Returns messages in words: `Messages 18, 19 and 20`. */
function messagesNamed(messages: readonly DeliveryRecord[]): string {
  const ids = messages.map(({ message }) => message);
  if (ids.length === 1) return `Message ${ids[0]}`;
  const named = ids.slice(0, NAMED_MAX);
  const more = ids.length - named.length;
  const last = more > 0 ? `${more} more` : named.pop();
  return `Messages ${named.join(", ")} and ${last}`;
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
