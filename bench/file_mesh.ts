/**
 * Wake-ups by files: each session watches its file and touches the others'.
 *
 * @module
 */

import type { PeerConfig, Recipient } from "./contestant.ts";

/** One session's end of a mesh. */
export class FileMesh {
  readonly #config: PeerConfig;
  readonly #others: readonly number[];
  readonly #watch: Deno.FsWatcher;
  readonly #listening: Promise<void>;

  /** Starts to watch. Calls `woken` after each touch, or once after several. */
  constructor(config: PeerConfig, woken: () => void) {
    this.#config = config;
    this.#others = Array.from({ length: config.sessions }, (_, i) => i)
      .filter((session) => session !== config.session);
    const own = this.#pathOf(config.session);
    Deno.writeTextFileSync(own, "");
    this.#watch = Deno.watchFs(own, { recursive: false });
    this.#listening = this.#listen(woken);
  }

  /** Wakes one session, or all others. Skips sessions without a file. */
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
    return `${this.#config.folder}/${session}.bell`;
  }

  async #listen(woken: () => void): Promise<void> {
    for await (const _ of this.#watch) woken();
  }
}
