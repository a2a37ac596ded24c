/**
 * `mbus install` lists the agents, names its obstacles, and asks the person at a
 * terminal.
 *
 * @module
 */

import assert from "node:assert/strict";
import { AGENT_NAMES } from "../lib/hooks/agents/agent.ts";
import { GUIDE } from "../lib/install/agents/guide.ts";
import { AgentsHome, read, write } from "./cli/agents_home.ts";
import { ROOT } from "./cli/mbus.ts";
import { terminalText } from "./terminal_text.ts";

/** Makes a folder with programs of these names. */
function programs(home: AgentsHome, ...names: string[]): string {
  const folder = `${home.folder}/programs`;
  for (const name of names) {
    write(`${folder}/${name}`, "#!/bin/sh\n");
    Deno.chmodSync(`${folder}/${name}`, 0o755);
  }
  return folder;
}

Deno.test(
  "--list prints the agents that are found and the state of their hooks",
  {
    ignore: Deno.build.os === "windows",
  },
  async () => {
    await using home = new AgentsHome();
    const path = programs(home, "claude", "cursor-agent");
    write(`${path}/gemini`, "a file that is not a program");
    const env = { env: { PATH: path } };
    Deno.mkdirSync(`${home.user}/.qwen`);
    await home.done(["install", "claude", "codex", "--guide"]);
    await home.done(["install", "cursor", "--project"]);
    const cursor = home.path("cursor", "project");
    write(cursor, read(cursor)!.replace('"timeout": 2', '"timeout": 3'));
    write(home.path("copilot"), "{");

    const found = await home.json(["install", "--list"], env);
    assert.deepEqual(found.map(({ agent }) => agent), AGENT_NAMES);
    assert.deepEqual(
      found.map(({ program, folder }) => program ?? folder),
      [
        `${path}/claude`,
        `${home.user}/.codex`,
        null,
        null,
        `${home.user}/.qwen`,
        `${home.user}/.copilot`,
        `${path}/cursor-agent`,
        null,
        null,
      ],
    );
    const parts = found.flatMap(({ agent, parts }) =>
      (parts as Record<string, string>[])
        .filter(({ status }) => status !== "absent")
        .map(({ part, scope, status }) => `${agent} ${part} ${scope} ${status}`)
    );
    assert.deepEqual(parts, [
      "claude hooks user current",
      "claude guide user current",
      "codex hooks user current",
      "codex guide user current",
      "copilot hooks user unreadable",
      "cursor hooks project outdated",
    ]);
    const table = (await home.done(["install", "--list"], env)).split("\n")
      .map((line) => line.split(/ {2,}/));
    assert.deepEqual(table.slice(0, 5), [
      ["AGENT", "USER", "PROJECT", "FOUND"],
      ["claude", "current", "absent", `${path}/claude`],
      ["codex", "current", "absent", `${home.user}/.codex`],
      ["gemini", "absent", "absent", "-"],
      ["kimi-code", "absent", "-", "-"],
    ]);
    assert.equal(
      (await home.json(["install", "qwen", "--list"], env)).length,
      1,
      "only those that are named",
    );
  },
);

Deno.test("install remarks on programs that are not on the PATH", {
  ignore: Deno.build.os === "windows",
}, async () => {
  await using home = new AgentsHome();
  const install = async (...names: string[]) =>
    (await home.run(["install", "claude"], {
      env: { PATH: programs(home, "other", ...names) },
    })).stderr;
  const nothing = await install();
  assert.match(nothing, /^mbus: claude itself is not on your PATH\.$/m);
  assert.match(nothing, /^mbus: mbus is not on your PATH: until it is,/m);
  await home.done(["uninstall", "claude"]);
  assert.equal(await install("claude", "mbus"), "");
});

Deno.test("--print-guide prints the text that --guide installs", async () => {
  await using home = new AgentsHome();
  const printed = await home.done(["install", "--print-guide"]);
  assert.equal(printed, GUIDE);
  const [{ guide }] = await home.json(["install", "--print-guide"]);
  assert.equal(guide, GUIDE);
  await home.done(["install", "gemini", "--guide"]);
  assert.ok(read(`${home.user}/.gemini/GEMINI.md`)!.includes(printed));
});

Deno.test("invalid combinations of arguments are refused before any change", async () => {
  await using home = new AgentsHome();
  const cases: [string[], number, RegExp][] = [
    [[], 2, /the agent is missing\. Write "mbus install AGENT…" with any of/],
    [["claude", "codx"], 2, /agent "codx" is unknown\. Did you mean "codex"\?/],
    [["kimi", "--project"], 1, /it has hooks for the user only\. Omit --pro/],
  ];
  for (const [args, code, message] of cases) {
    const ended = await home.run(["install", ...args]);
    assert.deepEqual([ended.code, ended.stdout], [code, ""]);
    assert.match(ended.stderr, message);
  }
  const homeless = await home.run(["install", "claude"], {
    env: { HOME: undefined },
  });
  assert.equal(homeless.code, 2);
  assert.match(homeless.stderr, /HOME is not set\. Set it to your home folder/);
  assert.deepEqual(home.listing(), {});
});

Deno.test("a writable root is not installed where Codex uses permission profiles", async () => {
  await using home = new AgentsHome();
  const path = home.path("codex");
  const put = async (text: string) => {
    write(path, text);
    const told = await home.told(["install", "codex", "--writable-root"]);
    return told.find(({ part }) => part === "sandbox")!;
  };
  const skipped = await put('default_permissions = ":workspace"\n');
  assert.equal(skipped.done, "skipped");
  assert.match(skipped.message!, /\.filesystem\] ".*\/bus" = "write"$/);
  assert.doesNotMatch(read(path)!, /writable_roots/);
  const both = 'sandbox_mode = "workspace-write"\ndefault_permissions = "x"\n';
  assert.equal((await put(both)).done, "installed");
  assert.match(read(path)!, /^writable_roots = \['.*\/bus'\]$/m);
  assert.ok(Deno.statSync(home.home).isDirectory, "a root has to be there");
});

Deno.test("a writable root is offered, and installed only on request", async () => {
  await using home = new AgentsHome();
  const path = home.path("codex");
  const offered = await home.done(["install", "codex", "--yes"]);
  assert.match(offered, /^\+writable_roots = \['.*\/bus'\]$/m);
  assert.match(
    offered,
    /^codex: did not put .*; --writable-root puts it in\.$/m,
  );
  assert.match(
    offered,
    /^codex: put the hooks .*\. Start codex, type \/hooks/m,
  );
  assert.doesNotMatch(read(path)!, /writable_roots/);
  const project = await home.told(["install", "codex", "--project"]);
  assert.deepEqual(project.map(({ part }) => part), ["hooks"]);
  await home.done(["install", "codex", "--writable-root"]);
  assert.match(read(path)!, /^writable_roots/m);
});

Deno.test("the unload delay is offered, and never replaces a person's own", async () => {
  await using home = new AgentsHome();
  const path = home.path("codex");
  const offered = await home.done(["install", "codex", "--yes"]);
  assert.match(offered, /^\+thread_unload_delay_secs = 0 # message-bus/m);
  assert.match(
    offered,
    /^codex: did not put .*; --unload-at-once puts it in\.$/m,
  );
  assert.doesNotMatch(read(path)!, /thread_unload_delay_secs/);
  await home.done(["install", "codex", "--unload-at-once"]);
  assert.match(read(path)!, /^thread_unload_delay_secs = 0/);
  await home.done(["uninstall", "codex"]);
  assert.equal(read(path), undefined);
  const own = "thread_unload_delay_secs = 30\n";
  write(path, own);
  await home.done(["install", "codex", "--unload-at-once"]);
  assert.match(read(path)!, /^thread_unload_delay_secs = 30\n/);
  await home.done(["uninstall", "codex"]);
  assert.equal(read(path), own);
});

Deno.test("install without its packages names the fault, and other commands run", async () => {
  await using home = new AgentsHome();
  const env = { env: { DENO_DIR: `${home.folder}/nothing-fetched` } };
  for (const args of [["install", "claude"], ["uninstall", "--all"]]) {
    const { code, stderr } = await home.run(args, env);
    assert.equal(code, 1);
    assert.match(
      stderr,
      /^mbus: Cannot edit configuration: the packages for it are not cached,.*\n$/,
    );
  }
  await home.done(["install", "--print-guide"], env);
  await home.done(["help", "install"], env);
  await home.done(["send", "state", "1"], env);
  assert.deepEqual(home.listing(), {});
});

/** Runs a command at a terminal and types lines. */
async function atTerminal(
  home: AgentsHome,
  args: string,
  typed: string,
): Promise<string> {
  const child = new Deno.Command("script", {
    args: [
      "--quiet",
      "--return",
      "--command",
      `"$DENO" run -q --cached-only -A "$ROOT/cli.ts" ${args}`,
      "/dev/null",
    ],
    cwd: home.project,
    env: {
      ...home.environment({ TERM: "xterm" }),
      DENO: Deno.execPath(),
      ROOT,
    },
    clearEnv: true,
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(new TextEncoder().encode(typed));
  const { stdout } = await child.output();
  await writer.close().catch(() => {});
  return terminalText(stdout);
}

Deno.test("install at a terminal shows each change in colours and asks", {
  // util-linux's `script` creates the terminal.
  ignore: Deno.build.os !== "linux",
}, async () => {
  await using home = new AgentsHome();
  const path = home.path("codex");
  const no = await atTerminal(home, "install codex claude", "n\nn\n");
  assert.ok(no.includes("\x1b[32m+[[hooks.Stop]]\x1b[39m"));
  // deno-lint-ignore no-control-regex -- The heading of a part is cyan.
  assert.match(no, /\x1b\[36m@@ -0,0 \+1,\d+ @@\x1b\[39m/);
  assert.equal(no.match(/Change .*\? \[y\/N\]/g)?.length, 2);
  assert.match(no, /codex: left .*config\.toml as it is\./);
  assert.deepEqual(home.listing(), {});

  // Yes to the hooks; no to the sandbox's writable root and the unload delay.
  const both = await atTerminal(home, "install codex", "y\nn\nn\n");
  assert.match(both, /so its model can send nothing;.*\.\nChange /);
  assert.match(read(path)!, /mbus hook codex/);
  assert.doesNotMatch(read(path)!, /writable_roots|thread_unload/);
  await atTerminal(home, "install codex", "y\ny\n");
  assert.match(read(path)!, /writable_roots/);
  assert.match(read(path)!, /^thread_unload_delay_secs = 0/);

  await atTerminal(home, "uninstall codex", "n\nn\nn\n");
  assert.match(read(path)!, /writable_roots/);
  await atTerminal(home, "uninstall codex --yes", "");
  assert.deepEqual(home.listing(), {});

  await home.done(["init"]);
  const kept = await atTerminal(home, "uninstall --all --purge", "n\n");
  assert.match(kept, /Remove .*\/bus and mbus itself for good\? \[y\/N\]/);
  assert.ok(Deno.statSync(home.database).isFile);
  await atTerminal(home, "uninstall --all --purge", "y\n");
  assert.throws(() => Deno.statSync(home.home), Deno.errors.NotFound);
});
