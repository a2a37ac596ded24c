/**
 * Signals that stop a command.
 *
 * The first signal, or the timeout, aborts the command's work. The command then
 * finishes the current step and releases what it took. A second signal exits at
 * once.
 *
 * @module
 */

const SIGNALS: Readonly<Partial<Record<Deno.Signal, number>>> =
  Deno.build.os === "windows"
    ? { SIGINT: 130 }
    : { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 };

/** Reason for stopping: a signal's exit code, or the timeout. */
export type StopReason = { readonly exitCode: number } | "timeout";

/** Aborts a command's work at a signal or a timeout. */
export class Stop implements Disposable {
  readonly #controller = new AbortController();
  readonly #listeners: [Deno.Signal, () => void][] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  #reason: StopReason | undefined;

  /**
   * Starts to listen for signals.
   *
   * @param timeoutMs Maximum run time, in milliseconds (default: no limit).
   */
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

  /** Signal that is aborted when the command must stop. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Reason for stopping; undefined while the command may go on. */
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

/**
 * Runs `work` until it ends or a signal stops it.
 *
 * Returns the result, or the signal's exit code. `work` gets an abort signal and
 * releases what it took when that is aborted.
 */
export async function untilStopped<T>(
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T | number> {
  using stop = new Stop();
  try {
    return await work(stop.signal);
  } catch (error) {
    const { reason } = stop;
    if (error !== stop.signal.reason || typeof reason !== "object") throw error;
    return reason.exitCode;
  }
}
