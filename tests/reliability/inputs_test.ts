/**
 * The bus accepts or rejects random inputs, and loses nothing. (Found faults:
 * inputs_found_test.)
 */

import { tryTarget } from "./inputs.ts";
import { AGENT_TARGETS } from "./inputs_agents.ts";
import { COMMAND_TARGETS } from "./inputs_commands.ts";
import { LIBRARY_TARGETS } from "./inputs_library.ts";
import { rowsOfOthers } from "./inputs_rows.ts";
import { LONG, seeded } from "./seed.ts";

const CASES = LONG ? 1_000_000 : 10_000;
const MAKERS = [
  ...LIBRARY_TARGETS,
  rowsOfOthers,
  ...AGENT_TARGETS,
  ...COMMAND_TARGETS,
];

for (const make of MAKERS) {
  const name = `random ${make.name} are accepted or rejected`;
  Deno.test(name, async () => {
    const folder = Deno.makeTempDirSync({ prefix: "mbus-inputs-" });
    try {
      const target = await make(folder);
      const cases = CASES * target.share / 1_000;
      const startedAt = performance.now();
      await seeded(
        import.meta.url,
        name,
        (_, seed) => tryTarget(target, cases, seed),
      );
      const seconds = Math.round((performance.now() - startedAt) / 1_000);
      if (LONG) console.log(`${target.name}: ${cases} cases, ${seconds} s`);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
}
