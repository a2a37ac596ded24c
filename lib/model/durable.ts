/**
 * Durable readers as data.
 *
 * @module
 */

import type { Page } from "./message.ts";

/** The state in which a durable name was taken. */
export interface DurableReader {
  /** The name. */
  readonly name: string;
  /** The project it belongs to; `null` for none. */
  readonly project: string | null;
  /** Everything up to this cursor was acknowledged. */
  readonly cursor: string;
  /** Messages that TTL or cap took before they were acknowledged, ever. */
  readonly lost: number;
  /**
   * Of these, those that a reader has told of, kept when it moves or ends. From
   * a store that keeps none, the next reader tells of all of them again.
   * @default {0}
   */
  readonly told?: number;
  /** The fencing token of this reader's lease. */
  readonly token: number;
  /** How long the lease holds unless renewed, in milliseconds. */
  readonly leaseMs: number;
}

/** A page of messages for a durable reader. */
export interface DurablePage extends Page {
  /** Messages that TTL or cap took before they were acknowledged, ever. */
  readonly lost: number;
}
