import assert from "node:assert/strict";
import {
  type Message,
  type MessageBus,
  type Published,
  UnknownSessionError,
} from "../mod.ts";
import { Clock, Home, numbers, take, within } from "./fixture.ts";

const NO_POLL = { pollIntervalMs: 60_000 };

/** Registers sessions. */
async function sessions(
  home: Home,
  ...ids: readonly string[]
): Promise<MessageBus[]> {
  const all = await Promise.all(ids.map((session) => home.open({ session })));
  for (const bus of all) await bus.sessions.register();
  return all;
}

const payloads = (messages: readonly Message[]) =>
  messages.map(({ payload }) => payload);

/** Returns all messages of a channel that a bus can read. */
async function polled(bus: MessageBus, channel = "chat"): Promise<unknown[]> {
  const options = { allProjects: true };
  return payloads((await bus.poll(channel, options)).messages);
}

Deno.test("a direct message reaches the addressed session only", async () => {
  await using home = new Home();
  const [ann, bob, eve] = await sessions(home, "ann", "bob", "eve");
  const readers = [bob, eve, ann].map((bus) =>
    bus.subscribe(null, { allProjects: true })
  );
  await Promise.all(readers.map(({ ready }) => ready));
  const durable = eve.subscribe("chat", { durable: "eve", from: "start" });
  await durable.ready;
  const sent = await ann.publish("chat", "for bob", { to: "bob" });
  assert.deepEqual(sent, {
    id: sent.id,
    to: "bob",
    toName: "bob",
    notRunning: false,
  });
  await ann.publish("chat", "for all");
  const [bobs, eves, anns] = await Promise.all(
    readers.map(async (reader, i) => {
      const messages = await take(reader, i === 0 ? 2 : 1);
      return payloads(messages);
    }),
  );
  assert.deepEqual(bobs, ["for bob", "for all"]);
  assert.deepEqual(eves, ["for all"]);
  assert.deepEqual(anns, ["for all"]);
  assert.deepEqual(payloads(await take(durable, 1)), ["for all"]);
  assert.deepEqual(await polled(bob), ["for bob", "for all"]);
  assert.deepEqual(await polled(eve), ["for all"]);
  assert.deepEqual(await polled(ann), ["for all"]);
  assert.deepEqual(payloads(await bob.inbox().pending()), ["for bob"]);
  assert.deepEqual(await eve.inbox().pending(), []);
  assert.deepEqual(await ann.inbox().pending(), []);
  // Another session's acknowledgement has no effect.
  await eve.inbox().ack(sent.id);
  assert.equal((await ann.delivery(sent.id))?.state, "noticed");
});

Deno.test("an unknown addressee is refused, and nothing is stored", async () => {
  await using home = new Home();
  const [ann] = await sessions(home, "ann");
  const wrong = [
    () => ann.publish("chat", 1, { to: "nobody" }),
    () => ann.publish("chat", 1, { to: "" }),
    () =>
      ann.publishMany([
        { channel: "chat", payload: 1 },
        { channel: "chat", payload: 2, to: "nobody" },
      ]),
    () => ann.ask("nobody", 1),
  ];
  for (const act of wrong) {
    await assert.rejects(act, UnknownSessionError);
    assert.deepEqual(await polled(ann), []);
  }
  // A refusal rejects only its own promise.
  const both = await Promise.allSettled([
    ann.publish("chat", "first"),
    ann.publish("chat", "second", { to: "nobody" }),
    ann.publish("chat", "third"),
  ]);
  assert.deepEqual(both.map(({ status }) => status), [
    "fulfilled",
    "rejected",
    "fulfilled",
  ]);
  assert.deepEqual(await polled(ann), ["first", "third"]);
});

Deno.test("any unique beginning of an id and a short name address a session", async () => {
  await using home = new Home();
  const [ann] = await sessions(home, "ann");
  const long = await home.open({
    session: "01890000-0000-7000-8000-00000000beef",
    vendor: "codex",
  });
  await long.sessions.register();
  const [one, two] = await sessions(home, "twin-1", "twin-2");
  const to = async (text: string): Promise<string | undefined> =>
    (await ann.publish("chat", 1, { to: text })).to;
  assert.equal(await to("0189"), long.session);
  assert.equal(await to("codex-beef"), long.session);
  assert.equal(await to("twin-2"), two.session);
  await assert.rejects(() => to("twin"), (error) => {
    assert.ok(error instanceof UnknownSessionError);
    assert.deepEqual([...error.candidates].toSorted(), ["twin-1", "twin-2"]);
    return true;
  });
  // Running sessions come before ended ones.
  await one.sessions.end();
  assert.equal(await to("twin"), "twin-2");
  assert.equal(await to("twin-1"), "twin-1");
});

Deno.test("a message for an ended addressee is stored, and the result says so", async () => {
  await using home = new Home();
  const [ann, bob] = await sessions(home, "ann", "bob");
  await bob.sessions.end();
  const sent = await ann.publish("chat", 1, { to: "bob" });
  assert.equal(sent.notRunning, true);
  // The session resumes before the expiry.
  await bob.sessions.register();
  assert.deepEqual(payloads(await bob.inbox().pending()), [1]);
});

Deno.test("the inbox yields pending and new messages, each once, by push", async () => {
  await using home = new Home();
  const ann = await home.open({ session: "ann" });
  const bob = await home.start({ ...NO_POLL, session: "bob" });
  await bob.call("register");
  for (const i of numbers(0, 3)) await ann.publish("chat", i, { to: "bob" });
  await bob.call("readInbox", { name: "in", ack: true });
  await within("those that are there", bob.wait("in", 3));
  for (const i of numbers(3, 200)) ann.publish("chat", i, { to: "bob" });
  const seen = await within("those that come", bob.wait<Message>("in", 203));
  assert.deepEqual(payloads(seen), numbers(0, 203));
  assert.deepEqual(await bob.call("pending"), []);
});

Deno.test("an unacknowledged message is in the inbox after a restart", async () => {
  await using home = new Home();
  const ann = await home.open({ session: "ann" });
  const first = await home.start({ session: "bob" });
  await first.call("register");
  for (const i of numbers(0, 4)) await ann.publish("chat", i, { to: "bob" });
  const pending = await first.call<Message[]>("pending");
  assert.deepEqual(payloads(pending), [0, 1, 2, 3]);
  await first.call("ackDirect", pending[1]);
  await first.call("injected", pending[2].id);
  await first.kill();
  const second = await home.start({ session: "bob" });
  const left = await second.call<Message[]>("pending");
  assert.equal(await second.call("session"), "bob");
  assert.deepEqual(payloads(left), [0, 2, 3]);
});

Deno.test("the inbox of id~2 is its own, even before registration", async () => {
  await using home = new Home();
  const [ann] = await sessions(home, "ann");
  const first = await home.start({ session: "me" });
  await first.call("register");
  const second = await home.open({ session: "me" });
  const early = second.subscribe("chat", { from: "start" });
  await early.ready;
  const one = await ann.publish("chat", "one", { to: "me" });
  assert.deepEqual(await polled(second), []);
  assert.deepEqual(await second.inbox().pending(), []);
  assert.equal(second.session, "me~2");
  assert.equal((await ann.delivery(one.id))?.state, "queued");
  await ann.publish("chat", "two", { to: "me~2" });
  // The earlier subscription now gets its own direct messages only.
  const { value } = await within("two", early.next());
  assert.equal(value!.payload, "two");
  assert.deepEqual(payloads(await second.inbox().pending()), ["two"]);
  assert.deepEqual(payloads(await first.call<Message[]>("pending")), ["one"]);
});

Deno.test("a subscription from before registration is woken by push", async () => {
  await using home = new Home();
  const [ann] = await sessions(home, "ann");
  const bob = await home.start({ ...NO_POLL, session: "bob" });
  await bob.call("subscribe", { name: "s", channels: "chat" });
  await bob.call("register");
  await ann.publish("chat", 1, { to: "bob" });
  await within("the message", bob.wait("s", 1));
});

Deno.test("an inbox with more than a page is read completely", async () => {
  await using home = new Home();
  const [ann, bob] = await sessions(home, "ann", "bob");
  await ann.publishMany(
    numbers(0, 250).map((i) => ({ channel: "chat", payload: i, to: "bob" })),
  );
  const all = await take(bob.inbox()[Symbol.asyncIterator](), 250);
  assert.deepEqual(payloads(all), numbers(0, 250));
});

Deno.test("an inbox ends with its signal and with the bus", async () => {
  await using home = new Home();
  const [ann, bob] = await sessions(home, "ann", "bob");
  const abort = new AbortController();
  const reason = new Error("given up");
  const read = async (signal?: AbortSignal): Promise<number> => {
    let count = 0;
    for await (const _ of bob.inbox({ signal })) count++;
    return count;
  };
  await ann.publish("chat", 1, { to: "bob" });
  const aborted = read(abort.signal);
  aborted.catch(() => {});
  abort.abort(reason);
  await assert.rejects(within("the end", aborted), (e) => e === reason);
  const closed = read();
  await Promise.all([bob.close(), within("the end", closed)]);
});

Deno.test("expired direct messages are not in the inbox", async () => {
  await using home = new Home();
  const clock = new Clock();
  const ann = await home.open({ session: "ann", now: clock.now });
  await ann.sessions.register();
  await ann.publish("chat", "short", { to: "ann", ttlSeconds: 1 });
  await ann.publish("chat", "long", { to: "ann", ttlSeconds: 60 });
  clock.advance(1_000);
  assert.deepEqual(payloads(await ann.inbox().pending()), ["long"]);
});

Deno.test("another program's direct message is in the inbox", async () => {
  await using home = new Home();
  const [bob] = await sessions(home, "bob");
  home.foreign().exec(`INSERT INTO inter_session_messages
    (sender_id, channel, payload, recipient_id)
    VALUES ('script', 'chat', '"hi"', 'bob')`);
  const [message] = await bob.inbox().pending();
  assert.equal(message.payload, "hi");
  const reply: Published = await bob.reply(message, "hello");
  assert.equal(reply.to, "script");
  assert.equal((await bob.delivery(message.id))?.state, "acked");
});
