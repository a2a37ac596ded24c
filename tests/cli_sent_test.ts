/** `mbus sent` and `--wait`: what is proven of one's direct messages. */

import assert from "node:assert/strict";
import { Mbus } from "./cli/mbus.ts";

const AS_PEER = { env: { MBUS_SESSION: "peer" } };

/** Creates a bus with two sessions, `tester` and `peer`. */
async function two(): Promise<Mbus> {
  const mbus = new Mbus();
  await mbus.done(["register", "--vendor", "claude"]);
  await mbus.done(["register", "--vendor", "codex"], AS_PEER);
  return mbus;
}

Deno.test("sent lists direct messages with their states and texts, oldest first", async () => {
  await using mbus = await two();
  assert.equal(await mbus.done(["sent"]), "No direct messages sent.\n");
  await mbus.done(["send", "chat", '"first"', "--to", "peer"]);
  await mbus.json(["inbox"], AS_PEER);
  const text = "a long text ".repeat(40);
  await mbus.done(["send", "chat", JSON.stringify(text), "--to", "peer"]);
  const [first, second] = await mbus.json(["sent"]);
  assert.deepEqual(
    [first.to, first.state, second.to, second.state],
    ["peer", "acked", "peer", "queued"],
  );
  assert.equal((second.message as { payload: string }).payload, text);
  const lines = (await mbus.done(["sent"])).trimEnd().split("\n");
  assert.match(lines[0], /^ID +TO +SENT +STATE +SINCE +TEXT$/);
  assert.match(
    lines[1],
    /^ *\d+ +peer +\d+ s ago +acknowledged +\d+ s ago +first$/,
  );
  assert.ok(lines[2].includes(text.trimEnd()), "the text is whole");
  assert.equal((await mbus.json(["sent", "--count", "1"]))[0].id, second.id);
});

Deno.test("send --wait ends once the message is acknowledged", async () => {
  await using mbus = await two();
  const sending = mbus.start(
    ["send", "chat", "1", "--to", "peer", "--wait", "acked"],
  );
  await mbus.json(["inbox", "--wait"], AS_PEER);
  assert.equal(await sending.end(), 0);
});

Deno.test("send --wait exits with 1 at its timeout, and says what is proven", async () => {
  await using mbus = await two();
  const { code, stderr } = await mbus.run(
    [
      "send",
      "chat",
      "1",
      "--to",
      "peer",
      "--wait",
      "told",
      "--timeout",
      "10ms",
    ],
  );
  assert.equal(code, 1, stderr);
  assert.match(stderr, /^mbus: message \d+ is queued after 10ms\n$/);
});

Deno.test("send --wait needs an addressee", async () => {
  await using mbus = await two();
  const { code, stderr } = await mbus.run(
    ["send", "chat", "1", "--wait", "told"],
  );
  assert.equal(code, 2);
  assert.match(stderr, /Add --to SESSION\.\n$/);
});
