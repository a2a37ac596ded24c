/**
 * A program that a command runs in its own place: it has our input, output and
 * terminal, gets the signals that we get, and says how we end.
 *
 * Ctrl-C in a terminal reaches it without us, as it does every process in the
 * foreground: where our input is a terminal, SIGINT is not passed on a second
 * time.
 *
 * @module
 */

import { RefusalError } from "./refusal.ts";

const FORWARDED: readonly Deno.Signal[] = Deno.build.os === "windows"
  ? ["SIGINT"]
  : ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"];

// What a shell says of a program that is not there, or can't be run.
const NOT_FOUND = 127;
const NOT_RUNNABLE = 126;

/** A program that can't be started. */
export class NotStartedError extends RefusalError {
  /** What a shell would end with. */
  readonly exitCode: number;

  /** Makes the error for `program`. */
  constructor(program: string, missing: boolean, options?: ErrorOptions) {
    super(
      `Cannot run ${JSON.stringify(program)}: ${
        missing
          ? "there is no such program; check its name and the PATH"
          : "the system refuses to start it; check that it may be executed"
      }.`,
      options,
    );
    this.name = "NotStartedError";
    this.exitCode = missing ? NOT_FOUND : NOT_RUNNABLE;
  }
}

/**
 * Runs a program to its end; returns its exit code, 128 and the signal's number
 * for one that a signal ended.
 *
 * @throws {NotStartedError} If it can't be started.
 */
export async function runInPlace(
  [program, ...args]: readonly string[],
  env: Record<string, string>,
): Promise<number> {
  let child: Deno.ChildProcess | undefined;
  // Listened for first: the program may have us signalled as soon as it runs.
  const listeners = FORWARDED.map((signal) => {
    const listener = (): void => {
      if (signal === "SIGINT" && Deno.stdin.isTerminal()) return;
      try {
        child?.kill(signal);
      } catch {
        // It has ended by then.
      }
    };
    Deno.addSignalListener(signal, listener);
    return (): void => Deno.removeSignalListener(signal, listener);
  });
  try {
    child = start(program, args, env);
    const { code } = await child.status;
    return code;
  } finally {
    listeners.forEach((remove) => remove());
  }
}

function start(
  program: string,
  args: readonly string[],
  env: Record<string, string>,
): Deno.ChildProcess {
  try {
    return new Deno.Command(program, {
      args: [...args],
      env,
      stdin: "inherit",
      stdout: "inherit",
      stderr: "inherit",
    }).spawn();
  } catch (error) {
    const missing = error instanceof Deno.errors.NotFound;
    if (!missing && !(error instanceof Deno.errors.PermissionDenied)) {
      throw error;
    }
    throw new NotStartedError(program, missing, { cause: error });
  }
}
