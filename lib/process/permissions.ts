/**
 * Optional reads that need a permission.
 *
 * A command works without their results. So a missing permission is neither an
 * error nor a prompt. At a terminal only granted permissions are used, because
 * Deno would ask the user for others.
 *
 * @module
 */

/** Returns whether an operation can be tried without a prompt to the user. */
export function canTry(descriptor: Deno.PermissionDescriptor): boolean {
  // Without a terminal Deno never prompts, and failing is cheaper than a query.
  return !Deno.stdin.isTerminal() ||
    Deno.permissions.querySync(descriptor).state === "granted";
}

/**
 * Runs a system command in English and UTC and returns its output; undefined if
 * it is not permitted, is missing or fails.
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

/** Returns an environment variable; undefined if it is unset or not permitted. */
export function variable(name: string): string | undefined {
  if (!canTry({ name: "env", variable: name })) return undefined;
  try {
    return Deno.env.get(name);
  } catch {
    return undefined;
  }
}
