/**
 * The command as `deno task install` installs it.
 *
 * @module
 */

import { type Ended, Mbus, ROOT, type StartOptions } from "./mbus.ts";

/** The result of an installation. */
export interface Installation {
  /** The exit code. */
  readonly code: number;
  /** The output, errors included. */
  readonly text: string;
}

/** Installs the command for the user of a bus. */
export async function install(
  mbus: Mbus,
  ...args: string[]
): Promise<Installation> {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--quiet",
      "--cached-only",
      "--allow-all",
      `${ROOT}/lib/packaging/package_install.ts`,
      ...args,
    ],
    cwd: `${mbus.folder}/project`,
    env: mbus.environment({ XDG_DATA_HOME: undefined }),
    clearEnv: true,
  }).output();
  const text = new TextDecoder();
  return { code, text: text.decode(stdout) + text.decode(stderr) };
}

/** An installed command. */
export class InstalledMbus implements AsyncDisposable {
  readonly #mbus = new Mbus();

  /** Installs the command. */
  static async install(): Promise<InstalledMbus> {
    const installed = new InstalledMbus();
    const { code, text } = await install(installed.#mbus);
    if (code !== 0) throw new Error(text);
    return installed;
  }

  /** The folder of a project. */
  get project(): string {
    return `${this.#mbus.folder}/project`;
  }

  /** The bus folder. */
  get home(): string {
    return this.#mbus.home;
  }

  /** Runs a command and waits for its end. */
  async run(
    args: readonly string[],
    { input = "", env }: Pick<StartOptions, "input" | "env"> = {},
  ): Promise<Ended> {
    const child = new Deno.Command(
      `${this.#mbus.folder}/home/.local/bin/mbus`,
      {
        args: [...args],
        cwd: this.project,
        env: this.#mbus.environment(env),
        clearEnv: true,
        stdin: "piped",
        stdout: "piped",
        stderr: "piped",
      },
    ).spawn();
    const writer = child.stdin.getWriter();
    const bytes = typeof input === "string"
      ? new TextEncoder().encode(input)
      : input;
    await writer.write(bytes).catch(() => {});
    await writer.close().catch(() => {});
    const { code, stdout, stderr } = await child.output();
    const text = new TextDecoder();
    return { code, stdout: text.decode(stdout), stderr: text.decode(stderr) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#mbus[Symbol.asyncDispose]();
  }
}
