/**
 * The paths of patches.
 *
 * @module
 */

import assert from "node:assert/strict";
import {
  diffPaths,
  isPatch,
  patchPaths,
} from "../../lib/hooks/agents/patch.ts";

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
    "*** Update File: a\n@@\n+*** Add File: c\n-*** Delete File: d\n" +
    " x *** Add File: e\n",
    ["a"],
  ],
  [
    "indented headers",
    "*** Begin Patch\n *** Add File: a\n+x\n\t*** Update File: b\n" +
    " \t *** Move to: c\n@@\n x\n   *** Delete File: d\n*** End Patch",
    ["a", "b", "c", "d"],
  ],
  // Codex looks for headers among the context lines of a hunk, too.
  ["a header as context", "*** Update File: a\n@@\n *** Add File: b\n", [
    "a",
    "b",
  ]],
  [
    "blanks of other scripts",
    "\u3000*** Add File: a\n\u0085*** Add File: b\n\v\f*** Add File: c\n" +
    "\ufeff*** Add File: d\r *** Add File: e",
    ["a", "b", "c", "d", "e"],
  ],
  ["an indented path, as both agents take it", "*** Add File:  a\n", [
    "a",
    " a",
  ]],
  ["blanks behind the path", "*** Add File: a b \t\n", ["a b"]],
  ["twice the same", "*** Update File: a\n*** Update File: a\n", ["a"]],
  ["an empty path", "*** Add File: \n", []],
  ["a path with NUL", "*** Add File: a\0b\n", []],
  ["no last line end", "*** Delete File: a", ["a"]],
];

for (const [what, patch, paths] of PATCHES) {
  Deno.test(`patchPaths(): ${what}`, () => {
    assert.deepEqual(patchPaths(patch), paths);
  });
}

Deno.test("patchPaths() returns at most its bound", () => {
  const lines = Array.from(
    { length: 20_000 },
    (_, at) => `*** Add File: ${at}`,
  );
  assert.equal(patchPaths(lines.join("\n")).length, 10_000);
  assert.equal(patchPaths(lines.join("\n"), 3).length, 3);
});

Deno.test("isPatch() tells a patch from other text", () => {
  assert.ok(isPatch("*** Begin Patch\n"));
  assert.ok(isPatch("x\n*** Add File: a\n"));
  assert.ok(!isPatch("echo '***'"));
});

Deno.test("diffPaths() reads a unified diff", () => {
  const diff = "--- a/old.ts\t2026-01-01\n+++ b/src/new.ts\n@@ -1 +1 @@\n" +
    "-x\n+y\n--- /dev/null\n+++ b/made.ts\n";
  assert.deepEqual(diffPaths(diff, 1), ["old.ts", "src/new.ts", "made.ts"]);
  assert.deepEqual(diffPaths("+++ x/y\n", 0), ["x/y"]);
  assert.deepEqual(diffPaths("+++ x\n", 2), []);
  const indented = diff.replaceAll(/^/gm, "  \t");
  assert.deepEqual(diffPaths(indented, 1), diffPaths(diff, 1));
});

Deno.test("patchPaths() reads 8 MB of text like headers", () => {
  const size = 8_000_000;
  const hostile = ["*** ", "*** Add File:", " ", "\n", "\r*** Add File: x"];
  for (const part of hostile) {
    const text = `${part.repeat(size / part.length)}\n*** Add File: last`;
    assert.equal(patchPaths(text).at(-1), "last");
  }
});
