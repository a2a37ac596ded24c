/**
 * Durable readers as data.
 *
 * @module
 */

import type { Page } from "./message.ts";

/** Durable name as its reader leased it. */
export interface DurableReader {
  /** Durable name. */
  readonly name: string;
  /** Project of the name; `null` for none. */
  readonly project: string | null;
  /** Cursor of the last acknowledged message. */
  readonly cursor: string;
  /** Number of messages that TTL or cap deleted before they were acknowledged, ever. */
  readonly lost: number;
  /**
   * Number of lost messages that a reader has reported. A store that does not
   * keep it makes the next reader report all of them again.
   * @default {0}
   */
  readonly told?: number;
  /** Fencing token of this reader's lease. */
  readonly token: number;
  /** Lease duration, in milliseconds. */
  readonly leaseMs: number;
}

/** Page of messages for a durable reader. */
export interface DurablePage extends Page {
  /** Number of messages that TTL or cap deleted before they were acknowledged, ever. */
  readonly lost: number;
}
