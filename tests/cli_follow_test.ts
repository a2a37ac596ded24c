/** `mbus follow` and `mbus unfollow` change what a session's hooks tell. */

import assert from "node:assert/strict";
import { Mbus } from "./cli/mbus.ts";

Deno.test("follow adds channels, unfollow removes them, and both print the rest", async () => {
  await using mbus = new Mbus();
  assert.equal(await mbus.done(["follow"]), "No followed channels.\n");
  await mbus.done(["register", "--vendor", "claude"]);
  assert.equal(await mbus.done(["follow"]), "chat\n");
  assert.equal(
    await mbus.done(["follow", "builds", "state"]),
    "chat\nbuilds\nstate\n",
  );
  const [chat, builds] = await mbus.json(["follow", "builds"]);
  assert.deepEqual([chat.channel, builds.channel], ["chat", "builds"]);
  assert.match(String(builds.since), /^\d{4}-\d\d-\d\dT/);
  assert.equal(await mbus.done(["unfollow", "builds", "chat"]), "state\n");
  assert.equal(await mbus.done(["follow"]), "state\n");
});

Deno.test("follow refuses names that are not channels, and conflicts", async () => {
  await using mbus = new Mbus();
  await mbus.done(["register", "--vendor", "claude"]);
  for (const channel of ["a b", "file_conflict"]) {
    const { code, stderr } = await mbus.run(["follow", channel]);
    assert.equal(code, 2, stderr);
    assert.match(stderr, /^mbus: Cannot [^\n]+\n$/);
  }
});
