/**
 * The installed command in a real shell, with and without `mbus`.
 *
 * @module
 */

import assert from "node:assert/strict";
import { parse as parseToml } from "smol-toml";
import { AGENT_NAMES, type AgentName } from "../../lib/hooks/agents/agent.ts";
import {
  type ConfigPlace,
  hookCommand,
} from "../../lib/install/agents/config.ts";
import { AGENT_CONFIGS } from "../../lib/install/agents/configs.ts";
import { AGENTS } from "../../lib/hooks/agents/agents.ts";
import { within } from "../fixture.ts";
import { runCommand, SHELL, withProgram } from "./command_shell.ts";

const IGNORE = Deno.build.os === "windows";
const PLACE: ConfigPlace = {
  home: "/home/dev",
  project: "/p",
  env: () => undefined,
};

/** Agents whose tools are stopped by exit code 2 only (Droid: also 3). */
const GOES_ON: readonly AgentName[] = ["claude", "codex", "kimi", "droid"];

/** A text longer than a pipe's buffer. */
const LONG = JSON.stringify({ text: "x".repeat(200_000) });

for (const name of AGENT_NAMES) {
  Deno.test({
    name: `${name}: its hook gives the neutral response without mbus`,
    ignore: IGNORE,
    async fn() {
      const agent = AGENTS[name];
      for (const input of ["", '{"a":1}', LONG]) {
        for (const path of ["", "/nowhere"]) {
          const ran = await runCommand(
            hookCommand(agent),
            { PATH: path },
            input,
          );
          assert.deepEqual({ ...ran, output: ran.output.trim() }, {
            code: 0,
            output: agent.neutral,
            errors: "",
          });
        }
      }
    },
  });

  Deno.test({
    name: `${name}: its hook stops no tool if mbus fails to start`,
    ignore: IGNORE,
    async fn() {
      const agent = AGENTS[name];
      const script = "while read -r l; do :; done; exit 127";
      await withProgram(script, async (path) => {
        const ran = await runCommand(hookCommand(agent), { PATH: path }, "{}");
        assert.equal(ran.output.trim(), agent.neutral);
        // By its contract, the exit codes at which the tool proceeds.
        const harmless = GOES_ON.includes(name) ? 127 : 0;
        assert.equal(ran.code, harmless);
      });
    },
  });

  Deno.test({
    name: `${name}: its hook passes on arguments, input and output`,
    ignore: IGNORE,
    async fn() {
      const agent = AGENTS[name];
      const script =
        'printf "%s|" "$@"; while read -r l; do printf "%s\\n" "$l"; done';
      const input = `{"q":"it's \\"$HOME\\" \`x\` \\\\ %s"}\n`;
      await withProgram(script, async (path) => {
        const plain = await runCommand(
          hookCommand(agent),
          { PATH: path },
          input,
        );
        assert.equal(plain.code, 0);
        assert.equal(plain.output, `hook|${name}|${input}`);
        const told = await runCommand(
          hookCommand(agent, "someEvent"),
          { PATH: path },
          input,
        );
        assert.equal(told.output, `hook|${name}|someEvent|${input}`);
      });
    },
  });

  Deno.test(`${name}: its command comes back whole from its configuration`, () => {
    const agent = AGENTS[name];
    for (const file of AGENT_CONFIGS[name].files("user", PLACE)) {
      if (file.format === "plugin") continue;
      const text = file.install(undefined);
      const read: unknown = file.format === "toml"
        ? parseToml(text)
        : JSON.parse(text);
      const commands = new Set<string>();
      JSON.stringify(read, (key, value: unknown) => {
        const isCommand = (key === "command" || key === "bash") &&
          typeof value === "string";
        if (isCommand) commands.add(value);
        return value;
      });
      assert.equal(commands.size, name === "copilot" ? 8 : 1);
      if (name !== "copilot") assert.ok(commands.has(hookCommand(agent)));
    }
  });
}

Deno.test({
  name: "gemini: killing its hook's shell kills mbus, too",
  ignore: IGNORE,
  async fn() {
    const agent = AGENTS.gemini;
    await withProgram("echo begun; exec /bin/sleep 60", async (path) => {
      await using shell = new Deno.Command(SHELL, {
        args: ["-c", hookCommand(agent)],
        env: { PATH: path },
        clearEnv: true,
        stdin: "null",
        stdout: "piped",
        stderr: "null",
      }).spawn();
      const lines = shell.stdout.pipeThrough(new TextDecoderStream())
        .getReader();
      assert.equal((await lines.read()).value, "begun\n");
      shell.kill("SIGTERM");
      // The output ends when no process is left that could write.
      const rest = await within("the end of the output", lines.read());
      assert.equal(rest.value, `${agent.neutral}\n`);
      const last = await within("the end of the output", lines.read());
      assert.ok(last.done);
    });
  },
});
