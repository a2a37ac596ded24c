/**
 * Maintenance: the purge in bounded steps, by every process that publishes.
 *
 * There is no cron and no daemon. After a number of messages a process takes a step
 * that deletes more messages than it published. A process that publishes little
 * takes a whole step if no process has taken one recently.
 *
 * @module
 */

import {
  isPurgeDue,
  purge,
  PURGE_AFTER_MS,
  purgeMessages,
  STEP_MESSAGES_MAX,
} from "../rules/purge.ts";
import { MessageBusError } from "../model/errors.ts";
import type { Store } from "../store/store.ts";
import type { Purged } from "../model/message.ts";

// Messages of this process between two steps. A step deletes up to
// STEP_MESSAGES_MAX, so messages are deleted faster than they are published.
const PURGE_AFTER_MESSAGES = STEP_MESSAGES_MAX / 2;

// Delay of a step, so that woken readers read before it holds the write lock. A
// process that publishes without a pause begins the step at the larger number.
const PURGE_WAIT_MS = 2;
const PURGE_AFTER_MESSAGES_MAX = PURGE_AFTER_MESSAGES + 10;

/** Options of maintenance. */
export interface MaintenanceOptions {
  /** Largest number of messages kept on a channel. */
  readonly cap: number;
  /** Receives warnings about failures that do not stop the bus. */
  readonly warn: (message: string) => void;
  /** Whether this process ends soon, and so takes no step by itself. */
  readonly isOneShot: boolean;
}

type Scope = "messages" | "all";

/** Maintenance of one store by one process. */
export class Maintenance {
  readonly #store: Store;
  readonly #cap: number;
  readonly #warn: (message: string) => void;
  // Id of the last session that a step has checked.
  #checked = "";
  #sincePurge = 0;
  #checkedAtMs = -Infinity;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #purging: Promise<void> | undefined;
  #isClosed = false;

  /** Makes the maintenance of a store. */
  constructor(store: Store, { cap, warn, isOneShot }: MaintenanceOptions) {
    this.#store = store;
    this.#cap = cap;
    this.#warn = warn;
    this.#isClosed = isOneShot;
  }

  /** Counts published messages, and begins a step if one is due. */
  published(messages: number): void {
    this.#sincePurge += messages;
    if (this.#isClosed || this.#purging !== undefined) return;
    if (this.#sincePurge >= PURGE_AFTER_MESSAGES_MAX) return this.#begin();
    if (this.#timer !== undefined) return;
    const isDue = this.#isCheckDue();
    if (!isDue && this.#sincePurge < PURGE_AFTER_MESSAGES) return;
    this.#timer = setTimeout(() => this.#begin(), PURGE_WAIT_MS);
  }

  #begin(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#purging = this.#steps()
      // The next publish tries again.
      .catch((error) => this.#warn(`mbus: ${error.message}`))
      .finally(() => this.#purging = undefined);
  }

  /**
   * Takes a whole step if no process has taken one recently. A failure is a
   * warning, because the caller's own work is committed.
   */
  async stepIfDue(): Promise<void> {
    try {
      if (await this.#isOverdue()) await this.step("all");
    } catch (error) {
      if (!(error instanceof MessageBusError)) throw error;
      // The next publish tries again.
      this.#warn(`mbus: ${error.message}`);
    }
  }

  /** Takes one step. */
  async step(scope: Scope): Promise<Purged> {
    const purged = await this.#purge(scope);
    const { more } = await this.#store.maintain();
    return { ...purged, more: purged.more || more };
  }

  /** Ends maintenance, and waits for a running or scheduled step. */
  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#timer !== undefined) this.#begin();
    await this.#purging;
  }

  async #purge(scope: Scope): Promise<Purged> {
    if (scope === "messages") {
      return await this.#store.update({
        act: "purge",
        guards: ["messages", "durables"],
        decide: (records, at) => purgeMessages(records, at, this.#cap),
      });
    }
    const { after, ...purged } = await this.#store.update({
      act: "purge",
      guards: ["messages", "durables", "locks", "sessions", "tasks"],
      decide: (records, at) => purge(records, at, this.#cap, this.#checked),
    });
    this.#checked = after;
    return purged;
  }

  /** Takes a step for each {@linkcode PURGE_AFTER_MESSAGES} published messages. */
  async #steps(): Promise<void> {
    // Only messages grow with publishing; other records expire with time.
    let scope: Scope = await this.#isOverdue() ? "all" : "messages";
    if (scope === "messages" && this.#sincePurge < PURGE_AFTER_MESSAGES) return;
    do {
      const { expired, overCap, more } = await this.step(scope);
      scope = "messages";
      if (expired + overCap === 0 && !more) this.#sincePurge = 0;
      else this.#sincePurge -= PURGE_AFTER_MESSAGES;
    } while (this.#sincePurge >= PURGE_AFTER_MESSAGES && !this.#isClosed);
    this.#sincePurge = Math.max(this.#sincePurge, 0);
  }

  #isCheckDue(): boolean {
    // Absolute, because the clock may have been set back.
    return Math.abs(this.#store.now() - this.#checkedAtMs) >= PURGE_AFTER_MS;
  }

  /** Returns whether no process has purged recently; reads that rarely. */
  async #isOverdue(): Promise<boolean> {
    if (!this.#isCheckDue()) return false;
    this.#checkedAtMs = this.#store.now();
    const rule = { act: "purge", guards: [], decide: isPurgeDue };
    return (await this.#store.look(rule))?.result ?? false;
  }
}
