/**
 * What this process may do, found out by trying.
 *
 * What is looked up here is an extra: without it a command still works, with
 * less to tell. So a missing permission is never an error, and never a question
 * either: at a terminal Deno would stop and ask the person, which is why what is
 * not granted is not even tried there.
 *
 * @module
 */

/** Whether something can be tried without the person being asked for it. */
export function canTry(descriptor: Deno.PermissionDescriptor): boolean {
  // Away from a terminal Deno does not ask, and failing is cheaper than the
  // query, which costs a tenth of a millisecond the first time.
  return !Deno.stdin.isTerminal() ||
    Deno.permissions.querySync(descriptor).state === "granted";
}

/**
 * Runs one of the system's commands and returns what it wrote; `undefined` if
 * it may not be run, is not there or failed. It speaks English and UTC.
 */
export function outputOf(
  command: string,
  args: readonly string[],
): string | undefined {
  if (!canTry({ name: "run", command })) return undefined;
  try {
    const { success, stdout } = new Deno.Command(command, {
      args: [...args],
      env: { LC_ALL: "C", TZ: "UTC0" },
      stdin: "null",
      stderr: "null",
    }).outputSync();
    return success ? new TextDecoder().decode(stdout) : undefined;
  } catch {
    return undefined;
  }
}

/** A variable of the environment; `undefined` if it is not set or not ours to read. */
export function variable(name: string): string | undefined {
  if (!canTry({ name: "env", variable: name })) return undefined;
  try {
    return Deno.env.get(name);
  } catch {
    return undefined;
  }
}
