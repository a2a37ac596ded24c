/**
 * The installed command where `deno task install` has written how hooks run, and
 * where that fragment is unusable.
 *
 * @module
 */

import assert from "node:assert/strict";
import { AGENT_NAMES } from "../../lib/hooks/agents/agent.ts";
import { HOOK_FRAGMENT, hookCommand } from "../../lib/install/agents/config.ts";
import { readHookLog } from "../../lib/hooks/hook_log.ts";
import { AGENTS } from "../../lib/hooks/agents/agents.ts";
import { fragmentText } from "../../lib/packaging/package_install.ts";
import { openBus } from "../../mod.ts";
import { denoDir, ROOT } from "../cli/mbus.ts";
import { within } from "../fixture.ts";
import { runCommand, SHELL, writeProgram } from "./command_shell.ts";

const IGNORE = Deno.build.os === "windows";
const ECHO = 'printf "%s|" "$@"; while read -r l; do printf "%s\\n" "$l"; done';
const INPUT = `{"q":"it's \\"$HOME\\" \`x\` \\\\ %s"}\n`;

/** The shells of agents. */
const SHELLS = [SHELL, "/bin/bash", "/bin/dash", "/bin/zsh"].filter((path) => {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
});

/** A home folder with a fragment for hooks. */
class Home implements AsyncDisposable {
  readonly #root = Deno.makeTempDirSync();
  /** A name with every difficult character. */
  readonly folder = `${this.#root}/it's "my" $home \`x\` \\ `;
  readonly runtime = `${this.folder}/deno`;
  readonly program = `${this.folder}/hook.js`;
  readonly data = `${this.folder}/.local/share`;
  readonly fragment = `${this.data}/message-bus/${HOOK_FRAGMENT}`;
  /** A folder with another `mbus`. */
  readonly other = `${this.folder}/other`;

  /** A substitute for the runtime. */
  async install(script = ECHO): Promise<void> {
    await Deno.mkdir(`${this.data}/message-bus`, { recursive: true });
    await writeProgram(this.runtime, script);
    await Deno.writeTextFile(this.program, "");
    await Deno.writeTextFile(
      this.fragment,
      fragmentText(this.runtime, this.program, "--no-config"),
    );
    await Deno.mkdir(this.other);
    await writeProgram(`${this.other}/mbus`, `printf "other|"; ${ECHO}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.#root, { recursive: true });
  }
}

/** Faults that make a fragment unusable. */
const TROUBLES: Readonly<Record<string, (home: Home) => void>> = {
  "there is none": ({ fragment }) => Deno.removeSync(fragment),
  "it is a broken link": ({ fragment }) => {
    Deno.removeSync(fragment);
    Deno.symlinkSync("nowhere", fragment);
  },
  "it is a folder": ({ fragment }) => {
    Deno.removeSync(fragment);
    Deno.mkdirSync(fragment);
  },
  "it is not shell syntax": ({ fragment }) =>
    Deno.writeTextFileSync(fragment, "if then fi ("),
  "it is empty": ({ fragment }) => Deno.writeTextFileSync(fragment, ""),
  // Root can read every file.
  ...(Deno.uid() === 0 ? {} : {
    "it cannot be read": ({ fragment }: Home) => Deno.chmodSync(fragment, 0),
  }),
  "its runtime is gone": ({ runtime }) => Deno.removeSync(runtime),
  "its runtime cannot be run": ({ runtime }) => Deno.chmodSync(runtime, 0o600),
  "its program is gone": ({ program }) => Deno.removeSync(program),
};

for (const name of AGENT_NAMES) {
  const agent = AGENTS[name];

  Deno.test({
    name: `${name}: its hook runs the program of the fragment`,
    ignore: IGNORE,
    async fn() {
      await using home = new Home();
      await home.install();
      const { folder, data, program } = home;
      const places = [["HOME", folder], ["XDG_DATA_HOME", data]];
      for (const shell of SHELLS) {
        for (const [variable, value] of places) {
          const ran = await runCommand(
            hookCommand(agent, "someEvent"),
            { PATH: home.other, [variable]: value },
            INPUT,
            { shell },
          );
          assert.deepEqual([ran.code, ran.errors], [0, ""], shell);
          const [start, end] = ran.output.split("--no-config|");
          assert.match(
            start,
            /^run\|.*--allow-all\|$/,
            shell,
          );
          assert.equal(end, `${program}|${name}|someEvent|${INPUT}`, shell);
        }
        const alone = await runCommand(
          hookCommand(agent),
          { PATH: "", HOME: folder },
          INPUT,
          { shell },
        );
        assert.match(alone.output, new RegExp(`\\|${name}\\|\\{`), shell);
      }
    },
  });

  for (const [trouble, make] of Object.entries(TROUBLES)) {
    Deno.test({
      name: `${name}: its hook runs mbus or responds neutrally if ${trouble}`,
      ignore: IGNORE,
      async fn() {
        await using home = new Home();
        await home.install();
        make(home);
        for (const shell of SHELLS) {
          await fallsBack(name, { HOME: home.folder }, home, shell);
        }
      },
    });
  }

  Deno.test({
    name:
      `${name}: its hook runs mbus or responds neutrally without a home folder`,
    ignore: IGNORE,
    async fn() {
      await using home = new Home();
      await home.install();
      await fallsBack(name, {}, home);
      // A project must not provide the program that is run.
      await fallsBack(name, { XDG_DATA_HOME: ".local/share" }, home);
      await fallsBack(name, { HOME: "." }, home);
    },
  });
}

for (const shell of SHELLS) {
  Deno.test({
    name: `a hook in a missing folder denies and logs a line: ${shell}`,
    ignore: IGNORE,
    async fn() {
      await using home = new Home();
      await home.install();
      await Deno.writeTextFile(
        home.fragment,
        fragmentText(
          Deno.execPath(),
          `${ROOT}/lib/cli/bin/hook.ts`,
          `--config=${ROOT}/deno.json`,
        ),
      );
      const folder = `${home.folder}/gone`;
      const [bus, file] = [`${home.folder}/bus`, `${home.folder}/a.ts`];
      await using holder = await openBus({
        home: bus,
        session: "holder",
        project: home.folder,
      });
      await holder.locks.acquire(file, { type: "exclusive" });
      const { output } = await runCommand(
        `mkdir gone && cd gone && rmdir ../gone; exec ${shell} -c "$COMMAND"`,
        {
          COMMAND: hookCommand(AGENTS.claude),
          DENO_DIR: denoDir() ?? "",
          HOME: home.folder,
          MBUS_HOME: bus,
          PATH: Deno.env.get("PATH") ?? "",
        },
        JSON.stringify({
          session_id: "s-1",
          hook_event_name: "PreToolUse",
          cwd: folder,
          tool_name: "Edit",
          tool_input: { file_path: file },
          tool_use_id: "1",
        }),
        { cwd: home.folder, shell },
      );
      assert.match(output, /"deny".*holder/);
      const [line] = readHookLog(bus, 1);
      assert.match(line.message, /gone of session s-1 is gone/);
    },
  });
}

/** Asserts that the other `mbus` runs, and without it the response is neutral. */
async function fallsBack(
  name: typeof AGENT_NAMES[number],
  env: Readonly<Record<string, string>>,
  home: Home,
  shell: string = SHELL,
): Promise<void> {
  const agent = AGENTS[name];
  const place = { shell, cwd: home.folder };
  const command = hookCommand(agent);
  const path = { ...env, PATH: home.other };
  assert.deepEqual(
    await runCommand(command, path, INPUT, place),
    { code: 0, output: `other|hook|${name}|${INPUT}`, errors: "" },
    shell,
  );
  const none = { ...env, PATH: "" };
  const { code, output, errors } = await runCommand(
    command,
    none,
    INPUT,
    place,
  );
  assert.deepEqual([code, output.trim(), errors], [0, agent.neutral, ""]);
}

Deno.test({
  name: "gemini: killing its hook's shell kills the fragment's program",
  ignore: IGNORE,
  async fn() {
    await using home = new Home();
    await home.install("echo begun; exec /bin/sleep 60");
    await using shell = new Deno.Command(SHELL, {
      args: ["-c", hookCommand(AGENTS.gemini)],
      env: { PATH: "", HOME: home.folder },
      clearEnv: true,
      stdin: "null",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    const lines = shell.stdout.pipeThrough(new TextDecoderStream()).getReader();
    assert.equal((await lines.read()).value, "begun\n");
    shell.kill("SIGTERM");
    const rest = await within("the end of the output", lines.read());
    assert.equal(rest.value, `${AGENTS.gemini.neutral}\n`);
    assert.ok((await within("the end of the output", lines.read())).done);
  },
});
