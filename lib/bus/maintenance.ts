/**
 * Maintenance: the purge, a step at a time, by every process that publishes.
 *
 * There is no cron and no daemon. A process that has published a while takes a
 * step that removes more than it published. A process that publishes little takes
 * a whole step if none was taken for a while.
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
import type { Store } from "../store/store.ts";
import type { Purged } from "../model/message.ts";

// After so many messages of this process a step is due, which removes up to
// STEP_MESSAGES_MAX: messages go faster than they come.
const PURGE_AFTER_MESSAGES = STEP_MESSAGES_MAX / 2;

// A reader that was woken by a message has read it by then. A process that
// publishes without a pause leaves no time for that: so many more are waited for.
const PURGE_WAIT_MS = 2;
const PURGE_AFTER_MOST = PURGE_AFTER_MESSAGES + 10;

/** How a store is maintained. */
export interface MaintenanceOptions {
  /** Messages that are kept on a channel. */
  readonly cap: number;
  /** Is told of what does not stop the bus. */
  readonly warn: (message: string) => void;
  /** Whether this process ends soon: then it takes no step by itself. */
  readonly isOneShot: boolean;
}

type Scope = "messages" | "all";

/** The maintenance of one store by one process. */
export class Maintenance {
  readonly #store: Store;
  readonly #cap: number;
  readonly #warn: (message: string) => void;
  // Sessions up to this one were judged by the steps so far.
  #judged = "";
  #sincePurge = 0;
  #askedAtMs = -Infinity;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #purging: Promise<void> | undefined;
  #isClosed = false;

  /** Makes one for a store; a one-shot process takes no step by itself. */
  constructor(store: Store, { cap, warn, isOneShot }: MaintenanceOptions) {
    this.#store = store;
    this.#cap = cap;
    this.#warn = warn;
    this.#isClosed = isOneShot;
  }

  /** Is told that this process has published; takes a step if one is due. */
  published(messages: number): void {
    this.#sincePurge += messages;
    if (this.#isClosed || this.#purging !== undefined) return;
    if (this.#sincePurge >= PURGE_AFTER_MOST) return this.#begin();
    if (this.#timer !== undefined) return;
    const isOver = this.#isAskedLongAgo();
    if (!isOver && this.#sincePurge < PURGE_AFTER_MESSAGES) return;
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

  /** Takes a whole step if none was taken for a while. */
  async stepIfDue(): Promise<void> {
    if (await this.#isOverdue()) await this.step("all");
  }

  /** Takes one step. */
  async step(scope: Scope): Promise<Purged> {
    const purged = await this.#purge(scope);
    const { more } = await this.#store.maintain();
    return { ...purged, more: purged.more || more };
  }

  /** Ends it; a step that runs, or is due, is waited for. */
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
      decide: (records, at) => purge(records, at, this.#cap, this.#judged),
    });
    this.#judged = after;
    return purged;
  }

  /** Takes a step for each share of what was published, so that none is left. */
  async #steps(): Promise<void> {
    // All but messages expires as time passes, not with what is published.
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

  #isAskedLongAgo(): boolean {
    // In either direction, because the clock may have been set back.
    return Math.abs(this.#store.now() - this.#askedAtMs) >= PURGE_AFTER_MS;
  }

  /** Whether no process has purged for a while; looked up once in that while. */
  async #isOverdue(): Promise<boolean> {
    if (!this.#isAskedLongAgo()) return false;
    this.#askedAtMs = this.#store.now();
    const rule = { act: "purge", guards: [], decide: isPurgeDue };
    return (await this.#store.look(rule))?.result ?? false;
  }
}
