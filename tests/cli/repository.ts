/**
 * Git repository whose commands find the real program `mbus` on the PATH.
 *
 * @module
 */

import assert from "node:assert/strict";
import { type Ended, Mbus, ROOT } from "./mbus.ts";

/** Runs git and `mbus` in a repository, on a fresh bus. */
export class Repository extends Mbus {
  /** Root of the repository. */
  readonly root: string = `${this.folder}/project`;
  /** Folder of the program `mbus`. */
  readonly programs: string = `${this.folder}/bin`;

  /** Creates a repository with a first commit. */
  static async make(): Promise<Repository> {
    const repository = new Repository();
    const { programs } = repository;
    await Deno.mkdir(programs);
    const program = `#!/bin/sh\nexec '${Deno.execPath()}' run -q ` +
      `--cached-only -A '${ROOT}/cli.ts' "$@"\n`;
    await repository.script(`${programs}/mbus`, program);
    await repository.git("init", "-q", "-b", "main");
    await repository.write("first", "1");
    await repository.git("commit", "-q", "-m", "first");
    return repository;
  }

  /** Runs git and waits for its end. */
  async tryGit(
    args: readonly string[],
    options: { cwd?: string; env?: Record<string, string> } = {},
  ): Promise<Ended> {
    const env = this.environment(options.env);
    const { code, stdout, stderr } = await new Deno.Command("git", {
      args: [...args],
      cwd: options.cwd ?? this.root,
      env: {
        PATH: `${this.programs}:${env.PATH}`,
        GIT_CONFIG_GLOBAL: "/dev/null",
        GIT_CONFIG_NOSYSTEM: "1",
        GIT_AUTHOR_NAME: "n",
        GIT_AUTHOR_EMAIL: "e",
        GIT_COMMITTER_NAME: "n",
        GIT_COMMITTER_EMAIL: "e",
        ...env,
        ...(options.env?.PATH === undefined && {
          PATH: `${this.programs}:${env.PATH}`,
        }),
      },
      clearEnv: true,
      stdin: "null",
    }).output();
    const text = new TextDecoder();
    return { code, stdout: text.decode(stdout), stderr: text.decode(stderr) };
  }

  /** Runs git, which must succeed; returns its output. */
  async git(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.tryGit(args);
    assert.equal(code, 0, `git ${args.join(" ")}: ${stderr}`);
    return stdout;
  }

  /** Writes files and stages them. */
  async write(path: string, text: string): Promise<void> {
    const folder = path.slice(0, path.lastIndexOf("/") + 1);
    await Deno.mkdir(`${this.root}/${folder}`, { recursive: true });
    await Deno.writeTextFile(`${this.root}/${path}`, text);
    await this.git("add", "--", path);
  }

  /** Writes an executable script. */
  async script(path: string, text: string, mode = 0o755): Promise<void> {
    // One byte per character, because hooks may not be UTF-8.
    const bytes = Uint8Array.from(text, (letter) => letter.charCodeAt(0));
    await Deno.writeFile(path, bytes);
    await Deno.chmod(path, mode);
  }

  /** Returns the number of commits. */
  async commits(): Promise<number> {
    return Number(await this.git("rev-list", "--count", "--all"));
  }
}

/** Returns the files of a folder, with their modes and contents. */
export async function contents(
  folder: string,
): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for await (const { name } of Deno.readDir(folder)) {
    const { mode } = await Deno.lstat(`${folder}/${name}`);
    found[name] = `${(mode! & 0o7777).toString(8)} ` +
      new TextDecoder("latin1").decode(
        await Deno.readFile(`${folder}/${name}`),
      );
  }
  return found;
}

/** Returns whether a folder has an entry of a name. */
export function existsIn(folder: string, name: string): boolean {
  try {
    Deno.statSync(`${folder}/${name}`);
    return true;
  } catch {
    return false;
  }
}
