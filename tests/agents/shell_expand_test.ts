/**
 * Words expand to the same as in bash.
 *
 * @module
 */

import assert from "node:assert/strict";
import fc from "fast-check";
import { shellWrites } from "../../lib/hooks/shell/shell.ts";
import { diskAt } from "../../lib/hooks/shell/disk.ts";

/** Makes a folder with names that patterns match, and names that are patterns. */
function makeFolder(): string {
  const root = Deno.realPathSync(Deno.makeTempDirSync({ prefix: "mbus-exp-" }));
  for (const folder of ["src/deep", "app/[id]", "app/i", ".hidden", "out"]) {
    Deno.mkdirSync(`${root}/${folder}`, { recursive: true });
  }
  for (
    const file of [
      "a.ts",
      "b.ts",
      "ab.ts",
      "a b.ts",
      "{x}.ts",
      "*",
      ".dot",
      "src/a.ts",
      "src/deep/b.ts",
      "app/[id]/page.ts",
      "app/i/page.ts",
      ".hidden/c.ts",
      "é.ts",
    ]
  ) Deno.writeTextFileSync(`${root}/${file}`, "");
  Deno.symlinkSync("src", `${root}/link`);
  Deno.symlinkSync("none", `${root}/broken`);
  return root;
}

/** Returns bash's expansion of words. */
function bashOf(words: string, folder: string): string[] {
  const { stdout, success } = new Deno.Command("bash", {
    args: ["--norc", "-c", `printf '%s\\0' ${words}`],
    cwd: folder,
    env: { LC_ALL: "C.UTF-8" },
  }).outputSync();
  assert.ok(success, words);
  return new TextDecoder().decode(stdout).split("\0").slice(0, -1);
}

/** Returns the writes read off a command that writes the words. */
function oursOf(words: string, folder: string): string[] {
  const { writes } = shellWrites(`touch -- ${words}`, { disk: diskAt(folder) });
  return writes.map(({ path, isGlob }) =>
    isGlob ? path.replace(/\\(.)/g, "$1") : path
  );
}

function assertSame(words: string, folder: string): void {
  const bash = bashOf(words, folder).filter((word) => word !== "");
  const known = bash.filter((word) => word !== "-");
  assert.deepEqual(
    new Set(oursOf(words, folder)),
    new Set(known),
    words,
  );
}

Deno.test("words expand as in bash", () => {
  const folder = makeFolder();
  for (
    const words of [
      "*.ts",
      "?.ts",
      "[ab].ts",
      "[!a].ts",
      "[^a]*",
      "a*",
      "'a b'*",
      "a\\ b*",
      "'*'",
      "\\*",
      "*/",
      "*/*.ts",
      "*/*/*",
      "src/*",
      "./*.ts",
      "../*/a.ts",
      "app/[id]/page.ts",
      "app/'[id]'/*.ts",
      "app/[a-z]/*",
      ".*o*",
      "link/*",
      "brok*",
      "none/*",
      "a.ts/*",
      "x[",
      "x]*",
      "{a,b}.ts",
      "{a,*}.ts",
      "{src,app/i}/*.ts",
      "{x}.ts",
      "{,a}{1..3}",
      "{01..3}",
      "{3..01..2}",
      "{a..e..2}",
      "{a,b",
      "a,b}",
      "{{a,b},c}",
      "{a,{b}}",
      "{a},}",
      "a{},}b",
      "{},}",
      "{}",
      "{id}/{a,b}",
      "{a,{b,c}d}e",
      "'{a,b}'",
      "{'a,b',c}",
      "*{a,b}*",
      "é*",
    ]
  ) {
    assertSame(words, folder);
  }
  Deno.removeSync(folder, { recursive: true });
});

Deno.test("any word of braces and wildcards expands as in bash", () => {
  const folder = makeFolder();
  const pieces = fc.constantFrom(
    ..."ab,{}*?.",
    "{a,b}",
    "/",
    "src/",
    "[ab]",
    "'*'",
    "\\{",
    "1",
    "{1..2}",
  );
  const words = fc.array(pieces, { minLength: 1, maxLength: 8 })
    .map((parts) => parts.join(""))
    // Shells differ in the meaning of two stars. The results of dots beside
    // braces, and of `{}` among them, are bash's own.
    .filter((text) =>
      !/\*.*\*|^\/|\/\/|\.\./.test(text.replaceAll("{1..2}", ""))
    )
    .filter((text) => !/\{\.|\.[{}]|\}\.|\{\}/.test(text));
  fc.assert(
    fc.property(words, (text) => assertSame(text, folder)),
    { numRuns: 300 },
  );
  Deno.removeSync(folder, { recursive: true });
});

Deno.test("words past a bound stay globs", () => {
  const folder = makeFolder();
  for (
    const words of [
      "{1..2000}",
      "{1..40}{1..40}",
      `${"{a,b}".repeat(70)}`,
      "**/*.ts",
    ]
  ) {
    const { writes } = shellWrites(`rm ${words}`, { disk: diskAt(folder) });
    assert.equal(writes.length, 1, words);
    assert.equal(writes[0].isGlob, true, words);
  }
  Deno.mkdirSync(`${folder}/many`);
  for (let at = 0; at < 1001; at++) {
    Deno.writeTextFileSync(`${folder}/many/${at}`, "");
  }
  const { writes } = shellWrites("rm many/*", { disk: diskAt(folder) });
  assert.deepEqual(writes, [{ path: "many/*", isGlob: true }]);
  Deno.removeSync(folder, { recursive: true });
});
