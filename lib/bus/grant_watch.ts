/**
 * The watch by which a session learns that a lock it waits for is its own.
 *
 * ```text
 *  none ──first wait──▶ standing ──last wait is over──▶ lingering ──a moment──▶ none
 *                          ◀────────────next wait──────────┘
 * ```
 *
 * All waits of a session share it. It stays for a moment after the last of them:
 * who waits for one lock after another would else begin a watch each time, which
 * takes longer than a lock is held for, and writes to the store at both ends. It
 * ends with the bus.
 *
 * @module
 */

import type { Operations } from "./operations.ts";
import type { Watch } from "../store/store.ts";

// Longer than it takes an agent to go on with the next file.
const LINGER_MS = 2_000;

/** The watch for one session's grants. */
export class GrantWatch {
  readonly #operations: Operations;
  readonly #closing: AbortSignal;
  readonly #wakes = new Set<() => void>();
  #standing:
    | { readonly session: string; readonly watch: Promise<Watch> }
    | undefined;
  #lingering: ReturnType<typeof setTimeout> | undefined;

  /** Makes one that watches nothing yet, and ends with `closing`. */
  constructor(operations: Operations, closing: AbortSignal) {
    this.#operations = operations;
    this.#closing = closing;
  }

  /** Calls `wake` at each grant to `session`, from now on until it is disposed. */
  async join(session: string, wake: () => void): Promise<Disposable> {
    clearTimeout(this.#lingering);
    this.#wakes.add(wake);
    try {
      await this.#watchFor(session);
    } catch (error) {
      this.#standing = undefined;
      this.#leave(wake);
      throw error;
    }
    return { [Symbol.dispose]: () => this.#leave(wake) };
  }

  async #watchFor(session: string): Promise<void> {
    // A session that was taken over goes on under another id.
    if (this.#standing?.session !== session) {
      this.#end();
      this.#closing.addEventListener("abort", this.#end);
      const wakeAll = () => this.#wakes.forEach((wake) => wake());
      const watch = this.#operations.watchChanges("grants", session, wakeAll);
      this.#standing = { session, watch };
    }
    await this.#standing!.watch;
  }

  #leave(wake: () => void): void {
    this.#wakes.delete(wake);
    if (this.#wakes.size > 0) return;
    if (this.#closing.aborted) this.#end();
    else this.#lingering = setTimeout(this.#end, LINGER_MS);
  }

  readonly #end = (): void => {
    clearTimeout(this.#lingering);
    this.#closing.removeEventListener("abort", this.#end);
    const standing = this.#standing;
    this.#standing = undefined;
    // What could not begin has told who waits.
    standing?.watch.then((watch) => watch.close(), () => {});
  };
}
