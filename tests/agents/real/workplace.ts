/**
 * The folders of a real agent in a test: a home and a project, with hooks in
 * its configuration and `mbus` on its PATH.
 *
 * ```text
 * ‹root›/
 *   home/       HOME: the agent's configuration, and the bus folder
 *   project/    a git repository with the two files of the story
 *   bin/mbus    starts the command of this repository
 *   tmp/        TMPDIR
 * ```
 *
 * @module
 */

import { AGENT_CONFIGS } from "../../../lib/install/agents/configs.ts";
import { type MessageBus, openBus } from "../../../mod.ts";
import { run } from "../../fixture.ts";
import type { ProgramName } from "./program.ts";

/** The program of the hooks, below the repository's root. */
const COMMAND = "cli.ts";

/** The temporary folders of one agent. */
export class Workplace implements AsyncDisposable {
  /** The folder that contains the others. */
  readonly root: string;
  /** The agent's home folder. */
  readonly home: string;
  /** The project's folder. */
  readonly project: string;
  readonly #buses: MessageBus[] = [];

  private constructor(root: string) {
    this.root = root;
    this.home = `${root}/home`;
    this.project = `${root}/project`;
  }

  /** Creates the folders, the repository and the launcher. */
  static async make(): Promise<Workplace> {
    const made = await Deno.makeTempDir({ prefix: "mbus-agent-" });
    const place = new Workplace(await Deno.realPath(made));
    for (const folder of ["home", "project", "bin", "tmp"]) {
      await Deno.mkdir(`${place.root}/${folder}`);
    }
    await run("git", ["init", "--quiet", "-b", "main", place.project]);
    await place.#writeLauncher();
    return place;
  }

  /** Returns the environment of every agent, with `commands` on its PATH. */
  env(commands: readonly string[]): Record<string, string> {
    const path = [`${this.root}/bin`, ...commands, "/usr/bin", "/bin"];
    return {
      HOME: this.home,
      PATH: path.join(":"),
      TMPDIR: `${this.root}/tmp`,
      TERM: "xterm-256color",
      LANG: "C.UTF-8",
      SHELL: "/bin/sh",
    };
  }

  /** Opens the bus that the agent's hooks use. */
  async openBus(session: string): Promise<MessageBus> {
    const bus = await openBus({
      home: this.#bus,
      session,
      vendor: "person",
      project: this.project,
    });
    this.#buses.push(bus);
    return bus;
  }

  /** Writes a file below the home folder. */
  async configure(path: string, text: string): Promise<void> {
    const file = `${this.home}/${path}`;
    await Deno.mkdir(file.replace(/\/[^/]*$/, ""), { recursive: true });
    await Deno.writeTextFile(file, text);
  }

  /**
   * Installs the hooks into the agent's configuration, and calls one. The first
   * call compiles the program, which could exceed an agent's timeout of 2 s.
   */
  async installHooks(name: ProgramName): Promise<void> {
    const files = AGENT_CONFIGS[name].files("user", {
      home: this.home,
      project: this.project,
      env: () => undefined,
    });
    for (const file of files) {
      const text = await readIfThere(file.path);
      const below = file.path.slice(this.home.length + 1);
      await this.configure(below, file.install(text));
    }
    const hook = new Deno.Command(`${this.root}/bin/mbus`, {
      args: ["hook", name],
      clearEnv: true,
      env: this.env([]),
      stdin: "piped",
      stdout: "null",
    }).spawn();
    await new Response("{}").body?.pipeTo(hook.stdin);
    const { code } = await hook.status;
    if (code !== 0) {
      throw new Error(`Cannot run the hook of ${name}: exit ${code}.`);
    }
  }

  /** Removes `mbus`. */
  async removeCommand(): Promise<void> {
    await Deno.remove(`${this.root}/bin/mbus`);
  }

  /** Returns the hooks' log; empty without errors. */
  async hookErrors(): Promise<string> {
    return await readIfThere(this.#hookLog) ?? "";
  }

  get #hookLog(): string {
    return `${this.#bus}/hooks.log`;
  }

  get #bus(): string {
    return `${this.home}/.local/state/message-bus`;
  }

  async #writeLauncher(): Promise<void> {
    const root = new URL("../../../", import.meta.url).pathname;
    const launcher = `${this.root}/bin/mbus`;
    const info = await run(Deno.execPath(), ["info", "--json"]);
    const { denoDir }: { denoDir: string } = JSON.parse(info);
    await Deno.writeTextFile(
      launcher,
      `#!/bin/sh
export DENO_DIR='${denoDir}' DENO_NO_UPDATE_CHECK=1
exec '${Deno.execPath()}' run --allow-all --quiet '${root}${COMMAND}' "$@"
`,
    );
    await Deno.chmod(launcher, 0o755);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const bus of this.#buses) await bus.close();
    await Deno.remove(this.root, { recursive: true });
  }
}

/** Returns the text of a file; `undefined` if it is missing. */
export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}
