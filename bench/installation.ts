/**
 * The command as people install it, in a folder of the bench's own.
 *
 * @module
 */

import { HOOK_FRAGMENT } from "../lib/install/agents/config.ts";

/** What was installed. */
export interface Installation {
  /** The launcher. */
  readonly launcher: string;
  /** What the commands of hooks read. */
  readonly fragment: string;
  /** The variables by which such a command finds them. */
  readonly env: Readonly<Record<string, string>>;
}

/** Installs the command. */
export async function installed(folder: string): Promise<Installation> {
  const bin = `${folder}/bin`;
  const data = `${folder}/data`;
  await succeed(
    new Deno.Command(Deno.execPath(), {
      args: [
        "run",
        "--quiet",
        "--allow-all",
        new URL("../lib/packaging/package_install.ts", import.meta.url).href,
        "--bin",
        bin,
      ],
      env: {
        XDG_DATA_HOME: data,
        DENO_DIR: await denoDir(),
        HOME: folder,
      },
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }),
  );
  return {
    launcher: `${bin}/mbus`,
    fragment: `${data}/message-bus/${HOOK_FRAGMENT}`,
    env: { PATH: `${bin}:${Deno.env.get("PATH")}`, XDG_DATA_HOME: data },
  };
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
