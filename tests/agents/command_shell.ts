/**
 * Runs an installed command in a shell, as agents do.
 *
 * @module
 */

/** The shell of most agents. */
export const SHELL = "/bin/sh";

/** The result of a command. */
export interface Ran {
  /** The exit code. */
  readonly code: number;
  /** The standard output. */
  readonly output: string;
  /** The standard error. */
  readonly errors: string;
}

/** Options of a run. */
export interface RunOptions {
  /** The shell. */
  readonly shell?: string;
  /** The working folder. */
  readonly cwd?: string;
  /** Whether its input stays open until it has ended. */
  readonly leavesOpen?: boolean;
}

/** Runs a command in exactly this environment, with this text on its input. */
export async function runCommand(
  command: string,
  env: Readonly<Record<string, string>>,
  input: string,
  options: RunOptions = {},
): Promise<Ran> {
  const { shell = SHELL, cwd, leavesOpen = false } = options;
  const child = new Deno.Command(shell, {
    args: ["-c", command],
    cwd,
    env,
    clearEnv: true,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  // A closed pipe here is the failure that the command must not cause.
  await writer.write(new TextEncoder().encode(input));
  if (!leavesOpen) await writer.close();
  const { code, stdout, stderr } = await child.output();
  if (leavesOpen) await writer.close();
  const decoder = new TextDecoder();
  return {
    code,
    output: decoder.decode(stdout),
    errors: decoder.decode(stderr),
  };
}

/** Writes a program that is a shell script. */
export async function writeProgram(
  path: string,
  script: string,
): Promise<void> {
  await Deno.writeTextFile(path, `#!/bin/sh\n${script}\n`);
  await Deno.chmod(path, 0o755);
}

/** Makes a folder with a program called `mbus`. */
export async function withProgram(
  script: string,
  use: (path: string) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await writeProgram(`${folder}/mbus`, script);
    await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
