import assert from "node:assert/strict";
import {
  AskTimeoutError,
  AskUnansweredError,
  ClosedError,
  type Delivery,
  type DeliveryState,
  type Message,
  type MessageBus,
  UnknownSessionError,
} from "../mod.ts";
import { Clock, Home, numbers, within } from "./fixture.ts";
import type { Peer } from "./peer.ts";

const NO_POLL = { pollIntervalMs: 60_000 };

/** Registers two sessions on one clock. */
async function two(home: Home): Promise<[MessageBus, MessageBus, Clock]> {
  const clock = new Clock();
  const [ann, bob] = await Promise.all(
    ["ann", "bob"].map((session) => home.open({ session, now: clock.now })),
  );
  await ann.sessions.register();
  await bob.sessions.register();
  return [ann, bob, clock];
}

async function stateOf(
  bus: MessageBus,
  id: string,
): Promise<DeliveryState | undefined> {
  return (await bus.delivery(id))?.state;
}

Deno.test("a delivery moves from queued over noticed and injected to acked", async () => {
  await using home = new Home();
  const [ann, bob, clock] = await two(home);
  const { id } = await ann.publish("chat", 1, { to: "bob" });
  const first = await ann.delivery(id);
  assert.equal(first?.to, "bob");
  assert.equal(first?.state, "queued");
  const steps: [DeliveryState, () => Promise<unknown>][] = [
    ["noticed", () => bob.inbox().pending()],
    ["injected", () => bob.inbox().injected(id)],
    ["acked", () => bob.inbox().ack(id)],
  ];
  const expiresAt = new Date(clock.nowMs + 7 * 86_400_000).toISOString();
  for (const [state, step] of steps) {
    clock.advance(1_000);
    await step();
    assert.deepEqual(await ann.delivery(id), {
      id,
      sender: "ann",
      to: "bob",
      state,
      changedAt: new Date(clock.nowMs).toISOString(),
      expiresAt,
    });
  }
});

Deno.test("a delivery's state only moves forward", async () => {
  await using home = new Home();
  const [ann, bob] = await two(home);
  const { id } = await ann.publish("chat", 1, { to: "bob" });
  await bob.inbox().injected(id);
  await bob.inbox().pending();
  assert.equal(await stateOf(ann, id), "injected");
  await bob.inbox().ack(id);
  await bob.inbox().injected(id);
  assert.equal(await stateOf(ann, id), "acked");
});

Deno.test("a read of the channel does not move a delivery", async () => {
  await using home = new Home();
  const [ann, bob] = await two(home);
  const { id } = await ann.publish("chat", 1, { to: "bob" });
  assert.equal((await bob.poll("chat")).messages.length, 1);
  assert.equal(await stateOf(ann, id), "queued");
});

Deno.test("a message that is not direct has no delivery", async () => {
  await using home = new Home();
  const [ann] = await two(home);
  const { id } = await ann.publish("chat", 1);
  assert.equal(await ann.delivery(id), undefined);
  assert.equal(await ann.delivery("999999"), undefined);
});

for (const purged of [false, true]) {
  const when = purged ? "after it was purged" : "before anybody purged it";
  const settle = async (bus: MessageBus) => {
    if (purged) await bus.purge();
  };

  Deno.test(`an unread message is expired at its TTL, ${when}`, async () => {
    await using home = new Home();
    const [ann, bob, clock] = await two(home);
    const options = { to: "bob", ttlSeconds: 10 };
    const { id } = await ann.publish("chat", 1, options);
    const noticed = await ann.publish("chat", 2, options);
    await bob.inbox().pending();
    const injected = await ann.publish("chat", 3, options);
    await bob.inbox().injected(injected.id);
    clock.advance(9_999);
    assert.equal(await stateOf(ann, id), "noticed");
    clock.advance(1);
    await settle(ann);
    assert.equal(await stateOf(ann, id), "expired");
    assert.equal(await stateOf(ann, noticed.id), "expired");
    // A message that was shown to the model has arrived.
    assert.equal(await stateOf(ann, injected.id), "injected");
    // An acknowledgement after the expiry has no effect.
    await bob.inbox().ack(id);
    assert.equal(await stateOf(ann, id), "expired");
    await bob.inbox().ack(injected.id);
    assert.equal(await stateOf(ann, injected.id), "acked");
  });

  Deno.test(`a message for an ended session is undeliverable at its TTL, ${when}`, async () => {
    await using home = new Home();
    const [ann, bob, clock] = await two(home);
    await bob.sessions.end();
    const { id, notRunning } = await ann.publish("chat", 1, {
      to: "bob",
      ttlSeconds: 10,
    });
    assert.equal(notRunning, true);
    assert.equal(await stateOf(ann, id), "queued");
    clock.advance(10_000);
    await settle(ann);
    assert.equal(await stateOf(ann, id), "undeliverable");
  });
}

Deno.test("the sender gets each change of a delivery by push", async () => {
  await using home = new Home();
  const sender = await home.start({ ...NO_POLL, session: "sender" });
  const clock = new Clock();
  const bob = await home.open({ session: "bob", now: clock.now });
  await bob.sessions.register();
  const { id } = await sender.call<Delivery>("send", { to: "bob", payload: 1 });
  await sender.call("watchDelivery", { name: "d", id });
  const states = async (count: number) =>
    await within("the state", sender.wait<string>("d", count));
  assert.deepEqual(await states(1), ["queued"]);
  await bob.inbox().pending();
  assert.deepEqual(await states(2), ["queued", "noticed"]);
  await bob.inbox().injected(id);
  await states(3);
  await bob.inbox().ack(id);
  const all = ["queued", "noticed", "injected", "acked"];
  assert.deepEqual(await states(4), all);
  await within("the end", sender.wait("d.ended", 1));
  const late = await sender.call<Delivery>("send", {
    to: "bob",
    payload: 2,
    ttlSeconds: 1,
  });
  await sender.call("watchDelivery", { name: "e", id: late.id });
  await within("queued", sender.wait("e", 1));
  clock.advance(60_000);
  await sender.call("skew", 60_000);
  await bob.purge();
  const last = await within("expired", sender.wait<string>("e", 2));
  assert.deepEqual(last, ["queued", "expired"]);
});

Deno.test("the sender gets the expiry of its message in time, without a purge", async () => {
  await using home = new Home();
  const [, bob] = await two(home);
  const sender = await home.start({ ...NO_POLL, session: "eve" });
  const args = { to: "bob", payload: 1, ttlSeconds: 0.3 };
  const { id } = await sender.call<Delivery>("send", args);
  await sender.call("watchDelivery", { name: "d", id });
  const told = await within("expired", sender.wait<string>("d", 2), 10_000);
  assert.deepEqual(told, ["queued", "expired"]);
  await sender.wait("d.ended", 1);
  // The message is not deleted yet.
  assert.equal(typeof (await bob.delivery(id))?.expiresAt, "string");
});

Deno.test("a reply and its acknowledgement are stored together or not at all", async () => {
  const refusals = [
    ["BEFORE UPDATE ON deliveries", "NEW.state = 'acked'"],
    ["BEFORE INSERT ON inter_session_messages", "NEW.reply_to IS NOT NULL"],
  ];
  for (const [event, condition] of refusals) {
    await using home = new Home();
    const [ann, bob] = await two(home);
    const { id } = await ann.publish("chat", "?", { to: "bob" });
    const [question] = await bob.inbox().pending();
    const database = home.foreign();
    database.exec(
      `CREATE TRIGGER refuse ${event} WHEN ${condition}
       BEGIN SELECT RAISE(ABORT, 'refused'); END`,
    );
    await assert.rejects(() => bob.reply(question, "!"), /refused/, event);
    assert.deepEqual(await ann.inbox().pending(), []);
    assert.equal(await stateOf(ann, id), "noticed", event);
    database.exec("DROP TRIGGER refuse");
    await bob.reply(question, "!");
    assert.equal((await ann.inbox().pending()).length, 1);
    assert.equal(await stateOf(ann, id), "acked");
  }
});

Deno.test("ask() gets the answer by push and acknowledges it", async () => {
  await using home = new Home();
  const ann = await home.open({ ...NO_POLL, session: "ann" });
  const bob = await home.start({ ...NO_POLL, session: "bob" });
  await bob.call("register");
  await bob.call("readInbox", { name: "in", reply: { fine: true } });
  const answer = await within("the answer", ann.ask("bob", "how?"));
  assert.deepEqual(answer.payload, { fine: true });
  assert.equal(answer.sender, "bob");
  assert.equal(answer.to, "ann");
  const [question] = await bob.wait<Message>("in", 1);
  assert.equal(answer.replyTo, question.id);
  assert.equal(await stateOf(ann, question.id), "acked");
  assert.equal(await stateOf(ann, answer.id), "acked");
  assert.deepEqual(await ann.inbox().pending(), []);
});

Deno.test("concurrent questions get their own answers", async () => {
  await using home = new Home();
  const [ann, bob] = await two(home);
  const stop = new AbortController();
  const answering = (async () => {
    const questions: Message[] = [];
    for await (const question of bob.inbox({ signal: stop.signal })) {
      questions.push(question);
      if (questions.length < 50) continue;
      // The last question first.
      for (const each of questions.toReversed()) {
        await bob.reply(each, { to: each.payload });
      }
      return;
    }
  })();
  const answers = await within(
    "the answers",
    Promise.all(numbers(0, 50).map((i) => ann.ask("bob", i))),
  );
  await answering;
  assert.deepEqual(
    answers.map(({ payload }) => (payload as { to: number }).to),
    numbers(0, 50),
  );
});

Deno.test("ask() finds an answer that an inbox has acknowledged", async () => {
  await using home = new Home();
  const [ann, bob] = await two(home);
  const stop = new AbortController();
  // A reader of the inbox acknowledges every message.
  const reading = (async () => {
    for await (const message of ann.inbox({ signal: stop.signal })) {
      await ann.inbox().ack(message);
    }
  })();
  reading.catch(() => {});
  const answering = (async () => {
    for await (const question of bob.inbox()) {
      await bob.batch((b) =>
        b.publish("ask", "late", { to: "ann", replyTo: question.id })
      );
      // The answer is acknowledged before the asking bus can read it.
      home.foreign().exec("UPDATE deliveries SET state = 'acked'");
      return;
    }
  })();
  const answer = await within("the answer", ann.ask("bob", 1));
  assert.equal(answer.payload, "late");
  await answering;
  stop.abort();
  await reading.catch(() => {});
});

Deno.test("ask() rejects an unanswered question with its delivery state", async () => {
  await using home = new Home();
  const [ann, bob] = await two(home);
  await assert.rejects(
    () => ann.ask("bob", 1, { timeoutMs: 5 }),
    (error) => {
      assert.ok(error instanceof AskTimeoutError);
      assert.equal(error.delivery, "queued");
      assert.match(
        error.message,
        /^No answer within \d+ m?s\. Message \d+ is not read yet; a late answer arrives in mbus inbox\.$/,
      );
      return true;
    },
  );
  const [question] = await bob.inbox().pending();
  await bob.reply(question, "after all");
  assert.deepEqual(
    (await ann.inbox().pending()).map(({ payload }) => payload),
    ["after all"],
  );
  await assert.rejects(() => ann.ask("nobody", 1), UnknownSessionError);
});

Deno.test("ask() says at its timeout how far the question has come", async () => {
  await using home = new Home();
  const [ann, bob] = await two(home);
  const steps: readonly [() => Promise<unknown>, RegExp][] = [
    [
      () => bob.inbox().pending(),
      / has reached bob, but its model has not read it;/,
    ],
    [
      () => bob.inbox().injected(asked()),
      /bob has read message \d+ and is at work;/,
    ],
    [
      async () => {
        await bob.inbox().injected(asked());
        await bob.sessions.update({ status: "idle" });
      },
      /bob has read message \d+ and is idle;/,
    ],
    [() => bob.inbox().ack(asked()), /bob has acknowledged message \d+;/],
  ];
  let last = 0;
  const asked = () => String(last);
  for (const [step, wanted] of steps) {
    const stop = new AbortController();
    const stepping = (async () => {
      for await (const { id } of bob.inbox({ signal: stop.signal })) {
        if (Number(id) <= last) continue;
        last = Number(id);
        await step();
        return;
      }
    })();
    const asking = ann.ask("bob", 1, { timeoutMs: 300 });
    asking.catch(() => {});
    await stepping;
    await assert.rejects(asking, wanted);
  }
});

Deno.test("ask() rejects when the asked session has ended, in any way", async () => {
  const unanswered = (error: unknown) => {
    assert.ok(error instanceof AskUnansweredError);
    assert.equal(error.session, "bob");
    assert.match(error.message, /it has ended/);
    return true;
  };
  const ends = {
    "by itself": (bob: Peer) => bob.call("end", null),
    "by SIGKILL": (bob: Peer) => bob.kill(),
  };
  for (const [how, end] of Object.entries(ends)) {
    await using home = new Home();
    const ann = await home.open({ ...NO_POLL, session: "ann" });
    const bob = await home.start({ ...NO_POLL, session: "bob" });
    await bob.call("register");
    await bob.call("readInbox", { name: "in" });
    const asking = ann.ask("bob", 1, { timeoutMs: 600_000 });
    asking.catch(() => {});
    await bob.wait("in", 1);
    await end(bob);
    await assert.rejects(within(how, asking), unanswered);
    await assert.rejects(
      within("at once", ann.ask("bob", 2, { timeoutMs: 600_000 })),
      unanswered,
    );
  }
});

Deno.test("ask() ends with its signal and with the bus", async () => {
  await using home = new Home();
  const [ann] = await two(home);
  const abort = new AbortController();
  const reason = new Error("given up");
  const aborted = ann.ask("bob", 1, { signal: abort.signal });
  aborted.catch(() => {});
  abort.abort(reason);
  await assert.rejects(within("the end", aborted), (e) => e === reason);
  const asking = ann.ask("bob", 1);
  asking.catch(() => {});
  await within("the question", ann.publish("state", 1));
  await ann.close();
  await assert.rejects(within("the end", asking), ClosedError);
});

Deno.test("ask() rejects at its timeout, even if its timer fires early", async () => {
  await using home = new Home();
  // No heartbeat and no poll wakes the wait.
  const quiet = { ...NO_POLL, heartbeatIntervalMs: 600_000 };
  const ann = await home.open({ ...quiet, session: "ann" });
  const bob = await home.open({ ...quiet, session: "bob" });
  await bob.sessions.register();
  for (let i = 0; i < 100; i++) {
    await assert.rejects(
      within("the timeout", ann.ask("bob", i, { timeoutMs: 5 + i / 7 })),
      AskTimeoutError,
    );
  }
});
