/**
 * Users' reports of failed protection: each script is one report, and exits with 0
 * while the protection works. The scripts use the command as a user does, from a
 * shell, with a bus and a repository of their own.
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
      const told = new TextDecoder().decode(stdout) +
        new TextDecoder().decode(stderr);
      assert.equal(code, 0, told);
    },
  });
}

Deno.test("there is a script for each report", () => {
  assert.equal(SCRIPTS.length, 10);
});
