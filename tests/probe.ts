/**
 * Real processes for tests: programs that print the library's view from another
 * process, and processes that only sleep.
 */

import assert from "node:assert/strict";

const HOST = new URL("../lib/process/host.ts", import.meta.url).href;

/** Returns whether a command succeeds on this system. */
export function works(command: string, ...args: string[]): boolean {
  try {
    const { success } = new Deno.Command(command, {
      args,
      stdout: "null",
      stderr: "null",
    }).outputSync();
    return success;
  } catch {
    return false;
  }
}

/** Writes a program with the module `host` to a temporary folder. */
export async function program(body: string): Promise<
  AsyncDisposable & {
    file: string;
  }
> {
  const folder = await Deno.makeTempDir({ prefix: "mbus-host-" });
  // Readable for all users, because some tests run it as another user.
  await Deno.chmod(folder, 0o755);
  const file = `${folder}/probe.ts`;
  await Deno.writeTextFile(
    file,
    `import * as host from ${JSON.stringify(HOST)};\n${body}`,
  );
  return {
    file,
    async [Symbol.asyncDispose]() {
      await Deno.remove(folder, { recursive: true });
    },
  };
}

/** Runs an expression in another process, and returns its value. */
export async function valueOf<Value>(
  body: string,
  { permissions = ["-A"], wrapper = [] as string[] } = {},
): Promise<Value> {
  await using probe = await program(`console.log(JSON.stringify(${body}));`);
  const [command, ...args] = [
    ...wrapper,
    Deno.execPath(),
    "run",
    "--quiet",
    "--no-config",
    "--no-lock",
    ...permissions,
    probe.file,
  ];
  const { stdout, stderr } = await new Deno.Command(command, {
    args,
    stdin: "null",
  }).output();
  const text = new TextDecoder().decode(stdout);
  assert.notEqual(text, "", new TextDecoder().decode(stderr));
  return JSON.parse(text);
}

/** Starts a process that lives until disposal. */
export function sleeper(): AsyncDisposable & { pid: number } {
  const child = new Deno.Command("sleep", { args: ["1000"] }).spawn();
  return {
    pid: child.pid,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await child.status;
    },
  };
}
