/**
 * Real processes for tests: programs that tell what the library sees from
 * another process, and processes that only live.
 */

import assert from "node:assert/strict";

const HOST = new URL("../lib/process/host.ts", import.meta.url).href;

/** Whether a command works here at all. */
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

/** A program that prints one JSON value, written to a folder of its own. */
export async function program(body: string): Promise<
  AsyncDisposable & {
    file: string;
  }
> {
  const folder = await Deno.makeTempDir({ prefix: "mbus-host-" });
  // Everybody may read it: some of these run as another user.
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

/** Runs a program to its end, under `wrapper` if given, and returns its value. */
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

/** A process that lives until it is disposed of. */
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
