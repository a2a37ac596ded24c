/**
 * `mbus install` and `uninstall` put hooks into files and remove them again.
 *
 * @module
 */

import assert from "node:assert/strict";
import { AGENT_NAMES, type AgentName } from "../lib/hooks/agents/agent.ts";
import {
  AgentsHome,
  listingOf,
  read,
  write,
  writeSamples,
} from "./cli/agents_home.ts";

const ALL = [...AGENT_NAMES, "--user", "--project"];

Deno.test("uninstall removes all new files and folders from an empty home", async () => {
  await using home = new AgentsHome();
  await home.done(["install", ...ALL, "--guide"]);
  for (const [path, text] of Object.entries(listingOf(home.user))) {
    assert.match(text, /^(folder 700$|600 )/, `${path} is the person's alone`);
  }
  await home.done(["uninstall", ...ALL]);
  assert.deepEqual(home.listing(), {});
});

Deno.test("a second install or uninstall does nothing", async () => {
  await using home = new AgentsHome();
  writeSamples(home, '{\n  "a": 1\n}\n', "a = 1\n");
  const users = [
    "install",
    ...AGENT_NAMES,
    "--guide",
    "--writable-root",
    "--unload-at-once",
  ];
  await home.done(users);
  const installed = home.listing();
  const again = await home.told(users);
  assert.ok(again.length > AGENT_NAMES.length);
  for (const { part, agent, done } of again) {
    const isNone = agent === "cursor" && part === "guide";
    assert.equal(done, isNone ? "skipped" : "unchanged");
  }
  assert.match(
    await home.done(["install", "claude"]),
    /^claude: nothing to do/,
  );
  assert.deepEqual(home.listing(), installed);

  await home.done(["uninstall", ...AGENT_NAMES]);
  const bare = home.listing();
  const gone = await home.told(["uninstall", ...AGENT_NAMES]);
  assert.deepEqual(new Set(gone.map(({ done }) => done)), new Set(["absent"]));
  assert.equal(
    await home.done(["uninstall", "claude"]),
    `claude: nothing to do: ${home.path("claude")} does not have the hooks.\n`,
  );
  assert.deepEqual(home.listing(), bare);
});

Deno.test("install prints its change as a unified diff", async () => {
  await using home = new AgentsHome();
  const path = home.path("opencode");
  const ours = home.files("opencode")[0].install(undefined);
  write(
    path,
    ours.replace("const TIMEOUT_MS = 2000;", "const TIMEOUT_MS = 9;"),
  );
  const before = read(path);
  const shown = await home.done(["install", "opencode"]);
  const [backup] = [...Deno.readDirSync(path.replace(/\/[^/]*$/, ""))]
    .map(({ name }) => name).filter((name) => name.includes("backup"));
  const lines = ours.split("\n");
  const at = lines.indexOf("const TIMEOUT_MS = 2000;");
  assert.equal(
    shown,
    [
      `--- ${path}`,
      `+++ ${path}`,
      `@@ -${at - 2},7 +${at - 2},7 @@`,
      ...lines.slice(at - 3, at).map((line) => ` ${line}`),
      "-const TIMEOUT_MS = 9;",
      "+const TIMEOUT_MS = 2000;",
      ...lines.slice(at + 1, at + 4).map((line) => ` ${line}`),
      `opencode: brought the hooks in ${path} up to date; its old text ` +
      `is in ${path.replace(/[^/]*$/, "")}${backup}.`,
      "",
    ].join("\n"),
  );
  assert.equal(read(`${path.replace(/[^/]*$/, "")}${backup}`), before);
});

Deno.test("a file's text cannot act on the terminal", async () => {
  await using home = new AgentsHome();
  write(home.path("claude"), '{\r\n\t"a": "\u202e\u009b2J"\r\n}\r\n');
  const shown = await home.done(["install", "claude"]);
  assert.match(shown, /^-\t"a": "\\u202e\\x9b2J"\\r$/m);
});

Deno.test("a dry run shows all changes and makes none", async () => {
  await using home = new AgentsHome();
  writeSamples(home, '{\n  "a": 1\n}\n', "a = 1\n");
  const dry = [
    "install",
    ...AGENT_NAMES,
    "--guide",
    "--writable-root",
    "--unload-at-once",
    "--dry-run",
  ];
  const before = home.listing();
  const told = await home.told(dry);
  assert.ok(told.some(({ part }) => part === "sandbox"));
  for (const each of told.filter(({ done }) => done !== "skipped")) {
    assert.equal(each.done, "installed");
    assert.ok(each.diff !== undefined && "dryRun" in each);
  }
  assert.match(await home.done(dry), /^claude: would put the hooks into /m);
  assert.deepEqual(home.listing(), before);
  assert.throws(() => Deno.statSync(home.home), Deno.errors.NotFound);

  await home.done(["install", ...AGENT_NAMES, "--guide"]);
  const installed = home.listing();
  const gone = await home.told(["uninstall", "--all", "--dry-run"]);
  assert.ok(gone.filter(({ done }) => done === "removed").length > 8);
  assert.deepEqual(home.listing(), installed);
});

Deno.test("hooks are installed for the present programs among those that share a name", async () => {
  await using home = new AgentsHome();
  const [code, cli] = home.files("kimi").map(({ path }) => path);
  await home.done(["install", "kimi"]);
  assert.deepEqual([code, cli].map((path) => read(path) !== undefined), [
    true,
    false,
  ]);
  await home.done(["uninstall", "kimi"]);
  Deno.mkdirSync(cli.replace(/\/[^/]*$/, ""));
  await home.done(["install", "kimi"]);
  assert.deepEqual([code, cli].map((path) => read(path) !== undefined), [
    false,
    true,
  ]);
});

Deno.test("an installed command responds, also without mbus and a PATH", {
  ignore: Deno.build.os === "windows",
}, async () => {
  await using home = new AgentsHome();
  const agents: AgentName[] = ["claude", "codex", "gemini", "cursor"];
  await home.done(["install", ...agents]);
  for (const agent of agents) {
    const text = read(home.path(agent))!;
    const quoted = /"command": ("set -- .*")|command = ("\/bin.*")/
      .exec(text)!;
    const command: string = JSON.parse(quoted[1] ?? quoted[2]);
    const { code, stdout, stderr } = await new Deno.Command("/bin/sh", {
      args: ["-c", command],
      env: { PATH: "" },
      clearEnv: true,
      stdin: "null",
    }).output();
    const said = new TextDecoder().decode(stdout).trim();
    const neutral = agent === "gemini" || agent === "cursor" ? "{}" : "";
    assert.deepEqual([code, said, stderr.length], [0, neutral, 0], agent);
  }
});
