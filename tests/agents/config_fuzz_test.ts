/**
 * Installing and uninstalling restores every byte of random configurations.
 *
 * @module
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import { stringify as stringifyToml } from "smol-toml";
import type { AgentName } from "../../lib/hooks/agents/agent.ts";
import {
  ConfigError,
  type ConfigFile,
  type ConfigPlace,
} from "../../lib/install/agents/config.ts";
import { AGENT_CONFIGS } from "../../lib/install/agents/configs.ts";
import { addGuide, removeGuide } from "../../lib/install/agents/guide.ts";

const PLACE: ConfigPlace = {
  home: "/h",
  project: "/p",
  env: () => undefined,
};
const RUNS = 300;
const JSON_AGENTS: readonly AgentName[] = ["claude", "gemini", "cursor"];
const EVENTS = ["PreToolUse", "BeforeTool", "preToolUse", "Stop", "stop", "X"];

function fileOf(name: AgentName): ConfigFile {
  return AGENT_CONFIGS[name].files("user", PLACE)[0];
}

function assertRoundTrip(file: ConfigFile, text: string): void {
  const installed = file.install(text);
  assert.equal(file.status(installed), "current");
  assert.equal(file.install(installed), installed);
  assert.equal(file.uninstall(installed), text);
}

const documents = fc.record({
  a: fc.jsonValue(),
  version: fc.constantFrom(1, 2, "1"),
  hooks: fc.dictionary(fc.constantFrom(...EVENTS), fc.array(fc.jsonValue())),
  z: fc.jsonValue(),
}, { requiredKeys: [] });

const layouts = fc.record({
  indent: fc.constantFrom(0, 1, 2, 4, "\t"),
  eol: fc.constantFrom("\n", "\r\n"),
  end: fc.constantFrom("", "\n", "\n\n", " "),
  start: fc.constantFrom("", "\ufeff", "\n", "// top\n"),
});

for (const name of JSON_AGENTS) {
  Deno.test(`${name}: uninstall() reverts install() in any JSON object`, () => {
    const file = fileOf(name);
    const property = fc.property(
      documents,
      layouts,
      (value, { indent, eol, end, start }) => {
        const text = start + JSON.stringify(value, null, indent) + end;
        assertRoundTrip(file, text.replaceAll("\n", eol));
      },
    );
    fc.assert(property, { numRuns: RUNS });
  });

  Deno.test(`${name}: any text is edited or refused`, () => {
    const file = fileOf(name);
    const pieces = fc.constantFrom(
      "{",
      "}",
      "[",
      "]",
      ",",
      ":",
      '"hooks"',
      '"Stop"',
      "1",
      "\n",
      " ",
      "// x\n",
      "/* y */",
    );
    const texts = fc.array(pieces, { maxLength: 25 }).map((all) =>
      all.join("")
    );
    const property = fc.property(texts, (text) => {
      try {
        assertRoundTrip(file, text);
      } catch (error) {
        if (!(error instanceof ConfigError)) throw error;
      }
    });
    fc.assert(property, { numRuns: 2000 });
  });
}

const keys = fc.oneof(
  fc.string({ minLength: 1, maxLength: 8 }),
  fc.constantFrom("a", "b.c", "event", "command", 'q"q', "é"),
).filter((key) => key !== "hooks" && key !== "__proto__");
const { table } = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    fc.string(),
    fc.boolean(),
    fc.integer(),
    fc.array(tie("value"), { maxLength: 3 }),
    tie("table"),
  ),
  table: fc.dictionary(keys, tie("value"), { maxKeys: 4 }),
}));

for (const name of ["codex", "kimi"] as const) {
  Deno.test(`${name}: uninstall() reverts install() in any TOML`, () => {
    const file = fileOf(name);
    const eols = fc.constantFrom("\n", "\r\n");
    const property = fc.property(
      table,
      eols,
      fc.boolean(),
      (value, eol, isCut) => {
        const whole = stringifyToml(value as Record<string, unknown>);
        const text = isCut ? whole.trimEnd() : whole;
        assertRoundTrip(file, text.replaceAll("\n", eol));
      },
    );
    fc.assert(property, { numRuns: RUNS });
  });
}

Deno.test("removeGuide() reverts addGuide() in any text", () => {
  const property = fc.property(
    fc.string({ unit: fc.constantFrom("a", "\n", "\r\n", " ", "<!--") }),
    (text) => {
      assert.equal(removeGuide(addGuide(text)), text);
    },
  );
  fc.assert(property, { numRuns: RUNS });
});
