/**
 * Programs that manage git's hooks, installed as people install them.
 *
 * Their package managers fetch them once. If that fails, or the package manager is
 * not installed, the tests that need the program are ignored.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { Repository } from "./repository.ts";

/** A program that manages git's hooks. */
export interface HookProgram {
  /** Name of the program. */
  readonly name: "husky" | "lefthook" | "pre-commit";
  /** Whether the program runs on this machine. */
  readonly isHere: boolean;
  /** Sets the shell command that its hook runs before each commit. */
  configure(repository: Repository, command: string): Promise<void>;
  /** Installs its hooks, as each installation of packages does. */
  install(repository: Repository): Promise<void>;
}

const NO_FILES = ["--no-config", "--no-lock"];
const HUSKY = "npm:husky@9.1.7";

export const husky: HookProgram = {
  name: "husky",
  isHere: await succeeds("deno", ["cache", ...NO_FILES, HUSKY]),
  async configure({ root }, command) {
    await Deno.mkdir(`${root}/.husky`, { recursive: true });
    await Deno.writeTextFile(`${root}/.husky/pre-commit`, `${command}\n`);
  },
  async install(repository) {
    const args = ["run", "--quiet", "--allow-all", ...NO_FILES, HUSKY];
    await started(repository, "deno", args);
  },
};

const packages = Deno.makeTempDirSync({ prefix: "mbus-npm-" });
globalThis.addEventListener(
  "unload",
  () => Deno.removeSync(packages, { recursive: true }),
);
const LEFTHOOK = `${packages}/node_modules/.bin/lefthook`;

export const lefthook: HookProgram = {
  name: "lefthook",
  isHere: await succeeds("npm", [
    "install",
    "--silent",
    "--ignore-scripts",
    "--prefix",
    packages,
    "lefthook@2.2.2",
  ]),
  async configure({ root }, command) {
    await Deno.writeTextFile(
      `${root}/lefthook.yml`,
      `pre-commit:\n  commands:\n    own:\n      run: ${command}\n`,
    );
  },
  async install(repository) {
    // The package's own script does the same at each installation.
    await started(repository, LEFTHOOK, ["install", "--force"]);
  },
};

export const preCommit: HookProgram = {
  name: "pre-commit",
  isHere: await succeeds("pre-commit", ["--version"]),
  async configure(repository, command) {
    await repository.script(
      `${repository.folder}/own`,
      `#!/bin/sh\n${command}\n`,
    );
    await repository.write(
      ".pre-commit-config.yaml",
      `repos:\n- repo: local\n  hooks:\n  - id: own\n    name: own\n` +
        `    entry: ${repository.folder}/own\n    language: system\n` +
        `    always_run: true\n    pass_filenames: false\n`,
    );
  },
  async install(repository) {
    await started(repository, "pre-commit", ["install"]);
  },
};

/** All programs that manage hooks. */
export const HOOK_PROGRAMS: readonly HookProgram[] = [
  husky,
  lefthook,
  preCommit,
];

async function started(
  repository: Repository,
  program: string,
  args: readonly string[],
): Promise<void> {
  const { success, stderr } = await new Deno.Command(program, {
    args: [...args],
    cwd: repository.root,
    env: repository.environment(),
    clearEnv: true,
  }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
}

async function succeeds(
  program: string,
  args: readonly string[],
): Promise<boolean> {
  try {
    const { success } = await new Deno.Command(program, {
      args: [...args],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).output();
    return success;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    return false;
  }
}
