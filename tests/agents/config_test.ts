/**
 * Installing hooks into a configuration, and restoring every byte.
 *
 * @module
 */

import assert from "node:assert/strict";
import { parse as parseJsonc } from "jsonc-parser";
import { parse as parseToml } from "smol-toml";
import { AGENT_NAMES, type AgentName } from "../../lib/hooks/agents/agent.ts";
import {
  ConfigError,
  type ConfigFile,
  type ConfigPlace,
  type ConfigScope,
} from "../../lib/install/agents/config.ts";
import { AGENT_CONFIGS } from "../../lib/install/agents/configs.ts";
import {
  BROKEN_JSON,
  BROKEN_TOML,
  JSON_SAMPLES,
  TOML_SAMPLES,
} from "./config_samples.ts";

const PLACE: ConfigPlace = {
  home: "/home/dev",
  project: "/home/dev/project",
  env: () => undefined,
};
const JSON_EVENTS: Partial<Record<AgentName, string>> = {
  claude: "PreToolUse",
  gemini: "BeforeTool",
  qwen: "PreToolUse",
  copilot: "preToolUse",
  cursor: "preToolUse",
  droid: "PreToolUse",
};
const TOML_AGENTS: readonly AgentName[] = ["codex", "kimi"];

function fileOf(name: AgentName, scope: ConfigScope = "user"): ConfigFile {
  return AGENT_CONFIGS[name].files(scope, PLACE)[0];
}

/** Installs, checks the invariants of any text, and returns the new text. */
function assertRoundTrip(file: ConfigFile, text: string | undefined): string {
  assert.equal(file.status(text), "absent");
  const installed = file.install(text);
  assert.notEqual(installed, text);
  assert.equal(file.status(installed), "current");
  assert.equal(file.install(installed), installed);
  assert.equal(file.uninstall(installed), text);
  if (text !== undefined) assert.equal(file.uninstall(text), text);
  return installed;
}

/** Asserts that the old text is whole, in order, and means the same. */
function assertOnlyAdded(text: string, installed: string): void {
  let at = 0;
  for (const char of text) {
    at = installed.indexOf(char, at) + 1;
    assert.ok(at > 0, char);
  }
  const before = parseJson(text);
  const after = parseJson(installed);
  for (const [key, value] of Object.entries(before)) {
    if (key !== "hooks") assert.deepEqual(after[key], value);
  }
  const lists = Object.entries(
    (before.hooks ?? {}) as Record<string, unknown[]>,
  );
  for (const [event, list] of lists) {
    const hooks = after.hooks as Record<string, unknown[]>;
    assert.deepEqual(hooks[event].slice(0, list.length), list);
  }
}

function parseJson(text: string): Record<string, unknown> {
  return parseJsonc(text.replace("\ufeff", ""), [], {
    allowTrailingComma: true,
  });
}

/** Returns the text with an older version of our hooks. */
function outdated(text: string): string {
  return text.replaceAll(
    /set -- (mbus hook [a-z]+).*?; if command/g,
    "$1; if command",
  );
}

for (const [agent, event] of Object.entries(JSON_EVENTS)) {
  const name = agent as AgentName;
  const file = fileOf(name);
  const spelled = (text: string): string =>
    text.replaceAll("%E", event).replaceAll("%A", name);

  for (const [what, sample] of JSON_SAMPLES) {
    Deno.test(`${name}: uninstall() reverts install() in ${what}`, () => {
      const text = spelled(sample);
      const installed = assertRoundTrip(file, text);
      assertOnlyAdded(text, installed);
      assert.equal(file.status(outdated(installed)), "outdated");
      assert.equal(file.uninstall(outdated(installed)), text);
      assert.equal(file.install(outdated(installed)), installed);
    });
  }

  for (const [what, sample, message] of BROKEN_JSON) {
    Deno.test(`${name}: install() refuses ${what}`, () => {
      const text = spelled(sample);
      assert.throws(() => file.install(text), (error) => {
        assert.ok(error instanceof ConfigError);
        assert.match(error.message, message);
        assert.match(error.message, /^Cannot edit "\/home\/dev/);
        assert.equal(error.format, "json");
        assert.ok(error.line >= 1 && error.column >= 1);
        return true;
      });
      assert.throws(() => file.uninstall(text), ConfigError);
    });
  }
}

for (const name of TOML_AGENTS) {
  const file = fileOf(name);

  for (const [what, text] of TOML_SAMPLES) {
    Deno.test(`${name}: uninstall() reverts install() in TOML with ${what}`, () => {
      const installed = assertRoundTrip(file, text);
      assert.ok(installed.startsWith(text));
      const { ...before } = parseToml(text.replace("\ufeff", ""));
      const { hooks, ...rest } = parseToml(installed.replace("\ufeff", ""));
      assert.deepEqual(rest, before);
      assert.ok(hooks);
      assert.equal(file.status(outdated(installed)), "outdated");
      assert.equal(file.uninstall(outdated(installed)), text);
      assert.equal(file.install(outdated(installed)), installed);
    });
  }

  for (const [what, text, message] of BROKEN_TOML) {
    Deno.test(`${name}: install() refuses TOML with ${what}`, () => {
      assert.throws(() => file.install(text), (error) => {
        assert.ok(error instanceof ConfigError);
        assert.match(error.message, message);
        assert.equal(error.format, "toml");
        return true;
      });
      assert.throws(() => file.uninstall(text), ConfigError);
    });
  }
}

for (const name of AGENT_NAMES) {
  Deno.test(`${name}: uninstall() removes a file made for our hooks`, () => {
    for (const scope of ["user", "project"] as const) {
      for (const file of AGENT_CONFIGS[name].files(scope, PLACE)) {
        const installed = assertRoundTrip(file, undefined);
        assert.ok(installed.endsWith("\n"));
        assert.equal(file.uninstall(outdated(installed)), undefined);
      }
    }
  });

  Deno.test(`${name}: status() is absent without a file`, () => {
    assert.equal(fileOf(name).status(undefined), "absent");
  });
}

Deno.test("claude: uninstall() keeps a user's command in our group", () => {
  const file = fileOf("claude");
  const own = '{"type":"command","command":"mine"}';
  const installed = JSON.parse(file.install(undefined));
  installed.hooks.Stop[0].hooks.push(JSON.parse(own));
  const bare = file.uninstall(JSON.stringify(installed, null, 2)) ?? "";
  assert.deepEqual(JSON.parse(bare), {
    hooks: { Stop: [{ hooks: [JSON.parse(own)] }] },
  });
});

Deno.test("claude: uninstall() keeps a user's hooks behind ours", () => {
  const file = fileOf("claude");
  const other = '{ "hooks": [{ "type": "command", "command": "mine" }] }';
  const installed = file.install("{\n}\n");
  const text = installed.replace(/(\n +"Stop": \[)/, `$1\n      ${other},`);
  assert.notEqual(text, installed);
  const bare = file.uninstall(text) ?? "";
  assert.deepEqual(JSON.parse(bare), { hooks: { Stop: [JSON.parse(other)] } });
  assert.ok(bare.includes(other));
});

Deno.test("claude: uninstall() keeps a comment among our hooks", () => {
  const file = fileOf("claude");
  const installed = file.install(undefined);
  const text = installed.replace('"hooks": {', '"hooks": { // mine');
  assert.notEqual(text, installed);
  assert.match(file.uninstall(text) ?? "", /\/\/ mine/);
});
