/**
 * Hooks in unusual forms of TOML, and the sandbox's roots.
 *
 * @module
 */

import assert from "node:assert/strict";
import { parse } from "smol-toml";
import {
  addUnloadDelay,
  addWritableRoot,
  codexConfig,
  removeUnloadDelay,
  removeWritableRoot,
} from "../../lib/install/agents/codex.ts";
import {
  ConfigError,
  type ConfigPlace,
} from "../../lib/install/agents/config.ts";
import { kimiConfig } from "../../lib/install/agents/kimi.ts";
import { tomlString, tomlValue } from "../../lib/install/agents/toml.ts";

const PLACE: ConfigPlace = {
  home: "/home/dev",
  project: "/p",
  env: () => undefined,
};
const [CODEX] = codexConfig.files("user", PLACE);
const [KIMI] = kimiConfig.files("user", PLACE);
const PATH = "/home/dev/.codex/config.toml";
const FOLDER = "/home/dev/.local/state/message-bus";

const KIMI_LISTS: readonly (readonly [string, string])[] = [
  ["an empty array", "hooks = []\n"],
  ["an empty array with a comment", "hooks = [ # none\n]\n\n[a]\nb = 1\n"],
  ["an array on one line", "hooks = [{ event = 'Stop', command = 'x' }]\n"],
  [
    "an array over lines",
    "hooks = [\n  { event = 'Stop', command = 'x' }, # mine\n" +
    "  { event = 'Stop', command = 'y' } # too\n]\nz = 1\n",
  ],
  ["a trailing comma", "hooks = [\n  { event = 'a', command = 'x' },\n]\n"],
  ["a user's tables", "[[hooks]]\nevent = 'Stop'\ncommand = 'x'\n"],
  [
    "a user's tables with a comment below",
    "[[hooks]]\nevent = 'Stop'\ncommand = 'x'\n# end\n\n[a]\nb = 1\n",
  ],
];

for (const [what, text] of KIMI_LISTS) {
  Deno.test(`kimi: uninstall() reverts install() in ${what}`, () => {
    const installed = KIMI.install(text);
    const { hooks, ...rest } = parse(installed);
    const { hooks: before, ...others } = parse(text);
    assert.ok(Array.isArray(hooks) && Array.isArray(before));
    assert.deepEqual(hooks.slice(0, before.length), before);
    assert.equal(hooks.length, before.length + 11);
    assert.deepEqual(rest, others);
    assert.equal(KIMI.status(installed), "current");
    assert.equal(KIMI.install(installed), installed);
    assert.equal(KIMI.uninstall(installed), text);
  });
}

const CODEX_LISTS: readonly (readonly [string, string])[] = [
  ["a table with an array", "[hooks]\nPreToolUse = []\n"],
  ["a dotted array", "hooks.Stop = [{ hooks = [{ command = 'x' }] }]\n"],
  [
    "a user's tables",
    "[[hooks.Stop]]\n[[hooks.Stop.hooks]]\ntype = 'command'\ncommand = 'x'\n",
  ],
  ["its own state of hooks", "[hooks.state.'x:0']\ntrusted_hash = 'y'\n"],
];

for (const [what, text] of CODEX_LISTS) {
  Deno.test(`codex: uninstall() reverts install() in ${what}`, () => {
    const installed = CODEX.install(text);
    assert.ok(parse(installed));
    assert.equal(CODEX.status(installed), "current");
    assert.equal(CODEX.install(installed), installed);
    assert.equal(CODEX.uninstall(installed), text);
  });
}

Deno.test("codex: install() refuses hooks as an inline table, and names the line", () => {
  assert.throws(
    () => CODEX.install("a = 1\nhooks = { Stop = [] }\n"),
    (error) => {
      assert.ok(error instanceof ConfigError);
      assert.equal(error.line, 2);
      assert.match(error.message, /inline table at line 2, column 1/);
      return true;
    },
  );
});

Deno.test("codex: uninstall() keeps Codex's own tables between our hooks", () => {
  const installed = CODEX.install('model = "x"\n');
  const own = '\n[projects."/p"]\ntrust_level = "trusted"\n';
  const at = installed.indexOf("\n[[hooks.PreToolUse]]");
  const text = installed.slice(0, at) + own + installed.slice(at) + own
    .replace("/p", "/q");
  assert.equal(CODEX.status(text), "current");
  const bare = CODEX.uninstall(text);
  assert.equal(bare, `model = "x"\n${own}${own.replace("/p", "/q")}`);
});

Deno.test("codex: uninstall() keeps a user's command in our group", () => {
  const installed = CODEX.install(undefined);
  const own = '[[hooks.Stop.hooks]]\ntype = "command"\ncommand = "mine"\n';
  const text = installed.replace("\n[[hooks.SessionEnd]]", `${own}$&`);
  assert.notEqual(text, installed);
  const bare = CODEX.uninstall(text) ?? "";
  const { hooks } = parse(bare);
  assert.deepEqual(structuredClone(hooks), {
    Stop: [{ hooks: [{ type: "command", command: "mine" }] }],
  });
});

const ROOTS: readonly (readonly [string, string | undefined])[] = [
  ["no file", undefined],
  ["nothing", ""],
  ["a pair without a line end", 'model = "x"'],
  ["CRLF", 'model = "x"\r\n[a]\r\nb = 1\r\n'],
  ["an empty table", "[sandbox_workspace_write]\n"],
  ["an empty table without a line end", "[sandbox_workspace_write]"],
  [
    "a table",
    "[sandbox_workspace_write]\nnetwork_access = true\n\n[b]\nc = 1\n",
  ],
  ["an empty array", "[sandbox_workspace_write]\nwritable_roots = []\n"],
  [
    "other roots",
    "[sandbox_workspace_write]\nwritable_roots = ['/a', \"/b\"] # mine\n",
  ],
  [
    "roots over lines",
    "[sandbox_workspace_write]\nwritable_roots = [\n  '/a', # one\n]\nx = 1\n",
  ],
  ["a dotted key", "sandbox_workspace_write.writable_roots = ['/a']\n"],
];

for (const [what, text] of ROOTS) {
  Deno.test(`codex: removeWritableRoot() reverts addWritableRoot() in ${what}`, () => {
    const added = addWritableRoot(text, FOLDER, PATH);
    const { sandbox_workspace_write: sandbox, ...rest } = parse(added);
    const { ...before } = parse(text ?? "");
    const was = before.sandbox_workspace_write as Record<string, unknown>;
    assert.deepEqual(structuredClone(sandbox), {
      ...was,
      writable_roots: [...(was?.writable_roots as string[] ?? []), FOLDER],
    });
    delete before.sandbox_workspace_write;
    assert.deepEqual(rest, before);
    assert.equal(addWritableRoot(added, FOLDER, PATH), added);
    assert.equal(removeWritableRoot(added, FOLDER, PATH), text);
    if (text === undefined) return;
    assert.equal(removeWritableRoot(text, FOLDER, PATH), text);
  });
}

Deno.test("codex: hooks and a writable root are added and removed together", () => {
  for (const text of [undefined, "", 'model = "x"']) {
    const hooks = CODEX.install(text);
    const both = addWritableRoot(hooks, FOLDER, PATH);
    assert.equal(CODEX.install(both), both);
    const one = removeWritableRoot(both, FOLDER, PATH);
    assert.equal(one, hooks);
    assert.equal(CODEX.uninstall(hooks), text);
  }
});

Deno.test("codex: removeWritableRoot() keeps entries added to our table", () => {
  const added = addWritableRoot("", FOLDER, PATH);
  const grown = `${added}network_access = true\n`;
  const left = removeWritableRoot(grown, FOLDER, PATH) ?? "";
  assert.deepEqual(structuredClone(parse(left).sandbox_workspace_write), {
    writable_roots: [],
    network_access: true,
  });
});

Deno.test("codex: addWritableRoot() refuses a sandbox that is an inline table", () => {
  const text = "sandbox_workspace_write = { network_access = true }\n";
  assert.throws(
    () => addWritableRoot(text, FOLDER, PATH),
    /Cannot edit ".*": "sandbox_workspace_write" is not a table at line 1/,
  );
  assert.throws(() => addWritableRoot("a =", FOLDER, PATH), ConfigError);
});

Deno.test("tomlString() writes text that TOML reads", () => {
  for (const text of ["a", "it's", 'say "x"', "'\"\\\n\t\x7f\u0001é👩", ""]) {
    assert.equal(tomlValue(tomlString(text)), text);
  }
});

const UNLOADS = /^thread_unload_delay_secs = 0 # message-bus: .+$/m;

for (
  const [what, text] of [
    ["no file", undefined],
    ["an empty file", ""],
    ["tables alone", "[hooks]\nx = 1\n"],
    ["pairs and tables", 'model = "m"\n\n[hooks]\nx = 1\n'],
    ["other line ends", 'model = "m"\r\n[hooks]\r\nx = 1\r\n'],
    ["a byte order mark", '\ufeffmodel = "m"\n'],
    ["the same key in a table", "[a]\nthread_unload_delay_secs = 7\n"],
  ] as const
) {
  Deno.test(`codex: removeUnloadDelay() reverts addUnloadDelay() in ${what}`, () => {
    const put = addUnloadDelay(text, "config.toml");
    assert.match(put.replace("\ufeff", ""), UNLOADS);
    assert.equal(
      (parse(put.replace("\ufeff", "")) as Record<string, unknown>)
        .thread_unload_delay_secs,
      0,
    );
    assert.equal(addUnloadDelay(put, "config.toml"), put);
    assert.equal(
      removeUnloadDelay(put, "config.toml"),
      text === "" ? undefined : text,
    );
  });
}

Deno.test("codex: a delay set by the person is neither changed nor removed", () => {
  for (
    const text of [
      "thread_unload_delay_secs = 30\n",
      "thread_unload_delay_secs = 0\n[a]\nx = 1\n",
      "thread_unload_delay_secs = 0 # mine\n",
    ]
  ) {
    assert.equal(addUnloadDelay(text, "config.toml"), text);
    assert.equal(removeUnloadDelay(text, "config.toml"), text);
  }
});
