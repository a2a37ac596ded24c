/**
 * Deliveries of direct messages as data.
 *
 * @module
 */

/** How far a direct message is proven to have come. */
export type DeliveryState =
  | "queued"
  | "noticed"
  | "injected"
  | "acked"
  | "expired"
  | "undeliverable";

/** What became of a direct message. */
export interface Delivery {
  /** The message's id. */
  readonly id: string;
  /** The session that it is for. */
  readonly to: string;
  /** How far it has come. */
  readonly state: DeliveryState;
  /** Since when, as an ISO 8601 time in UTC. */
  readonly changedAt: string;
  /**
   * When the message ceases to be delivered, as an ISO 8601 time in UTC; absent
   * once it is deleted.
   */
  readonly expiresAt?: string;
}
