/**
 * Files by which sessions wake each other: each watches one of its own and
 * touches those of the others.
 *
 * @module
 */

import type { Recipient, Seat } from "./contestant.ts";

/** One session's part of a mesh. */
export class FileMesh {
  readonly #seat: Seat;
  readonly #others: readonly number[];
  readonly #watch: Deno.FsWatcher;
  readonly #listening: Promise<void>;

  /** Begins to watch; `woken` is called at each touch, or once for several. */
  constructor(seat: Seat, woken: () => void) {
    this.#seat = seat;
    this.#others = Array.from({ length: seat.sessions }, (_, i) => i)
      .filter((session) => session !== seat.session);
    const own = this.#pathOf(seat.session);
    Deno.writeTextFileSync(own, "");
    this.#watch = Deno.watchFs(own, { recursive: false });
    this.#listening = this.#listen(woken);
  }

  /** Wakes one, or all others; who is away is passed over. */
  wake(to: Recipient): void {
    const now = Date.now() / 1_000;
    for (const session of to === "all" ? this.#others : [to]) {
      try {
        Deno.utimeSync(this.#pathOf(session), now, now);
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
    }
  }

  /** Ends the watch. */
  async close(): Promise<void> {
    this.#watch.close();
    await this.#listening;
  }

  #pathOf(session: number): string {
    return `${this.#seat.folder}/${session}.bell`;
  }

  async #listen(woken: () => void): Promise<void> {
    for await (const _ of this.#watch) woken();
  }
}
