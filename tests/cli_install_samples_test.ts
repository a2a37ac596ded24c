/**
 * `mbus install` and `uninstall` restore every configuration sample byte for byte,
 * and their diffs equal the changes.
 *
 * @module
 */

import assert from "node:assert/strict";
import { applyPatch } from "diff";
import { AGENT_NAMES } from "../lib/hooks/agents/agent.ts";
import { JSON_SAMPLES, TOML_SAMPLES } from "./agents/config_samples.ts";
import {
  AgentsHome,
  read,
  type Told,
  writeSamples,
} from "./cli/agents_home.ts";

const ALL = [...AGENT_NAMES, "--user", "--project"];

/** Asserts that the diffs equal the changes of the files. */
function assertDiffs(before: Record<string, string>, told: Told[]): void {
  const paths = new Set(told.flatMap(({ path }) => path ?? []));
  for (const path of paths) {
    const old = before[path]?.replace(/^\d+ /, "") ?? "";
    const now = told.filter((each) => each.path === path && each.diff)
      .reduce<string | false>(
        (text, { diff }) => text !== false && applyPatch(text, diff!),
        old,
      );
    assert.equal(now, read(path) ?? "", path);
  }
}

const ROUNDS = Math.max(JSON_SAMPLES.length, TOML_SAMPLES.length);
for (let i = 0; i < ROUNDS; i++) {
  const [what, json] = JSON_SAMPLES[i % JSON_SAMPLES.length];
  const [whatElse, toml] = TOML_SAMPLES[i % TOML_SAMPLES.length];
  Deno.test(`all agents' hooks are installed and removed in ${what}, in TOML with ${whatElse}`, async () => {
    await using home = new AgentsHome();
    writeSamples(home, json, toml);
    const before = home.listing();
    const wishes = [...ALL, "--guide", "--writable-root", "--unload-at-once"];
    const told = await home.told(["install", ...wishes]);
    assertDiffs(before, told);
    const installed = home.listing();
    for (const [path, text] of Object.entries(before)) {
      assert.ok(text.startsWith("folder") || installed[path] !== text, path);
    }

    const taken = await home.told(["uninstall", ...ALL]);
    assertDiffs(installed, taken.filter(({ part }) => part !== "backup"));
    assert.deepEqual(home.listing(), before);
  });
}
