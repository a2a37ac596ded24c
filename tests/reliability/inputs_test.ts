/**
 * Anything can be handed to the bus: it does its work or refuses it, and
 * loses nothing. (What whole processes make of it: inputs_process_test.)
 */

import assert from "node:assert/strict";
import { agentTargets } from "./inputs_agents.ts";
import { commandTargets } from "./inputs_commands.ts";
import { libraryTargets } from "./inputs_library.ts";
import { rowTargets } from "./inputs_rows.ts";
import { tryTarget } from "./inputs.ts";
import { LONG, seeded } from "./seed.ts";

const CASES = LONG ? 1_000_000 : 10_000;

Deno.test("inputs of any kind are taken or refused", async (t) => {
  const folder = Deno.makeTempDirSync({ prefix: "mbus-inputs-" });
  try {
    const targets = [
      ...await libraryTargets(folder),
      ...await rowTargets(folder),
      ...agentTargets(folder),
      ...commandTargets(),
    ];
    const shares = targets.reduce((sum, { share }) => sum + share, 0);
    assert.equal(shares, 1_000);
    for (const target of targets) {
      const name = target.name;
      const cases = Math.round(CASES * target.share / shares);
      const startedAt = performance.now();
      await t.step(
        name,
        () =>
          seeded(
            import.meta.url,
            "inputs of any kind",
            (_, seed) => tryTarget(target, cases, seed),
          ),
      );
      const seconds = (performance.now() - startedAt) / 1_000;
      if (LONG) console.log(`${name}: ${cases} cases, ${seconds.toFixed(0)} s`);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
