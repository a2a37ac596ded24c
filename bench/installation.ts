/**
 * An installation of the command, in the bench's folder.
 *
 * @module
 */

import { HOOK_FRAGMENT } from "../lib/install/agents/config.ts";

/** An installed command. */
export interface Installation {
  /** The path of the launcher. */
  readonly launcher: string;
  /** The path of the fragment that the commands of hooks read. */
  readonly fragment: string;
  /** Environment variables by which a hook's command finds both. */
  readonly env: Readonly<Record<string, string>>;
}

/** Installs the command in a folder. */
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

/** Returns the cache folder of this runtime. */
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

/**
 * Runs a command to its end.
 *
 * @throws {Error} If it fails. The message is its stderr.
 */
export async function succeed(
  command: Deno.Command,
): Promise<Deno.CommandOutput> {
  const output = await command.output();
  if (!output.success) {
    throw new Error(new TextDecoder().decode(output.stderr).trim());
  }
  return output;
}
