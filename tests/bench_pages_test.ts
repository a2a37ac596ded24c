import assert from "node:assert/strict";
import { renderAll } from "../bench/pages.ts";

const COMMITTED = new URL("../docs/benchmarks", import.meta.url).pathname;

Deno.test("committed pages and charts match the committed results", async () => {
  const folder = await Deno.makeTempDir({ prefix: "mbus-test-" });
  try {
    for (const { name } of Deno.readDirSync(COMMITTED)) {
      if (!name.endsWith(".json")) continue;
      await Deno.copyFile(`${COMMITTED}/${name}`, `${folder}/${name}`);
    }
    await renderAll(folder);
    assert.deepEqual(filesOf(COMMITTED), filesOf(folder));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

function filesOf(folder: string): Record<string, string> {
  return Object.fromEntries(
    [...Deno.readDirSync(folder)].map(({ name }) => name).sort()
      .map((name) => [name, Deno.readTextFileSync(`${folder}/${name}`)]),
  );
}
