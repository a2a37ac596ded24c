/** The architecture page agrees with the code. */

import assert from "node:assert/strict";
import { importsBelow } from "./imports.ts";

const ROOT = new URL("../", import.meta.url);
const PAGE = Deno.readTextFileSync(new URL("docs/architecture.md", ROOT));
const LAYERS = new Map(
  [...PAGE.matchAll(/^\| (\d+) +\| `lib\/(\w+)\/`/gm)]
    .map(([, layer, folder]) => [folder, Number(layer)]),
);

function shown(path: string): string {
  return path.replace(ROOT.pathname, "");
}

function folderOf(path: string): string {
  return shown(path).split("/")[1];
}

Deno.test("docs/architecture.md lists each folder of lib once", () => {
  const folders = [...Deno.readDirSync(new URL("lib/", ROOT))]
    .map(({ name }) => name);
  assert.deepEqual([...LAYERS.keys()].sort(), folders.sort());
});

Deno.test("files import only layers at or below their own, except the listed files", () => {
  const [, named] = PAGE.match(/Imports that go up: ([^]*?)\n\n/)!;
  const up = new Set<string>();
  for (const [path, imports] of importsBelow(new URL("lib/", ROOT))) {
    for (const { to } of imports) {
      if (!shown(to).startsWith("lib/")) continue;
      const [from, below] = [path, to].map((at) => LAYERS.get(folderOf(at))!);
      if (below > from) up.add(shown(path));
    }
  }
  const expected = [...named.matchAll(/`(lib\/[\w/]+\.ts)`/g)]
    .map(([, path]) => path);
  assert.deepEqual([...up].sort(), expected.sort());
});

Deno.test("docs/architecture.md names files that exist", () => {
  const lists = PAGE.matchAll(
    /`(\w+(?:\/\w+)*\/)` ((?:`\w+\.ts`,?\s+)*`\w+\.ts`)/g,
  );
  const files = [...lists].flatMap(([, folder, names]) =>
    [...names.matchAll(/`(\w+\.ts)`/g)].map(([, name]) => folder + name)
  );
  const paths = [...PAGE.matchAll(/`((?:lib|tests)\/[\w/]+\.ts)`/g)]
    .map(([, path]) => path);
  assert.ok(files.length > 20 && paths.length > 40);
  const missing = [...files, ...paths].filter((path) => {
    try {
      return !Deno.statSync(new URL(path, ROOT)).isFile;
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return true;
      throw error;
    }
  });
  assert.deepEqual(missing, []);
});
