/**
 * The real Codex sandbox: the bus in its shell, without and with the writable
 * root of `mbus install`.
 *
 * @module
 */

import assert from "node:assert/strict";
import { AgentsHome } from "../../cli/agents_home.ts";
import { ROOT } from "../../cli/mbus.ts";
import { findProgram, type Program } from "./program.ts";

const NAME = "the real codex sandbox lets mbus write with its writable root";
const program = await findProgram("codex");
if ("missing" in program) {
  Deno.test.ignore(`${NAME} (${program.missing})`, () => {});
} else {
  Deno.test(NAME, () => writesWithItsRoot(program));
}

async function writesWithItsRoot(codex: Program): Promise<void> {
  await using home = new AgentsHome();
  await home.done(["init"]);
  await home.done(["install", "codex"]);
  const without = await inSandbox(codex, home, ["send", "state", '"no"']);
  assert.equal(without.code, 3, without.stderr);
  assert.match(
    without.stderr,
    /^mbus: Cannot .* may only be read from here\. .*writable_roots\).*\n$/m,
  );
  // The sandbox permits reads.
  assert.equal((await inSandbox(codex, home, ["poll", "state"])).code, 0);

  await home.done(["install", "codex", "--writable-root"]);
  const within = await inSandbox(codex, home, ["send", "state", '"yes"']);
  assert.equal(within.code, 0, within.stderr);
  assert.deepEqual(
    (await home.json(["poll", "state"])).map(({ payload }) => payload),
    ["yes"],
  );

  await home.done(["uninstall", "codex"]);
  const after = await inSandbox(codex, home, ["send", "state", '"no"']);
  assert.equal(after.code, 3, after.stderr);
}

/** Runs `mbus` as the shell of Codex's model does. */
async function inSandbox(
  { commands, nodeCommands }: Program,
  home: AgentsHome,
  args: readonly string[],
): Promise<{ code: number; stderr: string }> {
  const { code, stderr } = await new Deno.Command(`${commands}/codex`, {
    args: [
      "sandbox",
      // The bus of this test is in a folder for temporary files.
      ...["-c", 'sandbox_mode="workspace-write"'],
      ...["-c", "sandbox_workspace_write.exclude_slash_tmp=true"],
      ...["-c", "sandbox_workspace_write.exclude_tmpdir_env_var=true"],
      "--",
      Deno.execPath(),
      ...["run", "--quiet", "--cached-only", "--allow-all", `${ROOT}/cli.ts`],
      ...args,
    ],
    cwd: home.project,
    env: home.environment({
      PATH: `${nodeCommands}:${Deno.env.get("PATH")}`,
    }),
    clearEnv: true,
    stdin: "null",
  }).output();
  return { code, stderr: new TextDecoder().decode(stderr) };
}
