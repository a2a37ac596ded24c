/**
 * Direct messages: for one session, with a delivery state that only moves forward
 * and never exceeds the proven progress.
 *
 * @module
 */

import type { Operations } from "../bus/operations.ts";
import assert from "node:assert/strict";
import { AskTimeoutError, UnknownSessionError } from "../model/errors.ts";
import type { DeliveryState } from "../model/delivery.ts";
import type { Cases } from "./case.ts";
import { purgeAll } from "./keeping.ts";
import { HOUR_MS, payloadsOf, type Peer } from "./peer.ts";
import { within } from "./waiting.ts";

/** Returns the payloads pending for a session. */
async function pending(
  { id, store }: Peer,
  options?: Parameters<Operations["pendingFor"]>[3],
): Promise<unknown[]> {
  const after = store.startCursor;
  return payloadsOf(await store.pendingFor(id, after, 100, options));
}

/** Returns the delivery state of a message. */
async function stateOf(
  { store }: Peer,
  id: string,
): Promise<DeliveryState | undefined> {
  return (await store.delivery(id))?.state;
}

/** Adds the cases. */
export function directMessages(cases: Cases): void {
  const timed = cases.needing("movesClock");

  cases.test("a direct message waits for the addressed session only", async (scene) => {
    const [ann, bob] = await scene.two();
    const id = await ann.append("hello", { to: "bob" });
    await ann.append("for all");
    assert.deepEqual(await pending(bob), ["hello"]);
    assert.deepEqual(await pending(ann), []);
    const [{ expiresAt }] = await bob.store.pendingFor(
      "bob",
      bob.store.startCursor,
      1,
    );
    const { changedAt, ...delivery } = (await ann.store.delivery(id))!;
    assert.deepEqual(delivery, {
      id,
      sender: "ann",
      to: "bob",
      state: "queued",
      expiresAt,
    });
    assert.match(changedAt, /^\d{4}-\d\d-\d\dT/);
  });

  cases.test("an id, its beginning and a short name address a session", async (scene) => {
    const [ann, bob] = await scene.two();
    const long = "01890000-0000-7000-8000-00000000beef";
    await scene.peer(long, { start: { vendor: "codex" } });
    const to = async (text: string) => {
      const [sent] = await ann.appendAll([ann.message(1, { to: text })]);
      assert.equal(sent.notRunning, false);
      return sent.to;
    };
    for (const text of [long, "0189", "codex-beef"]) {
      assert.equal(await to(text), long, text);
    }
    for (const text of ["bob", "b"]) assert.equal(await to(text), "bob", text);
    assert.equal((await pending(bob)).length, 2);
  });

  cases.test("an address that fits no session or several is refused with the candidates", async (scene) => {
    const ann = await scene.peer("ann");
    for (const id of ["twin-1", "twin-2"]) await scene.peer(id);
    const refused: readonly [string, string[]][] = [
      ["nobody", []],
      ["", []],
      ["twin", ["twin-1", "twin-2"]],
    ];
    for (const [to, candidates] of refused) {
      await assert.rejects(() => ann.append(1, { to }), (error) => {
        assert.ok(error instanceof UnknownSessionError);
        if (to !== "") {
          assert.deepEqual(error.candidates.toSorted(), candidates);
        }
        return true;
      });
    }
    assert.deepEqual(await ann.read(), []);
    // A whole id does not count as a beginning of another.
    await scene.peer("twin");
    await ann.append(1, { to: "twin" });
  });

  cases.test("an address prefers running sessions to ended ones", async (scene) => {
    const [ann] = await scene.two();
    const one = await scene.peer("twin-1");
    await scene.peer("twin-2");
    await one.store.endSession("twin-1");
    const [sent] = await ann.appendAll([ann.message(1, { to: "twin" })]);
    assert.equal(sent.to, "twin-2");
  });

  cases.test("a message to an ended session is kept, and its result says so", async (scene) => {
    const [ann, bob] = await scene.two();
    await bob.store.endSession("bob");
    const [sent] = await ann.appendAll([ann.message("hello", { to: "bob" })]);
    assert.equal(sent.notRunning, true);
    await bob.register();
    assert.deepEqual(await pending(bob), ["hello"]);
  });

  cases.test("a delivery's state only moves forward", async (scene) => {
    const [ann, bob] = await scene.two();
    const id = await ann.append(1, { to: "bob" });
    const moves: readonly [DeliveryState, DeliveryState][] = [
      ["noticed", "noticed"],
      ["injected", "injected"],
      ["noticed", "injected"],
      ["acked", "acked"],
      ["injected", "acked"],
    ];
    for (const [to, state] of moves) {
      await bob.store.moveDeliveries("bob", [id], to);
      assert.equal(await stateOf(ann, id), state);
    }
  });

  cases.test("several deliveries move at once, each from its own state", async (scene) => {
    const [ann, bob] = await scene.two();
    const ids = [];
    for (let i = 0; i < 3; i++) ids.push(await ann.append(i, { to: "bob" }));
    await bob.store.moveDeliveries("bob", [ids[1]], "acked");
    await bob.store.moveDeliveries("bob", ids, "noticed");
    await bob.store.moveDeliveries("bob", [], "acked");
    const states = await Promise.all(ids.map((id) => stateOf(ann, id)));
    assert.deepEqual(states, ["noticed", "acked", "noticed"]);
  });

  cases.test("no other session moves a delivery", async (scene) => {
    const [ann, bob] = await scene.two();
    const id = await ann.append(1, { to: "bob" });
    await ann.store.moveDeliveries("ann", [id], "acked");
    assert.equal(await stateOf(ann, id), "queued");
    assert.deepEqual(await pending(bob), [1]);
  });

  cases.test("an acknowledged message is not pending", async (scene) => {
    const [ann, bob] = await scene.two();
    const ids = [];
    for (let i = 0; i < 4; i++) ids.push(await ann.append(i, { to: "bob" }));
    await bob.store.moveDeliveries("bob", [ids[0]], "noticed");
    await bob.store.moveDeliveries("bob", [ids[1]], "injected");
    await bob.store.moveDeliveries("bob", [ids[2]], "acked");
    assert.deepEqual(await pending(bob), [0, 1, 3]);
    assert.deepEqual(await pending(bob, { untold: true }), [0, 3]);
  });

  cases.test("pending messages are read in order, in pages", async (scene) => {
    const [ann, bob] = await scene.two();
    await ann.appendAll(
      Array.from({ length: 7 }, (_, i) => ann.message(i, { to: "bob" })),
    );
    let after = bob.store.startCursor;
    const pages = [];
    for (let i = 0; i < 3; i++) {
      const page = await bob.store.pendingFor("bob", after, 3);
      pages.push(payloadsOf(page));
      after = page.at(-1)?.id ?? after;
    }
    assert.deepEqual(pages, [[0, 1, 2], [3, 4, 5], [6]]);
  });

  cases.test("10,000 unread messages wait, and are counted", async (scene) => {
    const [ann, bob] = await scene.two();
    for (let i = 0; i < 10; i++) {
      await ann.appendAll(
        Array.from(
          { length: 1_000 },
          (_, j) => ann.message(1_000 * i + j, { to: "bob" }),
        ),
      );
    }
    await purgeAll(ann.store);
    const page = await bob.store.pendingFor("bob", bob.store.startCursor, 10);
    assert.deepEqual(payloadsOf(page), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    const ids = page.map(({ id }) => id);
    await bob.store.moveDeliveries("bob", ids, "injected");
    assert.equal(await bob.store.untoldCount("bob"), 9_990);
    assert.equal(await bob.store.untoldCount("ann"), 0);
  });

  cases.test("a message for all sessions, or an unknown one, has no delivery", async (scene) => {
    const ann = await scene.peer("ann");
    const id = await ann.append(1);
    assert.equal(await ann.store.delivery(id), undefined);
    const end = await ann.store.endCursor();
    assert.equal(await ann.store.delivery(end), undefined);
  });

  timed.test("an expired message is not pending, and its delivery says why", async (scene) => {
    const [ann, bob] = await scene.two();
    const eve = await scene.peer("eve");
    const short = { ttlSeconds: 60 };
    const unread = await ann.append("unread", { to: "bob", ...short });
    const told = await ann.append("told", { to: "bob", ...short });
    const acked = await ann.append("acked", { to: "bob", ...short });
    const gone = await ann.append("gone", { to: "eve", ...short });
    await bob.store.moveDeliveries("bob", [told], "injected");
    await bob.store.moveDeliveries("bob", [acked], "acked");
    await eve.store.endSession("eve");
    await scene.advance(90_000);
    const states = async () =>
      await Promise.all(
        [unread, told, acked, gone].map((id) => stateOf(ann, id)),
      );
    const wanted = ["expired", "injected", "acked", "undeliverable"];
    assert.deepEqual(await pending(bob), []);
    assert.deepEqual(await states(), wanted);
    // The delivery outlives the message.
    await purgeAll(ann.store);
    assert.deepEqual(await states(), wanted);
    // An expired message is not acknowledged.
    await bob.store.moveDeliveries("bob", [unread], "acked");
    assert.equal(await stateOf(ann, unread), "expired");
    await scene.advance(3 * 24 * HOUR_MS);
    await purgeAll(ann.store);
    assert.equal(await stateOf(ann, unread), undefined);
  });

  timed.test("a sender lists its direct messages with their states", async (scene) => {
    const [ann, bob] = await scene.two();
    const send = (payload: string, ttlSeconds = 3_600) =>
      ann.append(payload, { to: "bob", ttlSeconds });
    const short = await send("short", 60);
    const ids = [await send("one"), await send("two"), await send("three")];
    await ann.append("for all");
    await bob.append("not hers", { to: "ann" });
    await bob.store.moveDeliveries("bob", [ids[1]], "injected");
    await bob.store.moveDeliveries("bob", [ids[0]], "acked");
    await scene.advance(90_000);
    await purgeAll(ann.store);
    const all = (await ann.store.sentBy("ann", 100))
      .filter(({ message }) => message?.channel !== "notice")
      .map((
        { id, to, toName, state, message },
      ) => [id, to, toName, state, message?.payload]);
    assert.deepEqual(all, [
      [ids[2], "bob", "bob", "queued", "three"],
      [ids[1], "bob", "bob", "injected", "two"],
      [ids[0], "bob", "bob", "acked", "one"],
      [short, "bob", "bob", "expired", undefined],
    ]);
    // Its newest message is the notice of the expired one.
    const [, latest] = await ann.store.sentBy("ann", 2);
    assert.equal(latest.id, ids[2]);
    assert.deepEqual(await ann.store.sentBy("nobody", 10), []);
  });

  cases.test("the asking session finds an answer by the question's id", async (scene) => {
    const [ann, bob] = await scene.two();
    const question = await ann.append("?", { to: "bob" });
    assert.equal(await ann.store.answerTo("ann", question), undefined);
    await bob.append("not to it", { to: "ann" });
    const id = await bob.append("!", { to: "ann", replyTo: question });
    await bob.append("again", { to: "ann", replyTo: question });
    const answer = await ann.store.answerTo("ann", question);
    assert.equal(answer?.id, id);
    assert.equal(answer?.replyTo, question);
    assert.equal(await bob.store.answerTo("bob", question), undefined);
  });

  timed.test("an expired answer is not found", async (scene) => {
    const [ann, bob] = await scene.two();
    const question = await ann.append("?", { to: "bob" });
    await bob.append("!", { to: "ann", replyTo: question, ttlSeconds: 60 });
    await scene.advance(90_000);
    assert.equal(await ann.store.answerTo("ann", question), undefined);
  });

  cases.test("a bus asks and another answers, both by push", async (scene) => {
    const ann = await scene.bus("ann");
    const bob = await scene.bus("bob");
    await bob.sessions.register();
    const answering = (async () => {
      for await (const question of bob.inbox()) {
        await bob.reply(question, { to: question.payload });
        return question.id;
      }
    })();
    const answer = await within("the answer", ann.ask("bob", "how is it?"));
    assert.deepEqual(answer.payload, { to: "how is it?" });
    assert.equal(answer.sender, "bob");
    const id = await answering;
    assert.equal((await ann.delivery(id!))?.state, "acked");
    assert.equal((await bob.delivery(answer.id))?.state, "acked");
    assert.deepEqual(await ann.inbox().pending(), []);
  });

  cases.test("a question without an answer throws with its delivery state", async (scene) => {
    const ann = await scene.bus("ann");
    const bob = await scene.bus("bob");
    await bob.sessions.register();
    await assert.rejects(
      () => ann.ask("bob", "?", { timeoutMs: 1 }),
      (error) => {
        assert.ok(error instanceof AskTimeoutError);
        assert.equal(error.delivery, "queued");
        return true;
      },
    );
  });

  cases.test("a bus watches a delivery to its end", async (scene) => {
    const ann = await scene.bus("ann");
    const bob = await scene.bus("bob");
    await bob.sessions.register();
    const { id } = await ann.publish("chat", 1, { to: "bob" });
    const states: string[] = [];
    const watching = (async () => {
      for await (const { state } of ann.watchDelivery(id)) {
        states.push(state);
        const [message] = await bob.inbox().pending();
        if (state === "noticed") await bob.inbox().ack(message);
      }
    })();
    await within("the end of the delivery", watching);
    assert.deepEqual(states, ["queued", "noticed", "acked"]);
  });
}
