/**
 * The command as people install it, in a folder of the bench's own.
 *
 * @module
 */

/** Installs the command; returns its launcher. */
export async function installed(folder: string): Promise<string> {
  const bin = `${folder}/bin`;
  await succeed(
    new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "--quiet",
        "--allow-all",
        new URL("../lib/cli/launcher.ts", import.meta.url).href,
        "--bin",
        bin,
      ],
      env: {
        XDG_DATA_HOME: `${folder}/data`,
        DENO_DIR: await denoDir(),
        HOME: folder,
      },
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }),
  );
  return `${bin}/mbus`;
}

/** Where this runtime keeps what it has loaded. */
async function denoDir(): Promise<string> {
  const { stdout } = await succeed(
    new Deno.Command(Deno.execPath(), {
      args: ["info", "--json"],
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }),
  );
  return JSON.parse(new TextDecoder().decode(stdout)).denoDir;
}

/** Runs a command to its end, which must be a good one. */
export async function succeed(
  command: Deno.Command,
): Promise<Deno.CommandOutput> {
  const output = await command.output();
  if (!output.success) {
    throw new Error(new TextDecoder().decode(output.stderr).trim());
  }
  return output;
}
