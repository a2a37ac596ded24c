/**
 * Clocks that can be set, and processes that stand still.
 *
 * A process started under libfaketime reads its time of day from a file; what
 * is written there sets its clock while it runs. The monotonic clock is left
 * alone, as the kernel does when somebody sets the time of day.
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

/** Whether clocks can be set here. */
export const canSetClocks: boolean = libfaketime !== undefined;

/** What to say where they can't. */
export const unlessClocks: string = canSetClocks
  ? ""
  : " (ignored: needs libfaketime; apt-get install faketime)";

/** A time of day for processes, which can be set while they run. */
export class SetClock {
  readonly #file: string;

  /** Shows the real time until it is set; `file` is where it is kept. */
  constructor(file: string) {
    this.#file = file;
    this.set("+0");
  }

  /**
   * Sets it: `+3h` or `-90m` off the real time, `@2028-02-29 12:00:00` (UTC)
   * going on from there, or the same without `@`, standing still.
   */
  set(time: string): void {
    // At once, as it may be read at any moment.
    Deno.writeTextFileSync(`${this.#file}.new`, `${time}\n`);
    Deno.renameSync(`${this.#file}.new`, this.#file);
  }

  /** The environment of a process that has it. */
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

/** Stops a process, as Ctrl-Z does, and waits until it stands still. */
export async function stop(pid: number): Promise<void> {
  Deno.kill(pid, "SIGSTOP");
  await until(
    "the process to stand still",
    () => /\) T /.test(Deno.readTextFileSync(`/proc/${pid}/stat`)),
  );
}

/** Lets it go on. */
export function resume(pid: number): void {
  Deno.kill(pid, "SIGCONT");
}
