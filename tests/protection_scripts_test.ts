/**
 * Scripts that reproduce users' reports of failed protection. Each exits with 0
 * while the protection works, and calls the command from a shell, on a
 * temporary bus and repository.
 */

import assert from "node:assert/strict";

const FOLDER = new URL("./protection/", import.meta.url).pathname;
const REPOSITORY = new URL("..", import.meta.url).pathname;

const SCRIPTS = [...Deno.readDirSync(FOLDER)].map(({ name }) => name)
  .filter((name) => /^\d/.test(name)).sort();

for (const name of SCRIPTS) {
  Deno.test({
    name: `protection holds in ${name}`,
    ignore: Deno.build.os === "windows",
    fn: async () => {
      const { code, stdout, stderr } = await new Deno.Command("bash", {
        args: [`${FOLDER}${name}`],
        env: { REPO: REPOSITORY },
        stdin: "null",
      }).output();
      const output = new TextDecoder().decode(stdout) +
        new TextDecoder().decode(stderr);
      assert.equal(code, 0, output);
    },
  });
}

Deno.test("there is a script for each report", () => {
  assert.equal(SCRIPTS.length, 10);
});
