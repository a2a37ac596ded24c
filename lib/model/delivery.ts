/**
 * Deliveries of direct messages as data.
 *
 * @module
 */

/** Proven progress of a direct message. */
export type DeliveryState =
  | "queued"
  | "noticed"
  | "injected"
  | "acked"
  | "expired"
  | "undeliverable";

/** Delivery of a direct message. */
export interface Delivery {
  /** Id of the message. */
  readonly id: string;
  /** Id of the sender. */
  readonly sender: string;
  /** Id of the recipient, or of the session that has taken its name since. */
  readonly to: string;
  /** Proven progress of the message. */
  readonly state: DeliveryState;
  /** Time of the last progress, as ISO 8601 in UTC. */
  readonly changedAt: string;
  /**
   * Expiry of the message, as ISO 8601 in UTC; absent once the message is
   * deleted.
   */
  readonly expiresAt?: string;
}

/** Delivery of a message that a session has sent. */
export interface SentDelivery extends Delivery {
  /** Name of the recipient; absent once its session is deleted. */
  readonly toName?: string;
}
