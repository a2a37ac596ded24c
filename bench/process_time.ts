/**
 * How long a whole process takes, from before it starts until it has ended.
 *
 * @module
 */

/**
 * Runs a program to its end and returns how long it took, in ms.
 *
 * @param input What it reads: text as it is, all else as JSON.
 * @throws {Error} If it fails; the message is what it wrote about it.
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

/** Python itself, as what is found on the PATH may be a slow wrapper. */
export async function pythonProgram(): Promise<string> {
  try {
    const { stdout } = await new Deno.Command("python3", {
      args: ["-c", "import sys; print(sys.executable)"],
    }).output();
    return new TextDecoder().decode(stdout).trim();
  } catch (error) {
    // Whoever starts it is told that it is not there.
    if (error instanceof Deno.errors.NotFound) return "python3";
    throw error;
  }
}
