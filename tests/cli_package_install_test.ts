import assert from "node:assert/strict";
import { hookCommand } from "../lib/install/agents/config.ts";
import { AGENTS } from "../lib/hooks/agents/agents.ts";
import { runCommand } from "./agents/command_shell.ts";
import { install } from "./cli/installed.ts";
import { Mbus } from "./cli/mbus.ts";

/** Fails if a limit of file sizes kills a program, instead of its write. */
async function assertSurvivesFileLimit(
  mbus: Mbus,
  launcher: string,
): Promise<void> {
  const cwd = `${mbus.folder}/project`;
  const env = mbus.environment({ MBUS_SESSION: undefined });
  const limit = "ulimit -f 8; ";
  const { code, stderr } = await new Deno.Command("sh", {
    args: ["-c", `${limit}exec "$0" send state 1 --session me`, launcher],
    cwd,
    env,
    clearEnv: true,
  }).output();
  const text = new TextDecoder().decode(stderr);
  assert.equal(code, 3, text);
  assert.match(text, /^mbus: Cannot .+ulimit -f.+\n$/);
  const input = JSON.stringify({
    session_id: "limited",
    cwd,
    hook_event_name: "PreToolUse",
    tool_name: "Edit",
    tool_input: { file_path: `${cwd}/a.ts`, old_string: "a", new_string: "b" },
  });
  const hook = hookCommand(AGENTS.claude);
  for (const PATH of ["", `${launcher.replace(/\/mbus$/, "")}:/usr/bin:/bin`]) {
    const ended = await runCommand(limit + hook, { ...env, PATH }, input);
    assert.deepEqual([ended.code, ended.errors], [0, ""], PATH);
  }
}

Deno.test(
  "deno task install adds a command to the PATH that needs no checkout, and removes it",
  {
    ignore: Deno.build.os === "windows",
  },
  async () => {
    await using mbus = new Mbus();
    const launcher = `${mbus.folder}/home/.local/bin/mbus`;
    const installed = await install(mbus);
    assert.equal(installed.code, 0, installed.text);
    assert.match(installed.text, /is not on your PATH\. Add\n {2}export PATH=/);

    const command = async (...args: string[]) => {
      const { code, stdout, stderr } = await new Deno.Command(launcher, {
        args,
        cwd: `${mbus.folder}/project`,
        env: mbus.environment(),
        clearEnv: true,
      }).output();
      const text = new TextDecoder();
      assert.equal(code, 0, text.decode(stderr));
      return text.decode(stdout);
    };
    await command("send", "state", '{"it\'s":"$HOME `x` \\\\"}');
    const { payload } = JSON.parse(await command("poll", "state", "--json"));
    assert.deepEqual(payload, { "it's": "$HOME `x` \\" });
    assert.match(
      await command("tail", "state", "--from", "start", "--count", "1"),
      /"it's":"\$HOME `x`/,
    );
    assert.match(await command("stats"), /^messages /m);
    assert.throws(
      () => Deno.statSync(`${mbus.database}-wal`),
      Deno.errors.NotFound,
      "the last one out has closed the database",
    );
    await assertSurvivesFileLimit(mbus, launcher);
    assert.match(await command("help"), /^ {2}doctor /m);
    assert.equal(await command("--help"), await command("help"));
    assert.match(await command("help", "lock"), /^Usage: mbus lock PATH…/m);
    assert.match(await command("version"), /^mbus \d/);
    assert.match(await command("__complete", "channels"), /^state\t/m);
    assert.match(await command("doctor"), /The bus is usable/);

    const fragment = `${mbus.folder}/home/.local/share/message-bus/hook.sh`;
    assert.equal(Deno.statSync(fragment).mode! & 0o777, 0o600);
    const hook = await runCommand(
      hookCommand(AGENTS.qwen),
      { ...mbus.environment({ MBUS_SESSION: undefined }), PATH: "" },
      JSON.stringify({
        session_id: "by-fragment",
        cwd: `${mbus.folder}/project`,
        hook_event_name: "SessionStart",
      }),
    );
    assert.deepEqual([hook.code, hook.errors], [0, ""]);
    assert.match(await command("sessions"), /by-fragment/);

    const again = await install(mbus);
    assert.equal(again.code, 0, again.text);
    assert.match(await command("--version"), /^mbus /);

    assert.equal((await install(mbus, "--remove")).code, 0);
    assert.throws(() => Deno.statSync(launcher), Deno.errors.NotFound);
    assert.throws(
      () => Deno.statSync(`${mbus.folder}/home/.local/share/message-bus`),
      Deno.errors.NotFound,
    );
    assert.equal((await install(mbus, "--remove")).code, 0, "twice is fine");
  },
);

Deno.test(
  "deno task install never overwrites or removes another program's mbus",
  {
    ignore: Deno.build.os === "windows",
  },
  async () => {
    await using mbus = new Mbus();
    const bin = `${mbus.folder}/it's a bin`;
    Deno.mkdirSync(bin);
    Deno.writeTextFileSync(`${bin}/mbus`, "#!/bin/sh\necho theirs\n");
    for (const args of [[], ["--remove"]]) {
      const { code, text } = await install(mbus, "--bin", bin, ...args);
      assert.equal(code, 1);
      assert.match(text, /another program's\. Move it away, or choose another/);
    }
    assert.equal(
      Deno.readTextFileSync(`${bin}/mbus`),
      "#!/bin/sh\necho theirs\n",
    );
    const link = `${mbus.folder}/links`;
    Deno.mkdirSync(link);
    Deno.symlinkSync(`${mbus.folder}/nowhere`, `${link}/mbus`);
    assert.equal((await install(mbus, "--bin", link)).code, 1, "a broken link");
  },
);
