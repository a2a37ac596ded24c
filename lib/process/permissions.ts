/**
 * Permissions of the runtime: optional reads, and the error for a missing one.
 *
 * A command works without the results of optional reads. So a missing permission
 * is neither an error nor a prompt there. At a terminal only granted permissions
 * are used, because Deno would ask the user for others.
 *
 * @module
 */

import { StoreError } from "../model/errors.ts";

/**
 * Returns the error for a missing permission; any other error is returned
 * unchanged. `act` is the attempted act.
 */
export function permissionError(act: string, error: unknown): unknown {
  if (!(error instanceof Deno.errors.NotCapable)) return error;
  // Requires read access to "/srv/bus", run again with the --allow-read flag
  const { message } = error;
  const [, access, object] =
    /^Requires (\w+) access(?: to (?:"(.*)"|<.*>))?,/s.exec(message) ?? [];
  if (access === undefined) return error;
  return new StoreError(
    "permission",
    object ?? "",
    `Cannot ${act}: this program lacks Deno's permission --allow-${access}` +
      `${
        object === undefined ? "" : ` for ${JSON.stringify(object)}`
      }. Run it ` +
      `with --allow-${access}, and see docs/permissions.md for all that it needs.`,
    { cause: error },
  );
}

/** Returns whether a permission is granted without a prompt. */
export function isGranted(descriptor: Deno.PermissionDescriptor): boolean {
  return Deno.permissions.querySync(descriptor).state === "granted";
}

/** Returns whether an operation can be tried without a prompt to the user. */
export function canTry(descriptor: Deno.PermissionDescriptor): boolean {
  // Without a terminal Deno never prompts, and failing is cheaper than a query.
  return !Deno.stdin.isTerminal() || isGranted(descriptor);
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
