/**
 * A file's own project decides about it: for sessions in a folder above it, in a
 * superproject, or in a project of another name.
 *
 * @module
 */

import assert from "node:assert/strict";
import { Machine } from "./hook_machine.ts";

/** Lets a session above a repository and one in it edit its file. */
async function bothEdit(machine: Machine, above: string): Promise<void> {
  await machine.start("above", above);
  await machine.start("within", "r/sub");
  await machine.edit("above", "r/sub/a.ts", "1", { cwd: above });
  const denied = await machine.edit("within", "r/sub/a.ts", "2", {
    cwd: "r/sub",
  });
  assert.match(denied.reason, /above \(claude\) is editing /);
}

for (const above of [".", "r"]) {
  Deno.test(`a session in ${above === "." ? "a plain folder" : "a superproject"} is told of an overlap in the project below`, async () => {
    await using machine = new Machine();
    machine.repository("r/sub");
    machine.write("r/sub/a.ts", "0");
    await bothEdit(machine, above);
    await machine.lock("within", "r/sub/a.ts", "advisory");
    const told = await machine.prompt("above", above);
    assert.match(
      told,
      /conflict from within.*\n\| is editing .*sub\/a\.ts, wh/,
    );
    assert.equal(await machine.prompt("above", above), "");
  });
}

Deno.test("the policy of a file's project decides on an edit of it", async () => {
  await using machine = new Machine();
  machine.repository("r/sub");
  machine.write("r/sub/a.ts", "0");
  machine.write("r/b.ts", "0");
  machine.write("r/sub/.mbus.json", '{"onOverlap":"block"}');
  machine.write("r/.mbus.json", '{"onOverlap":"inform"}');
  await machine.start("ada", ".");
  await machine.start("bob", "r");
  await machine.lock("bob", "r/sub/a.ts", "advisory");
  await machine.lock("bob", "r/b.ts", "advisory");
  const edit = (name: string) => machine.edit("ada", name, "1", { cwd: "." });
  assert.match((await edit("r/sub/a.ts")).reason, /Wait until it is released/);
  const { reason, context } = await edit("r/b.ts");
  assert.equal(reason, "");
  assert.match(context, /bob .* is editing .*b\.ts/);
});
