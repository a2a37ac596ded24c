/**
 * Watch by which a session learns of a granted lock.
 *
 * ```text
 *  none ──first wait──▶ watching ──last wait ends──▶ lingering ──2 s──▶ none
 *                          ◀──────────next wait─────────┘
 * ```
 *
 * All waits of a session share one watch. It lingers after the last wait, because
 * a session often waits for one lock after another. Starting a watch takes longer
 * than a typical hold, and its start and end both write to the store. The watch
 * ends with the bus.
 *
 * @module
 */

import type { Operations } from "./operations.ts";
import type { Watch } from "../store/store.ts";

// Longer than an agent's pause before the next file.
const LINGER_MS = 2_000;

/** Watch for one session's grants. */
export class GrantWatch {
  readonly #operations: Operations;
  readonly #closing: AbortSignal;
  readonly #wakes = new Set<() => void>();
  #active:
    | { readonly session: string; readonly watch: Promise<Watch> }
    | undefined;
  #lingering: ReturnType<typeof setTimeout> | undefined;

  /** Makes an inactive watch that ends with `closing`. */
  constructor(operations: Operations, closing: AbortSignal) {
    this.#operations = operations;
    this.#closing = closing;
  }

  /** Calls `wake` at each grant to `session` until the result is disposed. */
  async join(session: string, wake: () => void): Promise<Disposable> {
    clearTimeout(this.#lingering);
    this.#wakes.add(wake);
    try {
      await this.#watchFor(session);
    } catch (error) {
      this.#active = undefined;
      this.#leave(wake);
      throw error;
    }
    return { [Symbol.dispose]: () => this.#leave(wake) };
  }

  async #watchFor(session: string): Promise<void> {
    // The session's id changes if another process takes it over.
    if (this.#active?.session !== session) {
      this.#end();
      this.#closing.addEventListener("abort", this.#end);
      const wakeAll = () => this.#wakes.forEach((wake) => wake());
      const watch = this.#operations.watchChanges("grants", session, wakeAll);
      this.#active = { session, watch };
    }
    await this.#active!.watch;
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
    const active = this.#active;
    this.#active = undefined;
    // An error of the start was thrown to each waiter.
    active?.watch.then((watch) => watch.close(), () => {});
  };
}
