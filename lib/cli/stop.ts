/**
 * Ending a command that runs until it is told to stop.
 *
 * The first signal (or the timeout) ends it in good order: what is under way
 * is finished, and what was taken is given back. A second one ends it at once.
 *
 * @module
 */

const SIGNALS: Readonly<Partial<Record<Deno.Signal, number>>> =
  Deno.build.os === "windows"
    ? { SIGINT: 130 }
    : { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 };

/** Why a command was told to stop. */
export type StopReason = { readonly exitCode: number } | "timeout";

/** Tells when a command must stop. */
export class Stop implements Disposable {
  readonly #controller = new AbortController();
  readonly #listeners: [Deno.Signal, () => void][] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #reason: StopReason | undefined;

  /** Begins to listen; `timeoutMs` is how long it may run at the most. */
  constructor(timeoutMs?: number) {
    for (const [name, exitCode] of Object.entries(SIGNALS)) {
      const listener = (): void => this.#onSignal(exitCode);
      Deno.addSignalListener(name as Deno.Signal, listener);
      this.#listeners.push([name as Deno.Signal, listener]);
    }
    if (timeoutMs !== undefined) {
      this.#startTimer(performance.now() + timeoutMs);
    }
  }

  /** Is aborted when the command must stop. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Why it must stop; not set as long as it need not. */
  get reason(): StopReason | undefined {
    return this.#reason;
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    for (const [name, listener] of this.#listeners) {
      Deno.removeSignalListener(name, listener);
    }
  }

  #onSignal(exitCode: number): void {
    if (this.#reason !== undefined) Deno.exit(exitCode);
    this.#stop({ exitCode });
  }

  #startTimer(endMs: number): void {
    // A timer takes at most 2³¹ ms, about 24 days.
    const leftMs = endMs - performance.now();
    this.#timer = leftMs <= 0
      ? undefined
      : setTimeout(() => this.#startTimer(endMs), Math.min(leftMs, 1e9));
    if (leftMs <= 0) this.#stop("timeout");
  }

  #stop(reason: StopReason): void {
    this.#reason ??= reason;
    this.#controller.abort();
  }
}
