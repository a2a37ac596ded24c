/**
 * A child process that stands in for the command: it has the command's input,
 * output and terminal, gets its signals, and decides its exit code.
 *
 * - Every signal that would end this process is forwarded, if it can be caught.
 * - A terminal sends Ctrl-C to each process in the foreground. So SIGINT is not
 *   forwarded if standard input is a terminal.
 * - SIGXFSZ is caught and not forwarded, because this process's own write at the
 *   limit of file sizes raises it. That write then fails.
 *
 * @module
 */

import { RefusalError } from "./refusal.ts";

const FORWARDED: readonly Deno.Signal[] = Deno.build.os === "windows"
  ? ["SIGINT"]
  : [
    "SIGINT",
    "SIGTERM",
    "SIGHUP",
    "SIGQUIT",
    "SIGUSR1",
    "SIGUSR2",
    "SIGALRM",
    "SIGVTALRM",
    "SIGPROF",
    "SIGXCPU",
    "SIGABRT",
    "SIGTRAP",
    "SIGSYS",
    ...(Deno.build.os === "linux"
      ? ["SIGIO", "SIGPWR", "SIGSTKFLT"] as const
      : []),
  ];

const CAUGHT: readonly Deno.Signal[] = Deno.build.os === "windows"
  ? FORWARDED
  : [...FORWARDED, "SIGXFSZ"];

// Exit codes of a shell for a program that does not exist, or cannot be run.
const NOT_FOUND = 127;
const NOT_RUNNABLE = 126;

/** A program that cannot be started. */
export class NotStartedError extends RefusalError {
  /** Exit code of a shell in this case. */
  readonly exitCode: number;

  /** Creates the error for `program`. */
  constructor(program: string, missing: boolean, options?: ErrorOptions) {
    super(
      `Cannot run ${JSON.stringify(program)}: ${
        missing
          ? "the program is not found. Check its name and the PATH"
          : "the program is not executable. Check its permissions"
      }.`,
      options,
    );
    this.name = "NotStartedError";
    this.exitCode = missing ? NOT_FOUND : NOT_RUNNABLE;
  }
}

/**
 * Runs a program and returns its exit code, or 128 plus the number of the signal
 * that ended it.
 *
 * @throws {NotStartedError} If the program cannot be started.
 */
export async function runInPlace(
  [program, ...args]: readonly string[],
  env: Record<string, string>,
): Promise<number> {
  let child: Deno.ChildProcess | undefined;
  // Added before the start, because the program may cause a signal at once.
  const listeners = CAUGHT.map((signal) => {
    const listener = (): void => {
      if (!FORWARDED.includes(signal)) return;
      if (signal === "SIGINT" && Deno.stdin.isTerminal()) return;
      try {
        child?.kill(signal);
      } catch {
        // The child has ended.
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
