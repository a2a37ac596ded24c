/**
 * Clocks that tests can set, and processes that tests can stop.
 *
 * A process under libfaketime reads its time of day from a file, which a test
 * can change. The monotonic clock stays, as it does when a person sets the
 * time.
 *
 * @module
 */

import { until } from "../waiting.ts";

const LIBRARY_NAMES = [
  "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
  "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1",
] as const;

const libfaketime = LIBRARY_NAMES.find((name) => {
  try {
    return Deno.statSync(name).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
});

/** Whether tests can set clocks on this system. */
export const canSetClocks: boolean = libfaketime !== undefined;

/** The suffix of a test's name, with the reason if the test is ignored. */
export const unlessClocks: string = canSetClocks
  ? ""
  : " (ignored: needs libfaketime; apt-get install faketime)";

/** A time of day for processes, which a test can set while they run. */
export class SetClock {
  readonly #file: string;

  /** Starts at the real time, and keeps it in `file`. */
  constructor(file: string) {
    this.#file = file;
    this.set("+0");
  }

  /**
   * Sets the time: `+3h` or `-90m` from the real time, `@2028-02-29 12:00:00`
   * (UTC) for a running clock, or the same without `@` for a stopped one.
   */
  set(time: string): void {
    // Atomic, because a process may read it at any moment.
    Deno.writeTextFileSync(`${this.#file}.new`, `${time}\n`);
    Deno.renameSync(`${this.#file}.new`, this.#file);
  }

  /** The environment of a process with this clock. */
  get env(): Record<string, string> {
    return {
      LD_PRELOAD: libfaketime!,
      FAKETIME_TIMESTAMP_FILE: this.#file,
      FAKETIME_NO_CACHE: "1",
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
      TZ: "UTC",
    };
  }
}

/** Stops a process by SIGSTOP, and waits until it is stopped. */
export async function stop(pid: number): Promise<void> {
  Deno.kill(pid, "SIGSTOP");
  await until(
    "the process to be stopped",
    () => /\) T /.test(Deno.readTextFileSync(`/proc/${pid}/stat`)),
  );
}

/** Continues a stopped process. */
export function resume(pid: number): void {
  Deno.kill(pid, "SIGCONT");
}
