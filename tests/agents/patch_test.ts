/**
 * The paths of patches.
 *
 * @module
 */

import assert from "node:assert/strict";
import { diffPaths, isPatch, patchPaths } from "../../lib/agents/patch.ts";

const PATCHES: readonly (readonly [string, string, readonly string[]])[] = [
  ["nothing", "", []],
  [
    "every kind of header",
    "*** Begin Patch\n*** Add File: a\n+x\n*** Update File: b\n*** Move to: c\n" +
    "@@\n-x\n+y\n*** Delete File: d\n*** End Patch\n",
    ["a", "b", "c", "d"],
  ],
  ["CRLF", "*** Update File: a b.ts\r\n@@\r\n", ["a b.ts"]],
  ["absolute and above", "*** Add File: /x/y\n*** Add File: ../z\n", [
    "/x/y",
    "../z",
  ]],
  ["no blank behind the colon", "*** Add File:a\n", ["a"]],
  [
    "headers in content",
    "*** Update File: a\n@@\n *** Add File: b\n+*** Add File: c\n" +
    "-*** Delete File: d\n",
    ["a"],
  ],
  ["twice the same", "*** Update File: a\n*** Update File: a\n", ["a"]],
  ["an empty path", "*** Add File: \n", []],
  ["a path with NUL", "*** Add File: a\0b\n", []],
  ["no last line end", "*** Delete File: a", ["a"]],
];

for (const [what, patch, paths] of PATCHES) {
  Deno.test(`patchPaths: ${what}`, () => {
    assert.deepEqual(patchPaths(patch), paths);
  });
}

Deno.test("patchPaths keeps to its bound", () => {
  const lines = Array.from({ length: 3000 }, (_, at) => `*** Add File: ${at}`);
  assert.equal(patchPaths(lines.join("\n")).length, 1000);
});

Deno.test("isPatch tells a patch from other text", () => {
  assert.ok(isPatch("*** Begin Patch\n"));
  assert.ok(isPatch("x\n*** Add File: a\n"));
  assert.ok(!isPatch("echo '***'"));
});

Deno.test("diffPaths reads a unified diff", () => {
  const diff = "--- a/old.ts\t2026-01-01\n+++ b/src/new.ts\n@@ -1 +1 @@\n" +
    "-x\n+y\n--- /dev/null\n+++ b/made.ts\n";
  assert.deepEqual(diffPaths(diff, 1), ["old.ts", "src/new.ts", "made.ts"]);
  assert.deepEqual(diffPaths("+++ x/y\n", 0), ["x/y"]);
  assert.deepEqual(diffPaths("+++ x\n", 2), []);
});
