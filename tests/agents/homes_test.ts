/**
 * Each agent's own variable for its folder counts where hooks are installed, listed
 * and removed, and for the guide.
 *
 * @module
 */

import assert from "node:assert/strict";
import type { ConfigPlace } from "../../lib/install/agents/config.ts";
import { homeOf, type HomeOwner } from "../../lib/install/agents/homes.ts";
import { AgentsHome, write } from "../cli/agents_home.ts";

/** The variable, and the folder for `/x`, `sub/../y`, `~/z` and none. */
const HOMES: readonly (readonly [HomeOwner, string, ...string[]])[] = [
  ["claude", "CLAUDE_CONFIG_DIR", "/x", "/w/y", "/w/~/z", "/h/.claude"],
  ["codex", "CODEX_HOME", "/x", "/w/y", "/w/~/z", "/h/.codex"],
  [
    "gemini",
    "GEMINI_CLI_HOME",
    "/x/.gemini",
    "/w/y/.gemini",
    "/w/~/z/.gemini",
    "/h/.gemini",
  ],
  ["kimi-code", "KIMI_CODE_HOME", "/x", "/w/y", "/w/~/z", "/h/.kimi-code"],
  ["kimi-cli", "KIMI_SHARE_DIR", "/x", "/w/y", "/w/~/z", "/h/.kimi"],
  ["qwen", "QWEN_HOME", "/x", "/w/y", "/h/z", "/h/.qwen"],
  ["copilot", "COPILOT_HOME", "/x", "/w/y", "/w/~/z", "/h/.copilot"],
  ["cursor", "CURSOR_CONFIG_DIR", ...Array(4).fill("/h/.cursor")],
  ["cursor-agent", "CURSOR_CONFIG_DIR", "/x", "/w/y", "/w/~/z", "/h/.cursor"],
  [
    "opencode",
    "OPENCODE_CONFIG_DIR",
    "/x",
    "/w/y",
    "/w/~/z",
    "/h/.config/opencode",
  ],
  [
    "opencode",
    "XDG_CONFIG_HOME",
    "/x/opencode",
    "/w/y/opencode",
    "/w/~/z/opencode",
    "/h/.config/opencode",
  ],
  [
    "droid",
    "FACTORY_HOME_OVERRIDE",
    "/x/.factory",
    "/w/y/.factory",
    "/w/~/z/.factory",
    "/h/.factory",
  ],
];

for (const [owner, variable, ...expected] of HOMES) {
  Deno.test(`homeOf() of ${owner} reads ${variable}`, () => {
    const values = ["/x", "sub/../y", "~/z", undefined];
    const found = values.map((value) => {
      const place: ConfigPlace = {
        home: "/h",
        project: "/p",
        folder: "/w",
        env: (name) => name === variable ? value : undefined,
      };
      return homeOf(owner, place);
    });
    assert.deepEqual(found, expected);
  });
}

Deno.test("homeOf() expands ~ for Qwen Code only", () => {
  const place = (folder?: string): ConfigPlace => ({
    home: "/h",
    project: "/p",
    ...(folder !== undefined && { folder }),
    env: () => "~",
  });
  assert.equal(homeOf("qwen", place()), "/h");
  assert.equal(homeOf("codex", place()), "/p/~");
  assert.equal(homeOf("codex", place("/p/sub")), "/p/sub/~");
});

/** The value of one variable, and the folder of the hooks. */
const INSTALLED: readonly (readonly [
  agent: string,
  env: Record<string, string>,
  file: string,
])[] = [
  ["qwen", { QWEN_HOME: "~/q" }, "home/q/settings.json"],
  ["qwen", { QWEN_HOME: "q" }, "project/q/settings.json"],
  ["claude", { CLAUDE_CONFIG_DIR: "../c/" }, "c/settings.json"],
  ["codex", { CODEX_HOME: "c" }, "project/c/config.toml"],
  ["gemini", { GEMINI_CLI_HOME: "g" }, "project/g/.gemini/settings.json"],
  ["copilot", { COPILOT_HOME: "c" }, "project/c/hooks/message-bus.json"],
  ["kimi", { KIMI_CODE_HOME: "k" }, "project/k/config.toml"],
  ["cursor", { CURSOR_CONFIG_DIR: "c" }, "project/c/hooks.json"],
  [
    "opencode",
    { XDG_CONFIG_HOME: "x" },
    "project/x/opencode/plugins/message-bus.js",
  ],
];

for (const [agent, env, file] of INSTALLED) {
  Deno.test(`install, --list and uninstall of ${agent} use ${Object.keys(env)}=${Object.values(env)}`, async () => {
    await using home = new AgentsHome();
    const path = `${home.folder}/${file}`;
    const yes = ["--user", "--yes"];
    await home.done(["install", agent, ...yes], { env });
    assert.match(await Deno.readTextFile(path), /mbus hook /);
    const list = async () => {
      const [found] = await home.json(["install", agent, "--list"], { env });
      return (found.parts as { path: string; status: string }[])
        .find((part) => part.path === path)?.status;
    };
    assert.equal(await list(), "current");
    await home.done(["uninstall", agent, ...yes], { env });
    assert.equal(await list(), "absent");
    await assert.rejects(Deno.stat(path), Deno.errors.NotFound);
  });
}

Deno.test("homeOf() reads Qwen Code's folder from its .env", async () => {
  for (
    const [file, text, folder] of [
      [".qwen/.env", "QWEN_HOME=~/q # mine\n", "home/q"],
      [".env", "A=1\nexport QWEN_HOME='/nowhere/../$HERE/e'\n", "e"],
    ] as const
  ) {
    await using home = new AgentsHome();
    write(`${home.user}/${file}`, text.replace("/$HERE", home.folder));
    const [{ path }] = await home.told(
      ["install", "qwen", "--user", "--yes"],
    );
    assert.equal(path, `${home.folder}/${folder}/settings.json`);
    // A set variable, even an empty one, takes precedence.
    const env = { QWEN_HOME: "" };
    const [found] = await home.json(["install", "qwen", "--list"], { env });
    const parts = found.parts as { path: string }[];
    assert.equal(parts[0].path, `${home.user}/.qwen/settings.json`);
  }
});

Deno.test("the guide goes to the folder of the hooks", async () => {
  await using home = new AgentsHome();
  const env = { QWEN_HOME: "~/q", OPENCODE_CONFIG_DIR: `${home.folder}/o` };
  for (
    const [agent, file] of [["qwen", "home/q/QWEN.md"], [
      "opencode",
      "o/AGENTS.md",
    ]]
  ) {
    await home.done(["install", agent, "--user", "--yes", "--guide"], { env });
    assert.match(await Deno.readTextFile(`${home.folder}/${file}`), /mbus/);
  }
});
