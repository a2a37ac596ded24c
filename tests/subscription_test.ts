import assert from "node:assert/strict";
import { ClosedError, InvalidInputError } from "../mod.ts";
import { Clock, Home, numbers, payloadsOf, take, until } from "./fixture.ts";

Deno.test("a subscription delivers messages published after `ready`", async () => {
  await using home = new Home();
  const bus = await home.open();
  await bus.publish("state", "before");
  const states = bus.subscribe("state");
  await states.ready;
  const { id } = await bus.publish("state", { a: [1, null, "ü"] });
  const [message] = await take(states, 1);
  assert.deepEqual(message.payload, { a: [1, null, "ü"] });
  assert.equal(message.id, id);
  assert.equal(message.sender, bus.session);
  assert.equal(message.channel, "state");
  assert.equal(states.cursor, id);
});

Deno.test("a subscription delivers messages of its project, by any name", async () => {
  await using home = new Home();
  // Storing changes half of a surrogate pair.
  const project = "/half \ud83d";
  const bus = await home.open({ project });
  const states = bus.subscribe("state");
  await states.ready;
  const taking = take(states, 3);
  await bus.publish("state", 1);
  await bus.publish("state", 2, { project });
  await bus.publish("state", 3, { project: "/another" });
  await bus.publish("state", 4, { project: null });
  assert.deepEqual(payloadsOf(await taking), [1, 2, 4]);
});

Deno.test("a subscription from the start delivers all kept messages", async () => {
  await using home = new Home();
  const bus = await home.open();
  await bus.publishMany(
    numbers(0, 600).map((payload) => ({ channel: "a", payload })),
  );
  const all = await take(bus.subscribe("a", { from: "start" }), 600);
  assert.deepEqual(payloadsOf(all), numbers(0, 600));
});

Deno.test("a subscription from a cursor delivers later messages", async () => {
  await using home = new Home();
  const bus = await home.open();
  const published = await bus.publishMany(
    numbers(0, 5).map((payload) => ({ channel: "a", payload })),
  );
  const after = await take(bus.subscribe("a", { from: published[2].id }), 2);
  assert.deepEqual(payloadsOf(after), [3, 4]);
  for (const from of ["x", "-1", "1.5", "", " 1", "99999999999999999999"]) {
    const wrong = bus.subscribe("a", { from });
    await assert.rejects(wrong.ready, InvalidInputError);
    await assert.rejects(wrong.next(), InvalidInputError);
  }
});

Deno.test("a cursor beyond the last message is refused", async () => {
  await using home = new Home();
  const bus = await home.open();
  const { id } = await bus.publish("a", 1);
  const beyond = String(Number(id) + 1);
  const refused = (error: unknown) => {
    assert.ok(error instanceof InvalidInputError);
    assert.equal(error.field, "cursor");
    assert.ok(error.message.includes(`the last one on this bus is ${id}`));
    return true;
  };
  await assert.rejects(() => bus.poll("a", { after: beyond }), refused);
  const ephemeral = bus.subscribe("a", { from: beyond });
  await assert.rejects(ephemeral.ready, refused);
  const durable = bus.subscribe("a", { from: beyond, durable: "d" });
  await assert.rejects(durable.ready, refused);
  assert.equal((await bus.stats()).durableNames, 0);
  // The id of a purged message is not beyond the end.
  home.foreign().exec("DELETE FROM inter_session_messages");
  assert.deepEqual((await bus.poll("a", { after: id })).messages, []);
});

Deno.test("a subscription to several channels keeps one order", async () => {
  await using home = new Home();
  const bus = await home.open();
  const some = bus.subscribe(["a", "c", "a"]);
  const all = bus.subscribe(null);
  await Promise.all([some.ready, all.ready]);
  const channels = ["a", "b", "c", "c", "b", "a"];
  channels.forEach((channel, i) => bus.publish(channel, i));
  assert.deepEqual(payloadsOf(await take(some, 4)), [0, 2, 3, 5]);
  // The registration is a message too.
  const heard = (await take(all, 7)).filter(({ channel }) =>
    channel !== "heartbeat"
  );
  assert.deepEqual(payloadsOf(heard), numbers(0, 6));
});

Deno.test("break ends a subscription", async () => {
  await using home = new Home();
  const bus = await home.open();
  const states = bus.subscribe("state");
  await states.ready;
  await bus.publish("state", 1);
  for await (const _ of states) break;
  assert.deepEqual(await states.next(), { done: true, value: undefined });
});

Deno.test("close() ends a pending next(), and a second call has no effect", async () => {
  await using home = new Home();
  const bus = await home.open();
  const states = bus.subscribe("state");
  await states.ready;
  const waiting = [states.next(), states.next()];
  await Promise.all([states.close(), states.close()]);
  await states.close();
  for (const next of waiting) {
    assert.deepEqual(await next, { done: true, value: undefined });
  }
});

Deno.test("a subscription closed while it starts leaves nothing behind", async () => {
  await using home = new Home();
  const bus = await home.open();
  for (const durable of [undefined, "name"]) {
    for (let microtasks = 0; microtasks < 40; microtasks++) {
      const states = bus.subscribe("state", { durable });
      for (let i = 0; i < microtasks; i++) await Promise.resolve();
      await states.close();
      assert.equal((await states.next()).done, true);
    }
  }
  const database = home.foreign();
  assert.equal(
    database.prepare(
      "SELECT count(*) AS n FROM durable_names WHERE lease_expires_at > 0",
    ).get()!.n,
    0,
  );
  await until(
    "the bells' removal",
    () =>
      database.prepare("SELECT count(*) AS n FROM bell_interests").get()!.n ===
        0,
  );
});

Deno.test("an aborted signal ends a subscription with its reason", async () => {
  await using home = new Home();
  const bus = await home.open();
  const controller = new AbortController();
  const { signal } = controller;
  let listeners = 0;
  const counting = new Proxy(signal, {
    get(target, key) {
      const value = Reflect.get(target, key, target);
      if (typeof value !== "function") return value;
      return (...args: unknown[]) => {
        if (key === "addEventListener") listeners++;
        if (key === "removeEventListener") listeners--;
        return value.apply(target, args);
      };
    },
  });
  const ended = bus.subscribe("state", { signal: counting });
  await ended.ready;
  assert.equal(listeners, 1);
  await ended.close();
  assert.equal(listeners, 0);

  const aborted = bus.subscribe("state", { signal: counting });
  await aborted.ready;
  const next = aborted.next();
  const reason = new Error("enough");
  controller.abort(reason);
  await assert.rejects(next, (error) => error === reason);
  await assert.rejects(aborted.next(), (error) => error === reason);
  assert.equal(listeners, 0);
});

Deno.test("a signal that was aborted before ends a subscription at once", async () => {
  await using home = new Home();
  const bus = await home.open();
  const reason = new Error("never mind");
  const signal = AbortSignal.abort(reason);
  const states = bus.subscribe("state", { signal });
  await assert.rejects(states.ready, (error) => error === reason);
  await assert.rejects(states.next(), (error) => error === reason);
  await states.close();
  await bus.close();
});

Deno.test("closing the bus ends its subscriptions", async () => {
  await using home = new Home();
  const bus = await home.open();
  const states = bus.subscribe("state");
  await states.ready;
  const seen: unknown[] = [];
  const iterating = (async () => {
    for await (const { payload } of states) seen.push(payload);
  })();
  await bus.publish("state", 1);
  await until("the message", () => seen.length === 1);
  await bus.close();
  await iterating;
  assert.throws(() => bus.subscribe("state"), ClosedError);
});

Deno.test("a slow reader misses no message", async () => {
  await using home = new Home();
  const bus = await home.open();
  const slow = bus.subscribe("a");
  await slow.ready;
  for (let round = 0; round < 4; round++) {
    await bus.publishMany(
      numbers(round * 700, 700).map((payload) => ({ channel: "a", payload })),
    );
    // Takes one message, while hundreds are unread.
    assert.deepEqual(payloadsOf(await take(slow, 1)), [round]);
  }
  assert.deepEqual(payloadsOf(await take(slow, 2796)), numbers(4, 2796));
});

Deno.test("a message that expires before a slow reader asks is not delivered", async () => {
  await using home = new Home();
  const clock = new Clock();
  const bus = await home.open({ now: clock.now });
  const slow = bus.subscribe("a");
  await slow.ready;
  await bus.publish("a", "short", { ttlSeconds: 10 });
  await bus.publish("a", "shorter", { ttlSeconds: 5 });
  await bus.publish("a", "long", { ttlSeconds: 60 });
  await bus.publish("a", "brief", { ttlSeconds: 5 });
  assert.deepEqual(payloadsOf(await take(slow, 1)), ["short"]);
  clock.advance(6_000);
  assert.deepEqual(payloadsOf(await take(slow, 1)), ["long"]);
  await bus.publish("a", "last");
  assert.deepEqual(payloadsOf(await take(slow, 1)), ["last"]);
});

Deno.test("a subscription that follows another in a process is pushed to", async () => {
  await using home = new Home();
  const bus = await home.open({ pollIntervalMs: 60_000 });
  const peer = await home.start({ pollIntervalMs: 60_000 });
  let from = "start";
  for (let round = 0; round < 5; round++) {
    const states = bus.subscribe("state", { from });
    await states.ready;
    assert.equal(states.mode, "push");
    await peer.call("publish", { channel: "state", payload: round });
    assert.deepEqual(payloadsOf(await take(states, 1)), [round]);
    from = states.cursor;
    // The next one begins before this one's bell is removed.
    states.close();
  }
});

Deno.test("a reader of a project gets its messages and messages of no project", async () => {
  await using home = new Home();
  const mine = await home.open({ project: "/mine" });
  const other = await home.open({ project: "/other" });
  const nobodys = await home.open({ project: null });
  const own = mine.subscribe("a");
  const wide = mine.subscribe("a", { allProjects: true });
  const none = nobodys.subscribe("a");
  await Promise.all([own.ready, wide.ready, none.ready]);
  await other.publish("a", "other");
  await nobodys.publish("a", "none");
  await mine.publish("a", "mine");
  await mine.publish("a", "lent", { project: "/other" });
  await mine.publish("a", "end", { project: null });
  assert.deepEqual(payloadsOf(await take(own, 3)), ["none", "mine", "end"]);
  const everything = ["other", "none", "mine", "lent", "end"];
  assert.deepEqual(payloadsOf(await take(wide, 5)), everything);
  assert.deepEqual(payloadsOf(await take(none, 5)), everything);
  const { messages } = await other.poll("a");
  assert.deepEqual(payloadsOf(messages), ["other", "none", "lent", "end"]);
  assert.equal(messages[0].project, "/other");
  assert.equal("project" in messages[1], false);
});
