/** Man pages. `MBUS_TEST_REQUIRE=mandoc` makes a missing mandoc an error. */

import assert from "node:assert/strict";
import { allCommands } from "../lib/cli/help.ts";
import { manPage } from "../lib/cli/man_page.ts";
import { Mbus } from "./cli/mbus.ts";

const COMMANDS = await allCommands();

/** Pages by their names. */
const PAGES = new Map(
  [undefined, ...COMMANDS].map((command) => [
    command === undefined ? "mbus" : `mbus-${command.name.replace(" ", "-")}`,
    `${manPage(command).join("\n")}\n`,
  ]),
);

const hasMandoc = await new Deno.Command("sh", {
  args: ["-c", "command -v mandoc"],
  stdout: "null",
}).output().then(({ success }) => success);

Deno.test({
  name: `mandoc -Tlint finds nothing in the man pages${
    hasMandoc ? "" : " (ignored: mandoc is not installed)"
  }`,
  ignore: !hasMandoc &&
    !Deno.env.get("MBUS_TEST_REQUIRE")?.includes("mandoc"),
  fn: async () => {
    const folder = await Deno.makeTempDir({ prefix: "mbus-man-" });
    try {
      for (const [name, page] of PAGES) {
        await Deno.writeTextFile(`${folder}/${name}.1`, page);
      }
      const { stdout, stderr } = await new Deno.Command("mandoc", {
        args: ["-Tlint", ...[...PAGES.keys()].map((name) => `${name}.1`)],
        cwd: folder,
      }).output();
      const text = new TextDecoder();
      const found = text.decode(stdout).split("\n").filter((line) => {
        // mandoc looks for other pages among the installed ones only.
        const other = /referenced manual not found: Xr (\S+) 1/.exec(line)?.[1];
        return line !== "" && !PAGES.has(other ?? "");
      });
      assert.deepEqual(found, []);
      assert.equal(text.decode(stderr), "");
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

Deno.test("a man page has the name, options, exit codes and examples of its command", () => {
  const lock = PAGES.get("mbus-lock")!;
  for (
    const line of [
      ".Nd Lock files, folders, globs or @names",
      ".It Fl m , Fl \\-reason , Fl \\-why Ar TEXT",
      ".It 1\nAnother session has a conflicting lock",
      ".Dl mbus lock src/a.ts",
      ".Xr mbus 1",
    ]
  ) assert.ok(lock.includes(`\n${line}\n`), line);
  assert.match(PAGES.get("mbus-task")!, /^\.Xr mbus-task-post 1/m);
  assert.match(PAGES.get("mbus")!, /^\.It Ev MBUS_HOME$/m);
});

Deno.test("help --man prints the man page of mbus or of a command", async () => {
  await using mbus = new Mbus();
  const undated = (text: string) => text.replace(/^\.Dd .*/, "");
  const page = async (...words: string[]) =>
    undated(await mbus.done(["help", "--man", ...words]));
  assert.equal(await page(), undated(PAGES.get("mbus")!));
  assert.equal(
    await page("task", "add"),
    undated(PAGES.get("mbus-task-post")!),
  );
  assert.equal((await mbus.run(["help", "--man", "nothing"])).code, 2);
});
