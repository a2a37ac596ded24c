/**
 * The time of a whole process, from before its start until its end.
 *
 * @module
 */

/**
 * Runs a program to its end and returns its time, in ms.
 *
 * @param input The stdin: text as it is, other values as JSON.
 * @throws {Error} If the program fails. The message is its stderr.
 */
export async function timeOf(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  input?: unknown,
): Promise<number> {
  const bytes = input === undefined ? undefined : new TextEncoder().encode(
    typeof input === "string" ? input : JSON.stringify(input),
  );
  const command = new Deno.Command(program, {
    args: [...args],
    env,
    stdin: bytes === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
  });
  const beganAt = performance.now();
  const process = command.spawn();
  if (bytes !== undefined) {
    const writer = process.stdin.getWriter();
    await writer.write(bytes);
    await writer.close();
  }
  const { success, stderr } = await process.output();
  const ms = performance.now() - beganAt;
  if (success) return ms;
  throw new Error(new TextDecoder().decode(stderr).trim());
}

/** Returns the path of Python itself, because PATH may have a slow wrapper. */
export async function pythonProgram(): Promise<string> {
  try {
    const { stdout } = await new Deno.Command("python3", {
      args: ["-c", "import sys; print(sys.executable)"],
    }).output();
    return new TextDecoder().decode(stdout).trim();
  } catch (error) {
    // Starting it then throws NotFound.
    if (error instanceof Deno.errors.NotFound) return "python3";
    throw error;
  }
}
