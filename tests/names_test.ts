import assert from "node:assert/strict";
import { NameTakenError, UnknownSessionError } from "../mod.ts";
import { Home, payloadsOf } from "./fixture.ts";

const LONG_ID = "01890000-0000-7000-8000-00000000beef";

Deno.test("a bus has a name after registration", async () => {
  await using home = new Home();
  const bus = await home.open({ session: LONG_ID, vendor: "claude" });
  assert.equal(bus.name, undefined);
  assert.equal((await bus.sessions.register()).name, "claude-beef");
  assert.equal(bus.name, "claude-beef");
  await bus.sessions.rename("backend");
  assert.equal(bus.name, "backend");
});

Deno.test("tell() writes to a session by its name, and to all", async () => {
  await using home = new Home();
  const ann = await home.open({ session: "ann" });
  const bob = await home.open({ name: "backend" });
  await bob.sessions.register();
  const text = 'several\nlines, "quotes" and \u{1f41d}';
  const { to, toName } = await ann.tell("backend", text);
  assert.deepEqual([to, toName], [bob.session, "backend"]);
  assert.deepEqual(payloadsOf(await bob.inbox().pending()), [text]);
  assert.equal((await ann.tell("all", "main is red")).to, undefined);
  const { messages } = await bob.poll("chat");
  assert.equal(messages.at(-1)!.payload, "main is red");
  await assert.rejects(ann.tell("frontend", "hi"), UnknownSessionError);
});

Deno.test("openBus() takes a chosen name, and the one in MBUS_NAME if it is free", async () => {
  await using home = new Home();
  const options = { project: "/one" };
  const first = await home.open({ ...options, name: "backend" });
  await first.sessions.register();
  const second = await home.open({ ...options, name: "backend" });
  await assert.rejects(second.publish("state", 1), NameTakenError);
  await assert.rejects(home.open({ ...options, name: "two words" }), {
    field: "name",
  });
  for (const name of ["backend", "frontend"]) {
    const peer = await home.start(options, { env: { MBUS_NAME: name } });
    await peer.call("publish", { channel: "state", payload: 1 });
  }
  const listed = await first.sessions.list();
  const chosen = listed.filter(({ nameIsChosen }) => nameIsChosen);
  assert.deepEqual(chosen.map(({ name }) => name), ["backend", "frontend"]);
  assert.equal(listed.length, 3);
});

Deno.test("rename() rejects the name of a channel with messages", async () => {
  await using home = new Home();
  const bus = await home.open();
  await bus.publish("builds", 1);
  await assert.rejects(bus.sessions.rename("builds"), {
    field: "name",
    message: /it is a channel/,
  });
});

Deno.test("messages for a name wait for the next bus that takes it", async () => {
  await using home = new Home();
  const options = { project: "/one" };
  const ann = await home.open({ ...options, session: "ann" });
  const first = await home.open({ ...options, name: "backend" });
  await first.sessions.register();
  await first.close();
  const { notRunning } = await ann.tell("backend", "for the next");
  assert.equal(notRunning, true);
  const next = await home.open({ ...options, name: "backend" });
  const [message] = await next.inbox().pending();
  assert.equal(message.payload, "for the next");
  assert.equal(message.to, next.session);
  await next.reply(message, "thanks");
  assert.equal((await ann.delivery(message.id))?.state, "acked");
  assert.deepEqual(payloadsOf(await ann.inbox().pending()), ["thanks"]);
});
