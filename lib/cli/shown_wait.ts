/**
 * Shows the session of a command as waiting while the command waits.
 *
 * @module
 */

import type { MessageBus } from "../bus/bus.ts";

/** A wait of a command, which other sessions see. */
export class ShownWait {
  readonly #bus: MessageBus;
  #why: string | undefined;
  #begun: Promise<unknown> = Promise.resolve();

  /** Makes a wait that is not shown yet. */
  constructor(bus: MessageBus) {
    this.#bus = bus;
  }

  /** Shows the wait and its reason; further calls change nothing. */
  begin(why: string): Promise<unknown> {
    if (this.#why !== undefined) return this.#begun;
    this.#why = why;
    this.#begun = this.#bus.sessions.update({
      activity: { state: "waiting", why },
    });
    // The end of the wait reports the error.
    this.#begun.catch(() => {});
    return this.#begun;
  }

  /** Shows the session at work, unless it has reported another state meanwhile. */
  async end(): Promise<void> {
    if (this.#why === undefined) return;
    await this.#begun;
    const sessions = await this.#bus.sessions.list({ allProjects: true });
    const own = sessions.find(({ id }) => id === this.#bus.session);
    const { state, why } = own?.activity ?? {};
    if (state !== "waiting" || why !== this.#why) return;
    await this.#bus.sessions.update({ activity: { state: "working" } });
  }
}
