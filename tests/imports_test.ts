/** The imports of `lib/` have no circles, and rules do no I/O. */

import assert from "node:assert/strict";
import {
  circleOf,
  type Import,
  importsBelow,
  importsOf,
  withoutComments,
} from "./imports.ts";

const ROOT = new URL("../", import.meta.url);
const LIB = importsBelow(new URL("lib/", ROOT));

const shown = (path: string) => path.replace(ROOT.pathname, "");

// Files, processes, clocks, randomness and timers.
const IO =
  /\bDeno\.(?!build\b)\w+|\bperformance\.|\bDate\.now\b|\bnew Date\(\)|\bMath\.random\b|\bcrypto\.|\bset(?:Timeout|Interval)\b|\bfetch\(/;

Deno.test("importsOf() returns imports of types, values and modules on demand", () => {
  const text = `
    /* import { no } from "./comment.ts"; */
    // import { no } from "./comment.ts";
    import type { A } from "./types.ts";
    import { type B, type C } from "./types.ts";
    import { type D, e } from "./values.ts";
    import f, { g } from "../up.ts";
    import * as h from "node:fs";
    export { i } from "./out.ts";
    export type { J } from "./out_types.ts";
import "./effect.ts";
    const k = await import("./lazy.ts");
    const COMMANDS = {
      one: () => import("./one.ts"),
      "with-lock": () => import("./with_lock.ts"),
    };`;
  const imports = importsOf(new URL("file:///lib/x/y.ts"), text);
  assert.deepEqual(
    imports.map(({ to, isOfTypes }) => `${to}${isOfTypes ? " types" : ""}`),
    [
      "/lib/x/types.ts types",
      "/lib/x/types.ts types",
      "/lib/x/values.ts",
      "/lib/up.ts",
      "node:fs",
      "/lib/x/out.ts",
      "/lib/x/out_types.ts types",
      "/lib/x/effect.ts",
      "/lib/x/lazy.ts",
    ],
  );
});

Deno.test("circleOf() finds a circle of any length", () => {
  const graph = (edges: Record<string, string[]>) =>
    new Map<string, Import[]>(
      Object.entries(edges).map(([from, to]) => [
        from,
        to.map((to) => ({ to, isOfTypes: true })),
      ]),
    );
  assert.deepEqual(circleOf("a", graph({ a: ["a"] })), ["a", "a"]);
  const three = graph({ a: ["b"], b: ["d", "c"], c: ["a"], d: ["b"] });
  assert.deepEqual(circleOf("a", three), ["a", "b", "c", "a"]);
  assert.equal(
    circleOf("a", graph({ a: ["b"], b: ["c"], c: ["b"] })),
    undefined,
  );
});

Deno.test("files of lib import each other without circles, even for types", () => {
  assert.ok(LIB.size > 100, `only ${LIB.size} files were read`);
  const circles = [...LIB.keys()].map((file) => circleOf(file, LIB))
    .filter((circle) => circle !== undefined)
    // Each circle counts once, at its first file.
    .filter((circle) => circle.every((path) => path >= circle[0]))
    .map((circle) => circle.map(shown).join(" > "));
  assert.deepEqual(circles, []);
});

Deno.test("rules load only modules without I/O", () => {
  const loaded = new Map<string, string>();
  const queue = [...LIB.keys()].filter((path) =>
    shown(path).startsWith("lib/rules/")
  );
  assert.ok(queue.length > 10, `only ${queue.length} rules were read`);
  for (const path of queue) loaded.set(path, "");
  for (const path of queue) {
    for (const { to, isOfTypes } of LIB.get(path) ?? []) {
      if (isOfTypes || loaded.has(to)) continue;
      loaded.set(to, path);
      queue.push(to);
    }
  }
  const doing = queue.flatMap((path) => {
    const by = loaded.get(path) === "" ? "" : ` by ${shown(loaded.get(path)!)}`;
    if (!path.startsWith("/")) return [`${path}${by}`];
    const io = IO.exec(withoutComments(Deno.readTextFileSync(path)));
    return io === null ? [] : [`${shown(path)}${by}: ${io[0]}`];
  });
  assert.deepEqual(doing, []);
});

// The folders that a folder may import, even for types.
const LAYERS: Readonly<Record<string, readonly string[]>> = {
  model: ["model", "text"],
  rules: ["model", "rules", "glob", "path", "text"],
};

for (const [folder, allowed] of Object.entries(LAYERS)) {
  Deno.test(`files of lib/${folder} import only those of ${allowed}`, () => {
    const files = [...LIB].filter(([path]) =>
      shown(path).startsWith(`lib/${folder}/`)
    );
    assert.ok(files.length > 5, `only ${files.length} files were read`);
    const wrong = files.flatMap(([path, imports]) =>
      imports.filter(({ to }) =>
        !allowed.some((other) => shown(to).startsWith(`lib/${other}/`))
      ).map(({ to }) => `${shown(path)} > ${shown(to)}`)
    );
    assert.deepEqual(wrong, []);
  });
}

for (const folder of ["bus", "cli/commands"]) {
  Deno.test(`files of lib/${folder} import no store, even for types`, () => {
    const files = [...LIB].filter(([path]) =>
      shown(path).startsWith(`lib/${folder}/`)
    );
    assert.ok(files.length > 5, `only ${files.length} files were read`);
    const wrong = files.flatMap(([path, imports]) =>
      imports.filter(({ to }) => /^lib\/(sqlite|postgres)\//.test(shown(to)))
        .map(({ to }) => `${shown(path)} > ${shown(to)}`)
    );
    assert.deepEqual(wrong, []);
  });
}
