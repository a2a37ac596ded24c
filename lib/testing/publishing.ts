/**
 * Publishing: messages are stored completely or not at all.
 *
 * @module
 */

import assert from "node:assert/strict";
import { UnknownSessionError } from "../model/errors.ts";
import type { Json } from "../model/json.ts";
import type { Cases } from "./case.ts";
import { CHANNEL } from "./peer.ts";

/** Adds the cases. */
export function publishing(cases: Cases): void {
  cases.test("an acknowledged message is read by another store", async (scene) => {
    const [ann, bob] = await scene.two();
    const id = await ann.append({ status: "working" });
    const { messages } = await bob.page();
    assert.equal(messages.length, 1);
    const [message] = messages;
    assert.equal(message.id, id);
    assert.equal(message.sender, "ann");
    assert.equal(message.channel, CHANNEL);
    assert.deepEqual(message.payload, { status: "working" });
    for (const absent of ["project", "to", "replyTo"] as const) {
      assert.equal(message[absent], undefined, absent);
    }
  });

  cases.test("a message has its time of publishing and its expiry", async (scene) => {
    const ann = await scene.peer("ann");
    const before = scene.nowMs;
    await ann.append(1, { ttlSeconds: 90.5 });
    const after = scene.nowMs;
    const { messages: [message] } = await ann.page();
    const createdMs = Date.parse(message.createdAt);
    // The clock of the storage may differ slightly.
    assert.ok(createdMs >= before - 5_000 && createdMs <= after + 5_000);
    assert.equal(Date.parse(message.expiresAt) - createdMs, 90_500);
    for (const time of [message.createdAt, message.expiresAt]) {
      assert.match(time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    }
  });

  cases.test("every JSON value is read as it was published", async (scene) => {
    const [ann, bob] = await scene.two();
    const values: Json[] = [
      null,
      true,
      0,
      -1.5e-7,
      2 ** 53,
      "",
      'quotes " and \\ and \u0007, ä, 漢, 😀, \u2028',
      "NUL \u0000 and a lone surrogate \ud800",
      [],
      [[1], { a: [] }],
      { "": 1, __proto__x: 2, "ключ": { deep: [{}] } },
    ];
    for (const value of values) await ann.append(value);
    assert.deepEqual(await bob.read(), values);
  });

  cases.test("a message keeps its project, addressee and question", async (scene) => {
    const [ann, bob] = await scene.two();
    const question = await ann.append("?", { to: "bob" });
    await bob.append("!", { to: "ann", replyTo: question, project: "/p" });
    const { messages } = await ann.page(undefined, { session: "ann" });
    assert.deepEqual(
      messages.map(({ to, replyTo, project }) => ({ to, replyTo, project })),
      [{ to: "ann", replyTo: question, project: "/p" }],
    );
  });

  cases.test("an append returns a result per message, in order", async (scene) => {
    const ann = await scene.peer("ann");
    const wanted = Array.from({ length: 50 }, (_, i) => i);
    const appended = await ann.appendAll(wanted.map((i) => ann.message(i)));
    const { messages } = await ann.page();
    assert.deepEqual(
      appended.map(({ id }) => id),
      messages.map(({ id }) => id),
    );
    assert.deepEqual(messages.map(({ payload }) => payload), wanted);
  });

  cases.test("an append of no messages returns no results", async (scene) => {
    const ann = await scene.peer("ann");
    for (const atomic of [true, false]) {
      assert.deepEqual(await ann.store.append([], { atomic }), []);
    }
    assert.deepEqual(await ann.read(), []);
  });

  cases.test("atomic: one invalid message rejects all and is thrown", async (scene) => {
    const ann = await scene.peer("ann");
    const messages = [
      ann.message(1),
      ann.message(2, { to: "nobody" }),
      ann.message(3),
    ];
    const end = await ann.store.endCursor();
    await assert.rejects(
      () => ann.store.append(messages, { atomic: true }),
      UnknownSessionError,
    );
    assert.deepEqual(await ann.read(), []);
    // The refusal changed nothing: the next id follows directly.
    await ann.append(4);
    assert.deepEqual(await ann.read(end), [4]);
  });

  for (const atomic of [true, false]) {
    const how = atomic ? "atomic" : "not atomic";
    cases.test(`${how}: many messages keep their order, direct or not`, async (scene) => {
      const [ann, bob] = await scene.two();
      const question = await bob.append("?", { to: "ann", channel: "other" });
      const end = await bob.store.endCursor();
      const messages = Array.from({ length: 57 }, (_, i) =>
        ann.message(i, {
          ...(i % 20 === 7 && { to: "bob" }),
          ...(i === 31 && { to: "bob", replyTo: question }),
        }));
      const results = await ann.store.append(messages, { atomic });
      const read = await bob.page(end, { session: "bob" });
      assert.deepEqual(read.messages.map(({ payload }) => payload), [
        ...messages.keys(),
      ]);
      assert.deepEqual(
        results.map((result) => "id" in result && result.id),
        read.messages.map(({ id }) => id),
      );
      assert.equal((await bob.store.delivery(question))?.state, "acked");
    });
  }

  cases.test("not atomic: only the invalid ones of many messages are rejected", async (scene) => {
    const ann = await scene.peer("ann");
    const messages = Array.from(
      { length: 35 },
      (_, i) => ann.message(i, i === 12 || i === 34 ? { to: "nobody" } : {}),
    );
    const results = await ann.store.append(messages, { atomic: false });
    const refused = results.flatMap((result, i) => "error" in result ? i : []);
    assert.deepEqual(refused, [12, 34]);
    assert.deepEqual(
      await ann.read(),
      [...messages.keys()].filter((i) => !refused.includes(i)),
    );
  });

  cases.test("not atomic: an invalid message rejects only itself", async (scene) => {
    const ann = await scene.peer("ann");
    const results = await ann.store.append([
      ann.message(1),
      ann.message(2, { to: "nobody" }),
      ann.message(3),
      ann.message(4, { to: "" }),
      ann.message(5),
    ], { atomic: false });
    assert.deepEqual(
      results.map((result) => "error" in result),
      [false, true, false, true, false],
    );
    const refused = results[1] as { error: unknown };
    assert.ok(refused.error instanceof UnknownSessionError);
    const { messages } = await ann.page();
    assert.deepEqual(messages.map(({ payload }) => payload), [1, 3, 5]);
    assert.deepEqual(
      messages.map(({ id }) => id),
      results.flatMap((result) => "id" in result ? [result.id] : []),
    );
  });

  cases.test("stores that publish at once lose no message", async (scene) => {
    const [ann, bob] = await scene.two();
    const eve = await scene.peer("eve");
    const each = Array.from({ length: 40 }, (_, i) => i);
    await Promise.all(
      [ann, bob, eve].flatMap((peer) =>
        each.map((i) => peer.append(`${peer.id} ${i}`))
      ),
    );
    const read = await eve.read();
    assert.equal(new Set(read).size, 120);
    assert.equal(read.length, 120);
  });

  cases.test("a publish resolves once other stores can read the message", async (scene) => {
    const ann = await scene.bus("ann");
    const bob = await scene.bus("bob");
    const { id } = await ann.publish("state", "working");
    const { messages } = await bob.poll("state");
    assert.deepEqual(messages.map((message) => [message.id, message.payload]), [
      [id, "working"],
    ]);
  });

  cases.test("publishes of one tick keep the order of the calls", async (scene) => {
    const ann = await scene.bus("ann");
    const calls = Array.from(
      { length: 30 },
      (_, i) =>
        i === 20
          ? ann.publishMany([
            { channel: "b", payload: 20 },
            { channel: "b", payload: 20.5 },
          ])
          : ann.publish("b", i),
    );
    await Promise.all(calls);
    const { messages } = await ann.poll("b");
    assert.deepEqual(
      messages.map(({ payload }) => payload),
      [...Array(21).keys(), 20.5, ...Array(9).keys().map((i) => i + 21)],
    );
  });

  cases.test("a refused publish fails alone among publishes of its tick", async (scene) => {
    const ann = await scene.bus("ann");
    const settled = await Promise.allSettled([
      ann.publish("b", 1),
      ann.publish("b", 2, { to: "nobody" }),
      ann.publish("b", 3),
    ]);
    assert.deepEqual(
      settled.map(({ status }) => status),
      ["fulfilled", "rejected", "fulfilled"],
    );
    const { messages } = await ann.poll("b");
    assert.deepEqual(messages.map(({ payload }) => payload), [1, 3]);
  });

  cases.test("a message that a bus refuses is not stored", async (scene) => {
    const ann = await scene.bus("ann", { payloadBytesMax: 100 });
    const refused = async (name: string, act: () => Promise<unknown>) =>
      await assert.rejects(act, { name });
    const invalid: readonly (() => Promise<unknown>)[] = [
      () => ann.publish("no spaces", 1),
      () => ann.publish("b", 1, { ttlSeconds: 0 }),
      () => ann.publish("b", NaN),
      () => ann.publish("b", 1, { replyTo: "no id" }),
    ];
    for (const act of invalid) await refused("InvalidInputError", act);
    await refused(
      "PayloadTooLargeError",
      () => ann.publish("b", "x".repeat(100)),
    );
    await refused("UnknownSessionError", () =>
      ann.publishMany([
        { channel: "b", payload: 1 },
        { channel: "b", payload: 2, to: "nobody" },
      ]));
    const { messages } = await ann.poll("b");
    assert.deepEqual(messages, []);
  });
}
